//! What of a random graph has parameters.

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{
    BatchNorm, BatchNormConfig, GroupNorm, GroupNormConfig, LayerNorm, LayerNormConfig, Linear,
    LinearConfig, PaddingConfig2d,
};
use burn::tensor::{Device, Tensor};

#[derive(Module, Debug)]
pub enum Layer {
    Conv(Conv2d),
    Linear(Linear),
    LayerNorm(LayerNorm),
    GroupNorm(GroupNorm),
    BatchNorm(BatchNorm),
    Vector(Param<Tensor<1>>),
    Matrix(Param<Tensor<2>>),
    Map(Param<Tensor<4>>),
}

/// How a layer is made.
#[derive(Clone, Debug)]
pub enum Spec {
    Conv {
        channels: [usize; 2],
        sliding: Sliding,
        groups: usize,
        bias: bool,
    },
    Linear {
        features: [usize; 2],
        bias: bool,
    },
    LayerNorm(usize, bool),
    GroupNorm(usize, usize),
    BatchNorm(usize),
    Vector(usize),
    Matrix([usize; 2]),
    Map([usize; 4]),
}

/// How a window moves.
#[derive(Clone, Copy, Debug)]
pub struct Sliding {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    /// Above, to the left, below, to the right.
    pub padding: [usize; 4],
}

impl Sliding {
    /// Height and width of what it makes of a map, where it fits.
    pub fn made(&self, size: [usize; 2]) -> Option<[usize; 2]> {
        let made = |axis: usize| {
            let padded = size[axis] + self.padding[axis] + self.padding[axis + 2];
            let extent = self.dilation[axis] * (self.kernel[axis] - 1) + 1;
            Some(padded.checked_sub(extent)? / self.stride[axis] + 1)
        };
        Some([made(0)?, made(1)?])
    }
}

impl Spec {
    pub fn init(&self, device: &Device) -> Layer {
        match *self {
            Self::Conv {
                channels,
                sliding,
                groups,
                bias,
            } => {
                let [top, left, bottom, right] = sliding.padding;
                let config = Conv2dConfig::new(channels, sliding.kernel)
                    .with_stride(sliding.stride)
                    .with_dilation(sliding.dilation)
                    .with_padding(PaddingConfig2d::Explicit(top, left, bottom, right))
                    .with_groups(groups)
                    .with_bias(bias);
                Layer::Conv(config.init(device))
            }
            Self::Linear {
                features: [before, after],
                bias,
            } => {
                let config = LinearConfig::new(before, after).with_bias(bias);
                Layer::Linear(config.init(device))
            }
            Self::LayerNorm(features, bias) => {
                Layer::LayerNorm(LayerNormConfig::new(features).with_bias(bias).init(device))
            }
            Self::GroupNorm(groups, channels) => {
                Layer::GroupNorm(GroupNormConfig::new(groups, channels).init(device))
            }
            Self::BatchNorm(channels) => {
                Layer::BatchNorm(BatchNormConfig::new(channels).init(device))
            }
            Self::Vector(extent) => {
                Layer::Vector(Param::from_tensor(Tensor::zeros([extent], device)))
            }
            Self::Matrix(shape) => Layer::Matrix(Param::from_tensor(Tensor::zeros(shape, device))),
            Self::Map(shape) => Layer::Map(Param::from_tensor(Tensor::zeros(shape, device))),
        }
    }
}
