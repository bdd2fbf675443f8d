//! ResNet without its classifier (He et al., 2015, <https://arxiv.org/abs/1512.03385>), as
//! torchvision builds it: the stride sits in a bottleneck's 3×3 ("v1.5"); or as Caffe's weights have it.

use std::array::from_fn;
use std::fmt;

use burn::module::Module;
use burn::nn::BatchNorm;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::Conv2d;
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

use super::conv::{ConvLayer, ConvNorm, batch_norm, index_in_sequence};
use super::distribution::Distribution;

/// The depths torchvision ships.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// ResNet-18.
    R18,
    /// ResNet-34.
    R34,
    /// ResNet-50.
    R50,
    /// ResNet-101.
    R101,
    /// ResNet-152.
    R152,
}

/// Where a bottleneck halves its map. Checkpoints of either kind look alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StrideIn {
    /// In the first 1×1, as Caffe's weights have it.
    Conv1x1,
    /// In the 3×3, as torchvision's have it.
    Conv3x3,
}

impl StrideIn {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Conv1x1, Self::Conv3x3];

    /// Its name for `--stride-in`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Conv1x1 => "1x1",
            Self::Conv3x3 => "3x3",
        }
    }
}

impl fmt::Display for StrideIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The stem's max pool, 3×3 at stride 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StemPool {
    /// Padded by a cell on all sides: `[…, ⌈H / 2⌉, ⌈W / 2⌉]`, as torchvision has it.
    Padded,
    /// Not padded, but the last windows may pass the edge: `[…, ⌈(H - 1) / 2⌉, ⌈(W - 1) / 2⌉]`, as Caffe
    /// has it.
    Ceiled,
}

/// What a [`ResNet`] is built from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResNetConfig {
    /// Side of the stem's window, in pixels.
    pub stem_kernel: usize,
    /// Channels of the stem.
    pub stem: usize,
    /// The stem's pool.
    pub pool: StemPool,
    /// Blocks in each of the four stages; none in those that are left out, which are the last.
    pub blocks: [usize; 4],
    /// Channels of the 3×3 convolutions in each of the four stages.
    pub widths: [usize; 4],
    /// Whether the blocks are bottlenecks, four times wider than their 3×3.
    pub is_bottleneck: bool,
    /// Where bottlenecks have their stride.
    pub stride_in: StrideIn,
    /// `eps` of every batch norm.
    pub bn_eps: f64,
}

impl ResNetConfig {
    /// torchvision's, of this depth.
    pub fn torchvision(depth: Depth, bn_eps: f64) -> Self {
        Self {
            stem_kernel: 7,
            stem: 64,
            pool: StemPool::Padded,
            blocks: match depth {
                Depth::R18 => [2, 2, 2, 2],
                Depth::R34 | Depth::R50 => [3, 4, 6, 3],
                Depth::R101 => [3, 4, 23, 3],
                Depth::R152 => [3, 8, 36, 3],
            },
            widths: [64, 128, 256, 512],
            is_bottleneck: !matches!(depth, Depth::R18 | Depth::R34),
            stride_in: StrideIn::Conv3x3,
            bn_eps,
        }
    }

    /// Channels of C2, C3, C4, C5.
    pub fn channels(&self) -> [usize; 4] {
        let expansion = if self.is_bottleneck { 4 } else { 1 };
        self.widths.map(|width| width * expansion)
    }

    /// The blocks of a stage, 0 the first.
    pub fn stage(&self, index: usize, device: &Device) -> Vec<Block> {
        let width = self.widths[index];
        let output = self.channels()[index];
        let input = match index {
            0 => self.stem,
            _ => self.channels()[index - 1],
        };
        let stride = if index == 0 { 1 } else { 2 };
        (0..self.blocks[index])
            .map(|block| match block {
                0 => Block::new(self, [input, width, output], stride, device),
                _ => Block::new(self, [output, width, output], 1, device),
            })
            .collect()
    }
}

/// Stem and up to four stages.
#[derive(Module, Debug)]
pub struct ResNet {
    conv1: Conv2d,
    bn1: BatchNorm,
    maxpool: MaxPool2d,
    layer1: Vec<Block>,
    layer2: Vec<Block>,
    layer3: Vec<Block>,
    layer4: Vec<Block>,
}

impl ResNet {
    /// A network with unloaded weights.
    pub fn new(config: &ResNetConfig, device: &Device) -> Self {
        let stage = |index| config.stage(index, device);
        let pool = MaxPool2dConfig::new([3, 3]).with_strides([2, 2]);
        Self {
            conv1: ConvLayer::new(3, config.stem, config.stem_kernel)
                .stride(2)
                .init(device),
            bn1: batch_norm(config.stem, config.bn_eps, device),
            maxpool: match config.pool {
                StemPool::Padded => pool.with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1)),
                StemPool::Ceiled => pool.with_ceil_mode(true),
            }
            .init(),
            layer1: stage(0),
            layer2: stage(1),
            layer3: stage(2),
            layer4: stage(3),
        }
    }

    /// `[1, 3, H, W]` → the maps of the first `STAGES` stages: C2, C3, … at strides 4, 8, ….
    pub fn forward<const STAGES: usize>(&self, image: Tensor<4>) -> [Tensor<4>; STAGES] {
        let stages = [&self.layer1, &self.layer2, &self.layer3, &self.layer4];
        let x = relu(self.bn1.forward(self.conv1.forward(image)));
        let mut x = self.maxpool.forward(x);
        from_fn(|index| {
            x = run(stages[index], x.clone());
            x.clone()
        })
    }
}

/// A stage's blocks, one after the other.
pub(super) fn run(stage: &[Block], x: Tensor<4>) -> Tensor<4> {
    stage.iter().fold(x, |x, block| block.forward(x))
}

/// A residual block of either kind.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // a few dozen a network, and never moved once built
pub enum Block {
    /// Two 3×3 convolutions (ResNet-18, 34).
    Basic(BasicBlock),
    /// 1×1, 3×3, 1×1 (ResNet-50 and deeper).
    Bottleneck(Bottleneck),
}

impl Block {
    fn new(
        config: &ResNetConfig,
        [input, width, output]: [usize; 3],
        stride: usize,
        device: &Device,
    ) -> Self {
        let eps = config.bn_eps;
        let downsample = (stride != 1 || input != output).then(|| {
            ConvLayer::new(input, output, 1)
                .stride(stride)
                .norm(eps, device)
        });
        let strides = match config.stride_in {
            StrideIn::Conv1x1 => [stride, 1],
            StrideIn::Conv3x3 => [1, stride],
        };
        match config.is_bottleneck {
            false => Self::Basic(BasicBlock {
                conv1: ConvLayer::new(input, width, 3).stride(stride).init(device),
                bn1: batch_norm(width, eps, device),
                conv2: ConvLayer::new(width, width, 3).init(device),
                bn2: batch_norm(width, eps, device),
                downsample,
            }),
            true => Self::Bottleneck(Bottleneck {
                conv1: ConvLayer::new(input, width, 1)
                    .stride(strides[0])
                    .init(device),
                bn1: batch_norm(width, eps, device),
                conv2: ConvLayer::new(width, width, 3)
                    .stride(strides[1])
                    .init(device),
                bn2: batch_norm(width, eps, device),
                conv3: ConvLayer::new(width, output, 1).init(device),
                bn3: batch_norm(output, eps, device),
                downsample,
            }),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Basic(block) => block.forward(x),
            Self::Bottleneck(block) => block.forward(x),
        }
    }
}

/// `relu(x + f(x))`, f two 3×3 convolutions.
#[derive(Module, Debug)]
pub struct BasicBlock {
    conv1: Conv2d,
    bn1: BatchNorm,
    conv2: Conv2d,
    bn2: BatchNorm,
    downsample: Option<ConvNorm>,
}

impl BasicBlock {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = relu(self.bn1.forward(self.conv1.forward(x.clone())));
        let y = self.bn2.forward(self.conv2.forward(y));
        relu(y + shortcut(&self.downsample, x))
    }
}

/// `relu(x + f(x))`, f a 1×1, a 3×3 and a 1×1 convolution.
#[derive(Module, Debug)]
pub struct Bottleneck {
    conv1: Conv2d,
    bn1: BatchNorm,
    conv2: Conv2d,
    bn2: BatchNorm,
    conv3: Conv2d,
    bn3: BatchNorm,
    downsample: Option<ConvNorm>,
}

impl Bottleneck {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = relu(self.bn1.forward(self.conv1.forward(x.clone())));
        let y = relu(self.bn2.forward(self.conv2.forward(y)));
        let y = self.bn3.forward(self.conv3.forward(y));
        relu(y + shortcut(&self.downsample, x))
    }
}

fn shortcut(downsample: &Option<ConvNorm>, x: Tensor<4>) -> Tensor<4> {
    match downsample {
        Some(projection) => projection.forward(x),
        None => x,
    }
}

/// The key in torchvision's checkpoints of the parameter at a path.
pub(super) fn key(path: &str) -> String {
    let parts: Vec<&str> = path.split('.').collect();
    match &parts[..] {
        [block @ .., "downsample", layer, leaf] => {
            let block = block.join(".");
            let index = index_in_sequence(layer);
            format!("{block}.downsample.{index}.{leaf}")
        }
        _ => path.to_owned(),
    }
}

/// Seeded values for a network with these blocks; `gains` as for [`Distribution::usual`].
pub(super) fn seeded(
    key: &str,
    shape: &[usize],
    is_bottleneck: bool,
    gains: &[(&str, f64)],
) -> Distribution {
    let last_norm = if is_bottleneck {
        ".bn3.weight"
    } else {
        ".bn2.weight"
    };
    match key.ends_with(last_norm) {
        // A residual branch adds little, so that deep stacks do not explode.
        true => Distribution::around(0.05, 0.05),
        false => Distribution::usual(key, shape, gains),
    }
}
