//! Attention within windows.

use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use super::{HatConfig, map, rows};
use crate::ops::window_attention::{Windows, window_attention};

/// Attention of each pixel to those of its own window, with a bias for their relative position: Swin's
/// (Liu et al., 2021, <https://arxiv.org/abs/2103.14030>).
#[derive(Module, Debug)]
pub struct WindowAttention {
    relative_position_bias_table: Param<Tensor<2>>,
    qkv: Linear,
    proj: Linear,
    #[module(skip)]
    config: HatConfig,
}

impl WindowAttention {
    /// With unloaded weights.
    pub fn new(config: &HatConfig, device: &Device) -> Self {
        Self {
            relative_position_bias_table: bias_table(2 * config.window - 1, config.heads, device),
            qkv: LinearConfig::new(config.channels, 3 * config.channels).init(device),
            proj: LinearConfig::new(config.channels, config.channels).init(device),
            config: *config,
        }
    }

    /// `[N, H, W, C]` → the same shape. `H` and `W` are multiples of the window; `shift` is how far windows lie
    /// to the right and below of where they do at 0.
    pub fn forward(&self, x: Tensor<4>, shift: usize) -> Tensor<4> {
        let qkv = map(self.qkv.forward(x));
        let bias = self.relative_position_bias_table.val();
        let options = self.config.attention(Windows::Shifted(shift));
        self.proj
            .forward(rows(window_attention(qkv, bias, options)))
    }
}

/// A bias for each of `side` relative positions along either axis, by head: `[side², heads]`.
pub(super) fn bias_table(side: usize, heads: usize, device: &Device) -> Param<Tensor<2>> {
    Param::from_tensor(Tensor::zeros([side * side, heads], device))
}
