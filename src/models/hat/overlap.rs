//! Attention over windows that overlap.

use burn::module::{Module, Param};
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use super::window::bias_table;
use super::{HatConfig, Mlp, map, rows};
use crate::ops::window_attention::{Windows, window_attention};

/// OCAB: attention of each window's pixels to those of a larger window around it, added to what it sees; then a
/// perceptron, added too.
#[derive(Module, Debug)]
pub struct OverlappingBlock {
    relative_position_bias_table: Param<Tensor<2>>,
    norm1: LayerNorm,
    qkv: Linear,
    proj: Linear,
    norm2: LayerNorm,
    mlp: Mlp,
    #[module(skip)]
    config: HatConfig,
}

impl OverlappingBlock {
    /// With unloaded weights.
    pub fn new(config: &HatConfig, device: &Device) -> Self {
        let positions = config.window + config.overlapping_window() - 1;
        Self {
            relative_position_bias_table: bias_table(positions, config.heads, device),
            norm1: LayerNormConfig::new(config.channels).init(device),
            qkv: LinearConfig::new(config.channels, 3 * config.channels).init(device),
            proj: LinearConfig::new(config.channels, config.channels).init(device),
            norm2: LayerNormConfig::new(config.channels).init(device),
            mlp: Mlp::new(config, device),
            config: *config,
        }
    }

    /// `[N, H, W, C]` → the same shape; `H` and `W` are multiples of the window.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let qkv = map(self.qkv.forward(self.norm1.forward(x.clone())));
        let windows = Windows::Overlapping(self.config.overlapping_window());
        let bias = self.relative_position_bias_table.val();
        let seen = window_attention(qkv, bias, self.config.attention(windows));
        let x = x + self.proj.forward(rows(seen));
        x.clone() + self.mlp.forward(self.norm2.forward(x))
    }
}
