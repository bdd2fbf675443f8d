//! ResNet-18: a classifier of residual blocks.

use std::sync::Arc;

use burn::module::Module;
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::module::adaptive_avg_pool2d;
use burn::tensor::{Device, Tensor};

use super::Case;
use super::layers::ConvNorm;

/// Channels of each stage.
const CHANNELS: [usize; 4] = [64, 128, 256, 512];
const CLASSES: usize = 1000;

#[derive(Module, Debug)]
struct Block {
    conv1: ConvNorm,
    conv2: ConvNorm,
    shortcut: Option<ConvNorm>,
}

impl Block {
    fn new(channels: [usize; 2], stride: usize, device: &Device) -> Self {
        let changes = stride > 1 || channels[0] != channels[1];
        Self {
            conv1: ConvNorm::new(channels, 3, stride, device),
            conv2: ConvNorm::new([channels[1], channels[1]], 3, 1, device),
            shortcut: changes.then(|| ConvNorm::new(channels, 1, stride, device)),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let shortcut = match &self.shortcut {
            Some(conv) => conv.forward(x.clone()),
            None => x.clone(),
        };
        let x = relu(self.conv1.forward(x));
        relu(self.conv2.forward(x) + shortcut)
    }
}

#[derive(Module, Debug)]
pub struct ResNet18 {
    stem: ConvNorm,
    pool: MaxPool2d,
    blocks: Vec<Block>,
    fc: Linear,
}

impl ResNet18 {
    fn new(device: &Device) -> Self {
        let mut blocks = Vec::new();
        let mut before = CHANNELS[0];
        for (stage, channels) in CHANNELS.into_iter().enumerate() {
            let stride = if stage == 0 { 1 } else { 2 };
            blocks.push(Block::new([before, channels], stride, device));
            blocks.push(Block::new([channels, channels], 1, device));
            before = channels;
        }
        Self {
            stem: ConvNorm::new([3, CHANNELS[0]], 7, 2, device),
            pool: MaxPool2dConfig::new([3, 3])
                .with_strides([2, 2])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init(),
            blocks,
            fc: LinearConfig::new(before, CLASSES).init(device),
        }
    }

    fn forward(&self, image: Tensor<4>) -> Tensor<2> {
        let x = self.pool.forward(relu(self.stem.forward(image)));
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x));
        let x: Tensor<2> = adaptive_avg_pool2d(x, [1, 1]).flatten(1, 3);
        self.fc.forward(x)
    }
}

/// Of pictures `[N, 3, H, W]`.
pub fn case(image: [usize; 4]) -> Case<ResNet18> {
    Case {
        name: "ResNet-18",
        init: Arc::new(ResNet18::new),
        forward: |module, io| {
            let image = io.input("image")?;
            io.output("classes", module.forward(image))
        },
        inputs: vec![("image", image.to_vec())],
    }
}
