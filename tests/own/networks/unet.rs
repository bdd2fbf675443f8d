//! A U-Net: down, up again, and beside each step up what was there on the way down.

use std::sync::Arc;

use burn::module::Module;
use burn::nn::conv::{Conv2d, ConvTranspose2d, ConvTranspose2dConfig};
use burn::tensor::activation::relu;
use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Device, Tensor, ops::PadMode};

use super::Case;
use super::layers::{ConvNorm, same};

/// Channels of each level, the finest first.
const CHANNELS: [usize; 4] = [16, 24, 32, 48];
const CLASSES: usize = 5;

#[derive(Module, Debug)]
struct Twice {
    conv1: ConvNorm,
    conv2: ConvNorm,
}

impl Twice {
    fn new(channels: [usize; 2], device: &Device) -> Self {
        Self {
            conv1: ConvNorm::new(channels, 3, 1, device),
            conv2: ConvNorm::new([channels[1], channels[1]], 3, 1, device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        relu(self.conv2.forward(relu(self.conv1.forward(x))))
    }
}

#[derive(Module, Debug)]
pub struct UNet {
    down: Vec<Twice>,
    /// The coarsest first.
    enlarge: Vec<ConvTranspose2d>,
    up: Vec<Twice>,
    head: Conv2d,
}

impl UNet {
    fn new(device: &Device) -> Self {
        let before = [3].into_iter().chain(CHANNELS);
        let down = before.zip(CHANNELS);
        let up = || CHANNELS.windows(2).rev();
        Self {
            down: down
                .map(|(before, after)| Twice::new([before, after], device))
                .collect(),
            enlarge: up()
                .map(|level| {
                    ConvTranspose2dConfig::new([level[1], level[0]], [2, 2])
                        .with_stride([2, 2])
                        .init(device)
                })
                .collect(),
            up: up()
                .map(|level| Twice::new([2 * level[0], level[0]], device))
                .collect(),
            head: same([CHANNELS[0], CLASSES], 1).init(device),
        }
    }

    fn forward(&self, image: Tensor<4>) -> Tensor<4> {
        let mut x = image;
        let mut levels = Vec::new();
        for (level, down) in self.down.iter().enumerate() {
            if level > 0 {
                x = max_pool2d(x, MaxPoolOptions::new([2, 2]));
            }
            x = down.forward(x);
            levels.push(x.clone());
        }
        levels.pop();
        for (enlarge, up) in self.enlarge.iter().zip(&self.up) {
            let finer = levels.pop().expect("there are as many");
            let larger = padded(enlarge.forward(x), &finer);
            x = up.forward(Tensor::cat(vec![finer, larger], 1));
        }
        self.head.forward(x)
    }
}

/// A map with zeros below and to the right, where pools cut off an odd row or column of a finer one.
fn padded(x: Tensor<4>, finer: &Tensor<4>) -> Tensor<4> {
    let ([_, _, height, width], [_, _, most, widest]) = (x.dims(), finer.dims());
    x.pad(
        (0, widest - width, 0, most - height),
        PadMode::Constant(0.0),
    )
}

/// Of pictures `[N, 3, H, W]`.
pub fn case(image: [usize; 4]) -> Case<UNet> {
    Case {
        name: "U-Net",
        init: Arc::new(UNet::new),
        forward: |module, io| {
            let image = io.input("image")?;
            io.output("classes", module.forward(image))
        },
        inputs: vec![("image", image.to_vec())],
    }
}
