//! The hybrid block: attention within windows and over channels side by side.

use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::activation::gelu;
use burn::tensor::{Device, Tensor};

use super::{ChannelAttentionBlock, HatConfig, WindowAttention, map, rows};

/// HAB: attention within windows and over channels, added to what they see; then a perceptron, added too.
#[derive(Module, Debug)]
pub struct HybridBlock {
    norm1: LayerNorm,
    attn: WindowAttention,
    conv_block: ChannelAttentionBlock,
    norm2: LayerNorm,
    mlp: Mlp,
    shift: usize,
    #[module(skip)]
    channel_scale: f64,
}

impl HybridBlock {
    /// With unloaded weights, its windows shifted by so many pixels.
    pub fn new(config: &HatConfig, shift: usize, device: &Device) -> Self {
        Self {
            norm1: LayerNormConfig::new(config.channels).init(device),
            attn: WindowAttention::new(config, device),
            conv_block: ChannelAttentionBlock::new(config, device),
            norm2: LayerNormConfig::new(config.channels).init(device),
            mlp: Mlp::new(config, device),
            shift,
            channel_scale: config.channel_scale,
        }
    }

    /// `[N, H, W, C]` → the same shape; `H` and `W` are multiples of the window.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let normed = self.norm1.forward(x.clone());
        let by_channels = rows(self.conv_block.forward(map(normed.clone())));
        let x = x + self.attn.forward(normed, self.shift) + by_channels * self.channel_scale;
        x.clone() + self.mlp.forward(self.norm2.forward(x))
    }
}

/// A perceptron over each pixel's channels.
#[derive(Module, Debug)]
pub struct Mlp {
    fc1: Linear,
    fc2: Linear,
}

impl Mlp {
    /// With unloaded weights.
    pub fn new(config: &HatConfig, device: &Device) -> Self {
        let hidden = config.channels * config.mlp_ratio;
        Self {
            fc1: LinearConfig::new(config.channels, hidden).init(device),
            fc2: LinearConfig::new(hidden, config.channels).init(device),
        }
    }

    /// `[…, C]` → the same shape.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.fc2.forward(gelu(self.fc1.forward(x)))
    }
}
