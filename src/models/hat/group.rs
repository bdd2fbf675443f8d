//! A group of blocks with a shortcut around it.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::ops::PadMode;
use burn::tensor::{Device, Tensor};

use super::{HatConfig, HatError, HybridBlock, OverlappingBlock, map, rows};
use crate::models::conv::ConvLayer;

/// RHAG: hybrid blocks, every second one with its windows shifted by half their side; a block of overlapping
/// windows; a 3×3 convolution; and what the group sees added to that.
#[derive(Module, Debug)]
pub struct ResidualGroup {
    residual_group: Blocks,
    conv: Conv2d,
    window: usize,
}

#[derive(Module, Debug)]
struct Blocks {
    blocks: Vec<HybridBlock>,
    overlap_attn: OverlappingBlock,
}

impl ResidualGroup {
    /// With unloaded weights.
    ///
    /// # Errors
    /// If no group is made so: see [`HatConfig::check`].
    pub fn new(config: &HatConfig, device: &Device) -> Result<Self, HatError> {
        config.check()?;
        let shift = |index: usize| index % 2 * (config.window / 2);
        let blocks = (0..config.blocks).map(|index| HybridBlock::new(config, shift(index), device));
        Ok(Self {
            residual_group: Blocks {
                blocks: blocks.collect(),
                overlap_attn: OverlappingBlock::new(config, device),
            },
            conv: ConvLayer::new(config.channels, config.channels, 3)
                .bias()
                .init(device),
            window: config.window,
        })
    }

    /// `[N, C, H, W]`, of any size, → the same shape. Zeros to the right and below make whole windows.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [items, channels, height, width] = x.dims();
        let missing = |side: usize| side.next_multiple_of(self.window) - side;
        let x = match [missing(height), missing(width)] {
            [0, 0] => x,
            [below, right] => x.pad((0, right, 0, below), PadMode::Constant(0.0)),
        };
        let Blocks {
            blocks,
            overlap_attn,
        } = &self.residual_group;
        let y = blocks
            .iter()
            .fold(rows(x.clone()), |y, block| block.forward(y));
        let y = self.conv.forward(map(overlap_attn.forward(y))) + x;
        y.slice([0..items, 0..channels, 0..height, 0..width])
    }
}
