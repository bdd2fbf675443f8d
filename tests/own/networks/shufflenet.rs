//! ShuffleNetV2's unit: half of the channels pass, the other half is convolved, and both are shuffled.

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

use super::Case;
use super::layers::ConvNorm;

const CHANNELS: usize = 24;

#[derive(Module, Debug)]
struct Branch {
    before: ConvNorm,
    depthwise: ConvNorm,
    after: ConvNorm,
}

impl Branch {
    fn new(device: &Device) -> Self {
        let half = CHANNELS / 2;
        Self {
            before: ConvNorm::new([half, half], 1, 1, device),
            depthwise: ConvNorm::depthwise(half, 3, 1, device),
            after: ConvNorm::new([half, half], 1, 1, device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.depthwise.forward(relu(self.before.forward(x)));
        relu(self.after.forward(x))
    }
}

#[derive(Module, Debug)]
pub struct Units {
    stem: ConvNorm,
    units: Vec<Branch>,
}

impl Units {
    fn new(device: &Device) -> Self {
        Self {
            stem: ConvNorm::new([3, CHANNELS], 3, 2, device),
            units: vec![Branch::new(device), Branch::new(device)],
        }
    }

    fn forward(&self, image: Tensor<4>) -> Tensor<4> {
        let x = relu(self.stem.forward(image));
        self.units.iter().fold(x, |x, unit| {
            let halves = x.chunk(2, 1);
            let made = unit.forward(halves[1].clone());
            shuffled(Tensor::cat(vec![halves[0].clone(), made], 1))
        })
    }
}

/// Channels of two halves, by turns.
fn shuffled(x: Tensor<4>) -> Tensor<4> {
    let [items, channels, height, width] = x.dims();
    let halves = x.reshape([items, 2, channels / 2, height, width]);
    halves
        .swap_dims(1, 2)
        .reshape([items, channels, height, width])
}

/// Of pictures `[N, 3, H, W]`.
pub fn case(image: [usize; 4]) -> Case<Units> {
    Case {
        name: "ShuffleNet",
        init: Arc::new(Units::new),
        forward: |module, io| {
            let image = io.input("image")?;
            io.output("map", module.forward(image))
        },
        inputs: vec![("image", image.to_vec())],
    }
}
