//! Attention over channels.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::activation::{gelu, relu, sigmoid};
use burn::tensor::{Device, Tensor};

use super::HatConfig;
use crate::models::conv::ConvLayer;

/// CAB: two 3×3 convolutions with fewer channels between them, then each channel scaled by what the channels'
/// means over the map come to.
#[derive(Module, Debug)]
pub struct ChannelAttentionBlock {
    compress: Conv2d,
    restore: Conv2d,
    squeeze: Conv2d,
    excite: Conv2d,
}

impl ChannelAttentionBlock {
    /// With unloaded weights.
    pub fn new(config: &HatConfig, device: &Device) -> Self {
        let channels = config.channels;
        let (few, fewer) = (channels / config.compress, channels / config.squeeze);
        let conv =
            |input, output, kernel| ConvLayer::new(input, output, kernel).bias().init(device);
        Self {
            compress: conv(channels, few, 3),
            restore: conv(few, channels, 3),
            squeeze: conv(channels, fewer, 1),
            excite: conv(fewer, channels, 1),
        }
    }

    /// `[N, C, H, W]` → the same shape.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.restore.forward(gelu(self.compress.forward(x)));
        let mean = x.clone().mean_dim(3).mean_dim(2);
        let share = self.excite.forward(relu(self.squeeze.forward(mean)));
        x * sigmoid(share)
    }
}
