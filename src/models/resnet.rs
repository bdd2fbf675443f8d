//! ResNet without its classifier (He et al., 2015, <https://arxiv.org/abs/1512.03385>), and ResNeXt (Xie
//! et al., 2016, <https://arxiv.org/abs/1611.05431>), as torchvision and detectron2 build them.

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

impl Depth {
    /// Blocks in each of the four stages.
    pub fn blocks(self) -> [usize; 4] {
        match self {
            Self::R18 => [2, 2, 2, 2],
            Self::R34 | Self::R50 => [3, 4, 6, 3],
            Self::R101 => [3, 4, 23, 3],
            Self::R152 => [3, 8, 36, 3],
        }
    }
}

/// Most stages of a [`ResNet`].
pub const MAX_STAGES: usize = 5;

/// What a [`ResNet`] is built from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResNetConfig {
    /// Side of the stem's window, in pixels.
    pub stem_kernel: usize,
    /// Channels of the stem.
    pub stem: usize,
    /// What halves the stem's map once more.
    pub stem_pool: StemPool,
    /// What each stage is.
    pub stages: [ResNetStage; MAX_STAGES],
    /// Groups of the 3×3 convolutions of bottlenecks.
    pub groups: usize,
    /// Which convolution of a stage's first bottleneck takes the stride.
    pub stride_in: StrideIn,
    /// `eps` of every batch norm.
    pub bn_eps: f64,
}

/// The pool behind a stem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StemPool {
    /// None.
    None,
    /// The largest of 3×3, every second, with a pixel of padding.
    Padded,
    /// The largest of 3×3, every second, without padding; windows that pass the edge take what is there.
    Ceil,
}

/// A stage of a [`ResNet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResNetStage {
    /// There is none.
    None,
    /// So many blocks of two 3×3 convolutions of so many channels.
    Basic {
        /// How many.
        blocks: usize,
        /// Channels of the map.
        output: usize,
    },
    /// So many blocks of a 1×1, a 3×3 and a 1×1 convolution.
    Bottleneck {
        /// How many.
        blocks: usize,
        /// Channels of the 3×3.
        width: usize,
        /// Channels of the map.
        output: usize,
    },
    /// One 1×1 convolution of every second pixel, with norm and activation.
    Downsampling {
        /// Channels of the map.
        output: usize,
    },
}

impl ResNetStage {
    /// Blocks, and channels of the map.
    fn extent(self) -> [usize; 2] {
        match self {
            Self::None => [0, 0],
            Self::Basic { blocks, output } | Self::Bottleneck { blocks, output, .. } => {
                [blocks, output]
            }
            Self::Downsampling { output } => [1, output],
        }
    }
}

/// Which convolution of a stage's first bottleneck takes the stride.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StrideIn {
    /// The first 1×1, as in the paper and Caffe.
    First,
    /// The 3×3, as in torchvision ("v1.5").
    Second,
}

impl StrideIn {
    /// Both.
    pub const ALL: [Self; 2] = [Self::First, Self::Second];

    /// Its name for `--stride-in`.
    pub fn name(self) -> &'static str {
        match self {
            Self::First => "1x1",
            Self::Second => "3x3",
        }
    }
}

impl fmt::Display for StrideIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl ResNetConfig {
    /// torchvision's, of this depth.
    pub fn torchvision(depth: Depth, bn_eps: f64) -> Self {
        let is_bottleneck = !matches!(depth, Depth::R18 | Depth::R34);
        let blocks = depth.blocks();
        Self {
            stem_kernel: 7,
            stem: 64,
            stem_pool: StemPool::Padded,
            stages: std::array::from_fn(|index| match (blocks.get(index), 64 << index) {
                (None, _) => ResNetStage::None,
                (Some(&blocks), output) if !is_bottleneck => ResNetStage::Basic { blocks, output },
                (Some(&blocks), width) => ResNetStage::Bottleneck {
                    blocks,
                    width,
                    output: 4 * width,
                },
            }),
            groups: 1,
            stride_in: StrideIn::Second,
            bn_eps,
        }
    }

    /// torchvision's ResNeXt of this depth: so many groups of 3×3 convolutions, of `width` channels each in the
    /// first stage.
    pub fn resnext(depth: Depth, groups: usize, width: usize, bn_eps: f64) -> Self {
        let mut config = Self::torchvision(depth, bn_eps);
        config.groups = groups;
        for stage in &mut config.stages {
            if let ResNetStage::Bottleneck { width: own, .. } = stage {
                *own = *own * groups * width / 64;
            }
        }
        config
    }

    /// Channels of C2, C3, …
    pub fn channels(&self) -> Vec<usize> {
        let channels = self.stages.iter().map(|stage| stage.extent()[1]);
        channels.take_while(|channels| *channels > 0).collect()
    }

    /// The blocks of a stage, 0 the first; none where there is no such stage.
    pub(super) fn stage(&self, index: usize, device: &Device) -> Vec<Block> {
        let [blocks, output] = self.stages[index].extent();
        let before = match index {
            0 => self.stem,
            _ => self.stages[index - 1].extent()[1],
        };
        let stride = if index == 0 { 1 } else { 2 };
        (0..blocks)
            .map(|block| match block {
                0 => Block::new(self, index, before, stride, device),
                _ => Block::new(self, index, output, 1, device),
            })
            .collect()
    }
}

/// Stem and stages.
#[derive(Module, Debug)]
pub struct ResNet {
    conv1: Conv2d,
    bn1: BatchNorm,
    maxpool: Option<MaxPool2d>,
    layer1: Vec<Block>,
    layer2: Vec<Block>,
    layer3: Vec<Block>,
    layer4: Vec<Block>,
    layer5: Vec<Block>,
}

impl ResNet {
    /// A network with unloaded weights.
    pub fn new(config: &ResNetConfig, device: &Device) -> Self {
        Self {
            conv1: ConvLayer::new(3, config.stem, config.stem_kernel)
                .stride(2)
                .init(device),
            bn1: batch_norm(config.stem, config.bn_eps, device),
            maxpool: config.stem_pool.module(),
            layer1: config.stage(0, device),
            layer2: config.stage(1, device),
            layer3: config.stage(2, device),
            layer4: config.stage(3, device),
            layer5: config.stage(4, device),
        }
    }

    /// `[1, 3, H, W]` → C2, C3, …, each half as wide as the one before: of four stages at strides 4, 8, 16,
    /// 32.
    pub fn forward(&self, image: Tensor<4>) -> Vec<Tensor<4>> {
        let x = relu(self.bn1.forward(self.conv1.forward(image)));
        let mut x = match &self.maxpool {
            Some(pool) => pool.forward(x),
            None => x,
        };
        let Self {
            layer1,
            layer2,
            layer3,
            layer4,
            layer5,
            ..
        } = self;
        let mut maps = Vec::new();
        for stage in [layer1, layer2, layer3, layer4, layer5] {
            if !stage.is_empty() {
                x = run(stage, x);
                maps.push(x.clone());
            }
        }
        maps
    }
}

impl StemPool {
    fn module(self) -> Option<MaxPool2d> {
        let pool = MaxPool2dConfig::new([3, 3]).with_strides([2, 2]);
        match self {
            Self::None => None,
            Self::Padded => Some(
                pool.with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                    .init(),
            ),
            Self::Ceil => Some(pool.with_ceil_mode(true).init()),
        }
    }
}

/// The map behind a stage's blocks.
pub(super) fn run(stage: &[Block], x: Tensor<4>) -> Tensor<4> {
    stage.iter().fold(x, |x, block| block.forward(x))
}

/// A block of any kind.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // a few dozen a network, and never moved once built
pub enum Block {
    /// Two 3×3 convolutions (ResNet-18, 34).
    Basic(BasicBlock),
    /// 1×1, 3×3, 1×1 (ResNet-50 and deeper).
    Bottleneck(Bottleneck),
    /// A 1×1 alone (the second stage of EFPN's).
    Downsampling(Downsampling),
}

impl Block {
    /// The first block of a stage has `input` channels of other than its own number, or a stride.
    fn new(
        config: &ResNetConfig,
        stage: usize,
        input: usize,
        stride: usize,
        device: &Device,
    ) -> Self {
        let eps = config.bn_eps;
        let downsample = |output: usize| {
            (stride != 1 || input != output).then(|| {
                ConvLayer::new(input, output, 1)
                    .stride(stride)
                    .norm(eps, device)
            })
        };
        match config.stages[stage] {
            ResNetStage::None => unreachable!("no stage has no blocks"),
            ResNetStage::Basic { output, .. } => Self::Basic(BasicBlock {
                conv1: ConvLayer::new(input, output, 3).stride(stride).init(device),
                bn1: batch_norm(output, eps, device),
                conv2: ConvLayer::new(output, output, 3).init(device),
                bn2: batch_norm(output, eps, device),
                downsample: downsample(output),
            }),
            ResNetStage::Bottleneck { width, output, .. } => {
                let [first, second] = match config.stride_in {
                    StrideIn::First => [stride, 1],
                    StrideIn::Second => [1, stride],
                };
                Self::Bottleneck(Bottleneck {
                    conv1: ConvLayer::new(input, width, 1).stride(first).init(device),
                    bn1: batch_norm(width, eps, device),
                    conv2: ConvLayer::new(width, width, 3)
                        .stride(second)
                        .groups(config.groups)
                        .init(device),
                    bn2: batch_norm(width, eps, device),
                    conv3: ConvLayer::new(width, output, 1).init(device),
                    bn3: batch_norm(output, eps, device),
                    downsample: downsample(output),
                })
            }
            ResNetStage::Downsampling { output } => Self::Downsampling(Downsampling {
                conv1: ConvLayer::new(input, output, 1).stride(stride).init(device),
                bn1: batch_norm(output, eps, device),
            }),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Basic(block) => block.forward(x),
            Self::Bottleneck(block) => block.forward(x),
            Self::Downsampling(block) => block.forward(x),
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

/// A 1×1 convolution with norm and activation, and no shortcut.
#[derive(Module, Debug)]
pub struct Downsampling {
    conv1: Conv2d,
    bn1: BatchNorm,
}

impl Downsampling {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        relu(self.bn1.forward(self.conv1.forward(x)))
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
