//! Layers that several of the networks have.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Gelu, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor};

/// A convolution that keeps the size at stride 1.
pub fn same(channels: [usize; 2], kernel: usize) -> Conv2dConfig {
    let pad = kernel / 2;
    Conv2dConfig::new(channels, [kernel, kernel])
        .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
}

/// A convolution without bias, and a batch norm.
#[derive(Module, Debug)]
pub struct ConvNorm {
    conv: Conv2d,
    bn: BatchNorm,
}

impl ConvNorm {
    /// A dense one.
    pub fn new(channels: [usize; 2], kernel: usize, stride: usize, device: &Device) -> Self {
        Self::grouped(channels, kernel, stride, 1, device)
    }

    /// One of each channel.
    pub fn depthwise(channels: usize, kernel: usize, stride: usize, device: &Device) -> Self {
        Self::grouped([channels, channels], kernel, stride, channels, device)
    }

    fn grouped(
        channels: [usize; 2],
        kernel: usize,
        stride: usize,
        groups: usize,
        device: &Device,
    ) -> Self {
        Self {
            conv: same(channels, kernel)
                .with_stride([stride, stride])
                .with_groups(groups)
                .with_bias(false)
                .init(device),
            bn: BatchNormConfig::new(channels[1]).init(device),
        }
    }

    /// Of a map.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.bn.forward(self.conv.forward(x))
    }
}

/// Two linear layers with a GELU between them.
#[derive(Module, Debug)]
pub struct Mlp {
    fc1: Linear,
    fc2: Linear,
}

impl Mlp {
    /// Of rows of `features`, which are `hidden` between.
    pub fn new(features: usize, hidden: usize, device: &Device) -> Self {
        Self {
            fc1: LinearConfig::new(features, hidden).init(device),
            fc2: LinearConfig::new(hidden, features).init(device),
        }
    }

    /// Of the last dimension.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        self.fc2.forward(Gelu::new().forward(self.fc1.forward(x)))
    }
}
