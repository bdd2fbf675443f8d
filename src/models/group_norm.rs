//! Group normalization (Wu and He, 2018, <https://arxiv.org/abs/1803.08494>), as PyTorch's `nn.GroupNorm`.

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};

use crate::ops::group_statistics::{GroupOptions, group_statistics};

/// Groups of channels, each shifted and scaled to mean 0 and variance 1 over the map; then each channel is scaled
/// and shifted by what was learned.
#[derive(Module, Debug)]
pub struct GroupNorm {
    weight: Param<Tensor<1>>,
    bias: Param<Tensor<1>>,
    groups: usize,
}

/// What is added to a variance.
const EPSILON: f64 = 1e-5;

impl GroupNorm {
    /// Of so many channels in so many groups; weights unloaded.
    pub fn new(channels: usize, groups: usize, device: &Device) -> Self {
        Self {
            weight: Initializer::Ones.init([channels], device),
            bias: Initializer::Zeros.init([channels], device),
            groups,
        }
    }

    /// `[1, C, H, W]` → the same shape.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let options = GroupOptions {
            groups: self.groups,
            epsilon: EPSILON,
        };
        let [means, scales] = group_statistics(x.clone(), options);
        let of_channels = |values: &Param<Tensor<1>>| -> Tensor<4> {
            let [channels] = values.dims();
            values.val().reshape([1, channels, 1, 1])
        };
        (x - means) * scales * of_channels(&self.weight) + of_channels(&self.bias)
    }
}
