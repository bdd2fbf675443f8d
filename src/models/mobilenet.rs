//! MobileNetV1 (Howard et al., 2017, <https://arxiv.org/abs/1704.04861>) at a quarter of its
//! width, as the RetinaFace detector cuts it into three stages.

use burn::module::Module;
use burn::tensor::activation::leaky_relu;
use burn::tensor::{Device, Tensor};

use super::conv::{ConvLayer, ConvNorm};

/// Slope of every leaky ReLU of the detector.
pub(crate) const SLOPE: f64 = 0.1;

/// Channels of the three stages' outputs.
pub const STAGE_CHANNELS: [usize; 3] = [64, 128, 256];

/// Three stages, with outputs at strides 8, 16 and 32.
#[derive(Module, Debug)]
pub struct MobileNet {
    stage1: Vec<MobileNetBlock>,
    stage2: Vec<MobileNetBlock>,
    stage3: Vec<MobileNetBlock>,
}

impl MobileNet {
    /// The network with unloaded weights; `eps` is that of every batch norm.
    pub fn new(eps: f64, device: &Device) -> Self {
        let separable = |input, output, stride| {
            MobileNetBlock::Separable(Separable::new([input, output], 3, stride, eps, device))
        };
        let keep =
            |channels, times: usize| (0..times).map(move |_| separable(channels, channels, 1));
        Self {
            stage1: vec![
                MobileNetBlock::Stem(ConvLayer::new(3, 8, 3).stride(2).norm(eps, device)),
                separable(8, 16, 1),
                separable(16, 32, 2),
                separable(32, 32, 1),
                separable(32, 64, 2),
                separable(64, 64, 1),
            ],
            stage2: [separable(64, 128, 2)]
                .into_iter()
                .chain(keep(128, 5))
                .collect(),
            stage3: [separable(128, 256, 2)]
                .into_iter()
                .chain(keep(256, 1))
                .collect(),
        }
    }

    /// `[1, 3, H, W]` → the three stages' outputs, finest first.
    pub fn forward(&self, image: Tensor<4>) -> [Tensor<4>; 3] {
        let run = |stage: &[MobileNetBlock], x| stage.iter().fold(x, |x, block| block.forward(x));
        let c3 = run(&self.stage1, image);
        let c4 = run(&self.stage2, c3.clone());
        let c5 = run(&self.stage3, c4.clone());
        [c3, c4, c5]
    }
}

/// One entry of a stage.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // fourteen a network, and never moved once built
pub enum MobileNetBlock {
    /// The first convolution.
    Stem(ConvNorm),
    /// A depthwise separable one.
    Separable(Separable),
}

impl MobileNetBlock {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Stem(conv) => leaky_relu(conv.forward(x), SLOPE),
            Self::Separable(block) => block.forward(x),
        }
    }
}

/// A filter a channel, then a 1×1 convolution across them, a leaky ReLU behind each.
#[derive(Module, Debug)]
pub struct Separable {
    depthwise: ConvNorm,
    pointwise: ConvNorm,
}

impl Separable {
    /// With `kernel × kernel` filters; weights unloaded.
    pub(super) fn new(
        [input, output]: [usize; 2],
        kernel: usize,
        stride: usize,
        eps: f64,
        device: &Device,
    ) -> Self {
        Self {
            depthwise: ConvLayer::new(input, input, kernel)
                .depthwise()
                .stride(stride)
                .norm(eps, device),
            pointwise: ConvLayer::new(input, output, 1).norm(eps, device),
        }
    }

    /// `[N, in, H, W]` → `[N, out, ceil(H / stride), ceil(W / stride)]`.
    pub(super) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = leaky_relu(self.depthwise.forward(x), SLOPE);
        leaky_relu(self.pointwise.forward(x), SLOPE)
    }
}
