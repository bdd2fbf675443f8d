//! ConvNeXt's blocks: a wide depthwise convolution, then a perceptron over each pixel's channels.

use std::sync::Arc;

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{LayerNorm, LayerNormConfig};
use burn::tensor::{Device, Tensor};

use super::Case;
use super::layers::{Mlp, same};

#[derive(Module, Debug)]
struct Block {
    depthwise: Conv2d,
    norm: LayerNorm,
    mlp: Mlp,
    scale: Param<Tensor<1>>,
}

impl Block {
    fn new(channels: usize, device: &Device) -> Self {
        Self {
            depthwise: same([channels, channels], 7)
                .with_groups(channels)
                .init(device),
            norm: LayerNormConfig::new(channels).init(device),
            mlp: Mlp::new(channels, 4 * channels, device),
            scale: Param::from_tensor(Tensor::ones([channels], device)),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let made = self.depthwise.forward(x.clone()).permute([0, 2, 3, 1]);
        let made = self.mlp.forward(self.norm.forward(made));
        let made = made * self.scale.val().unsqueeze();
        x + made.permute([0, 3, 1, 2])
    }
}

#[derive(Module, Debug)]
pub struct Blocks {
    stem: Conv2d,
    blocks: Vec<Block>,
}

/// Of pictures `[N, 3, H, W]`, with maps of so many channels.
pub fn case(image: [usize; 4], channels: usize) -> Case<Blocks> {
    Case {
        name: "ConvNeXt",
        init: Arc::new(move |device| Blocks {
            stem: Conv2dConfig::new([3, channels], [4, 4])
                .with_stride([4, 4])
                .init(device),
            blocks: vec![Block::new(channels, device), Block::new(channels, device)],
        }),
        forward: |module, io| {
            let x = module.stem.forward(io.input("image")?);
            let blocks = module.blocks.iter();
            io.output("map", blocks.fold(x, |x, block| block.forward(x)))
        },
        inputs: vec![("image", image.to_vec())],
    }
}
