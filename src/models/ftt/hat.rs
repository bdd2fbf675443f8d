//! The form of attention.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::{Device, Tensor};

use crate::models::conv::ConvLayer;
use crate::models::hat::{HatConfig, ResidualGroup};
use crate::ops::pixel_shuffle::pixel_shuffle;

/// Pixels along a window's side.
const WINDOW: usize = 8;

/// Channels of a head of attention: 32, or the largest power of two below that divides the pyramid's.
fn head_width(channels: usize) -> usize {
    32.min(1 << channels.trailing_zeros())
}

/// Content and texture by a group of HAT's blocks each.
#[derive(Module, Debug)]
pub struct HatFtt {
    content_extractor: ResidualGroup,
    channel_scaler: Conv2d,
    channel_reducer: Conv2d,
    texture_extractor: ResidualGroup,
}

impl HatFtt {
    /// For a pyramid of so many channels a level, with unloaded weights.
    pub fn new(channels: usize, device: &Device) -> Self {
        let config = HatConfig::new(channels, WINDOW, channels / head_width(channels));
        let group = || ResidualGroup::new(&config, device).expect("windows of 8 fit");
        let conv = |input, output| ConvLayer::new(input, output, 1).bias().init(device);
        Self {
            content_extractor: group(),
            channel_scaler: conv(channels, 4 * channels),
            channel_reducer: conv(2 * channels, channels),
            texture_extractor: group(),
        }
    }

    /// As [`Ftt::forward`](super::Ftt::forward).
    pub fn forward(&self, coarse: Tensor<4>, fine: Tensor<4>) -> Tensor<4> {
        let content = self.content_extractor.forward(coarse);
        let content = pixel_shuffle(self.channel_scaler.forward(content), 2);
        let both = Tensor::cat(vec![content.clone(), fine], 1);
        let texture = self.channel_reducer.forward(both);
        content + self.texture_extractor.forward(texture)
    }
}
