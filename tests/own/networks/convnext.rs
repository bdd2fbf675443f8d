//! ConvNeXt's blocks: a wide depthwise convolution, then a perceptron over each pixel's channels.

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{LayerNorm, LayerNormConfig};
use burn::tensor::{Device, Tensor};

use crate::case::Case;
use crate::layers::{Mlp, same};

const CHANNELS: usize = 24;

#[derive(Module, Debug)]
struct Block {
    depthwise: Conv2d,
    norm: LayerNorm,
    mlp: Mlp,
    scale: Param<Tensor<1>>,
}

impl Block {
    fn new(device: &Device) -> Self {
        Self {
            depthwise: same([CHANNELS, CHANNELS], 7)
                .with_groups(CHANNELS)
                .init(device),
            norm: LayerNormConfig::new(CHANNELS).init(device),
            mlp: Mlp::new(CHANNELS, 4 * CHANNELS, device),
            scale: Param::from_tensor(Tensor::ones([CHANNELS], device)),
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
struct Blocks {
    stem: Conv2d,
    blocks: Vec<Block>,
}

#[test]
fn convnext_blocks() {
    Case {
        name: "ConvNeXt",
        init: |device| Blocks {
            stem: Conv2dConfig::new([3, CHANNELS], [4, 4])
                .with_stride([4, 4])
                .init(device),
            blocks: vec![Block::new(device), Block::new(device)],
        },
        forward: |module, io| {
            let x = module.stem.forward(io.input("image")?);
            let blocks = module.blocks.iter();
            io.output("map", blocks.fold(x, |x, block| block.forward(x)))
        },
        inputs: &[("image", &[1, 3, 60, 84])],
    }
    .check();
}
