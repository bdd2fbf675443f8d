//! The two ways these networks write a convolution: bare, and followed by batch norm.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor};

/// A square convolution in PyTorch's terms, padded so that stride 1 keeps the map's size.
///
/// `[N, in, H, W]` → `[N, out, ceil(H / stride), ceil(W / stride)]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConvLayer {
    channels: [usize; 2],
    kernel: usize,
    stride: usize,
    groups: usize,
    bias: bool,
}

impl ConvLayer {
    /// `kernel × kernel`, stride 1, one group, without bias.
    pub fn new(input: usize, output: usize, kernel: usize) -> Self {
        Self {
            channels: [input, output],
            kernel,
            stride: 1,
            groups: 1,
            bias: false,
        }
    }

    pub fn stride(mut self, stride: usize) -> Self {
        self.stride = stride;
        self
    }

    pub fn groups(mut self, groups: usize) -> Self {
        self.groups = groups;
        self
    }

    /// One filter a channel.
    pub fn depthwise(self) -> Self {
        let [input, _] = self.channels;
        self.groups(input)
    }

    pub fn bias(mut self) -> Self {
        self.bias = true;
        self
    }

    pub fn init(self, device: &Device) -> Conv2d {
        let pad = self.kernel / 2;
        Conv2dConfig::new(self.channels, [self.kernel; 2])
            .with_stride([self.stride; 2])
            .with_groups(self.groups)
            .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
            .with_bias(self.bias)
            .init(device)
    }

    /// The convolution and the batch norm after it.
    pub fn norm(self, eps: f64, device: &Device) -> ConvNorm {
        ConvNorm {
            conv: self.init(device),
            norm: batch_norm(self.channels[1], eps, device),
        }
    }
}

/// Batch norm over `channels`. Unlike Burn's own constructor, `eps` may be 0: torchvision's COCO
/// checkpoints were trained so.
pub(crate) fn batch_norm(channels: usize, eps: f64, device: &Device) -> BatchNorm {
    let mut norm = BatchNormConfig::new(channels).init(device);
    norm.epsilon = eps;
    norm
}

/// Convolution, then batch norm; the activation is the caller's.
#[derive(Module, Debug)]
pub struct ConvNorm {
    conv: Conv2d,
    norm: BatchNorm,
}

impl ConvNorm {
    /// `[N, in, H, W]` → `[N, out, H', W']`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.norm.forward(self.conv.forward(x))
    }
}

/// A convolution with a bias, or with batch norm and without.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // a dozen a network, and never moved once built
pub enum BiasedOrNormed {
    /// With a bias.
    Biased(Conv2d),
    /// With batch norm.
    Normed(ConvNorm),
}

impl BiasedOrNormed {
    /// With batch norm where its `eps` is given.
    pub(super) fn new(layer: ConvLayer, norm_eps: Option<f64>, device: &Device) -> Self {
        match norm_eps {
            None => Self::Biased(layer.bias().init(device)),
            Some(eps) => Self::Normed(layer.norm(eps, device)),
        }
    }

    /// `[N, in, H, W]` → `[N, out, H', W']`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Biased(conv) => conv.forward(x),
            Self::Normed(conv) => conv.forward(x),
        }
    }
}

/// What PyTorch's `Sequential` counts where a [`ConvNorm`] has a name.
pub(super) fn index_in_sequence(layer: &str) -> usize {
    match layer {
        "conv" => 0,
        _ => 1,
    }
}
