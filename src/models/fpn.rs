//! Feature Pyramid Network (Lin et al., 2016, <https://arxiv.org/abs/1612.03144>), as
//! torchvision's `FeaturePyramidNetwork` with `LastLevelMaxPool` or `LastLevelP6P7`, and detectron2's `FPN`.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::tensor::activation::relu;
use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
use burn::tensor::{Device, Tensor};

use super::Upsampling;
use super::conv::{BiasedOrNormed, ConvLayer, index_in_sequence};

/// What a [`FeaturePyramid`] is built from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PyramidConfig {
    /// Channels of every level.
    pub channels: usize,
    /// `eps` of the batch norms behind its convolutions, which then have no bias; none where there are none.
    pub norm_eps: Option<f64>,
    /// What makes the levels behind the coarsest of the bottom-up network.
    pub coarser: CoarserLevels,
}

/// What makes the levels behind the coarsest of the bottom-up network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CoarserLevels {
    /// Every second pixel of the pyramid's coarsest level: one level more.
    Pool,
    /// A 3×3 convolution of the pyramid's coarsest level, and one of its activation: two levels more.
    OfPyramid,
    /// The same of the bottom-up network's coarsest map.
    OfFeatures,
}

impl CoarserLevels {
    /// How many there are.
    pub fn count(self) -> usize {
        match self {
            Self::Pool => 1,
            Self::OfPyramid | Self::OfFeatures => 2,
        }
    }
}

/// Lateral 1×1 and output 3×3 convolutions of the levels P2, P3, …, and the levels behind the coarsest.
#[derive(Module, Debug)]
pub struct FeaturePyramid {
    inner_blocks: Vec<BiasedOrNormed>,
    layer_blocks: Vec<BiasedOrNormed>,
    extra_blocks: ExtraBlocks,
}

/// What makes the levels behind the coarsest of the bottom-up network.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // one a network, and never moved once built
pub enum ExtraBlocks {
    /// See [`CoarserLevels::Pool`].
    Pool(MaxPool2d),
    /// See the others.
    Convs(ExtraConvs),
}

/// The convolutions of two levels more.
#[derive(Module, Debug)]
pub struct ExtraConvs {
    p6: Conv2d,
    p7: Conv2d,
    of_features: bool,
}

impl FeaturePyramid {
    /// A pyramid over maps with the given channels, finest first; weights unloaded.
    pub fn new(channels: &[usize], config: &PyramidConfig, device: &Device) -> Self {
        let conv = |input, kernel| {
            let layer = ConvLayer::new(input, config.channels, kernel);
            BiasedOrNormed::new(layer, config.norm_eps, device)
        };
        let of_features = config.coarser == CoarserLevels::OfFeatures;
        let halved = |input| {
            let conv = ConvLayer::new(input, config.channels, 3);
            conv.stride(2).bias().init(device)
        };
        let coarsest = channels.last().copied().filter(|_| of_features);
        Self {
            inner_blocks: channels.iter().map(|&input| conv(input, 1)).collect(),
            layer_blocks: channels.iter().map(|_| conv(config.channels, 3)).collect(),
            extra_blocks: match config.coarser {
                // A 1×1 window with stride 2: every second pixel.
                CoarserLevels::Pool => {
                    ExtraBlocks::Pool(MaxPool2dConfig::new([1, 1]).with_strides([2, 2]).init())
                }
                CoarserLevels::OfPyramid | CoarserLevels::OfFeatures => {
                    ExtraBlocks::Convs(ExtraConvs {
                        p6: halved(coarsest.unwrap_or(config.channels)),
                        p7: halved(config.channels),
                        of_features,
                    })
                }
            },
        }
    }

    /// C2, C3, … → P2, P3, … and the levels behind the coarsest, each `[N, C, H, W]`, finest first.
    pub fn forward(&self, features: Vec<Tensor<4>>) -> Vec<Tensor<4>> {
        self.levels_from(0, features)
    }

    /// The same without the finest levels, of which there are `first`; `features` are those of the others.
    pub fn levels_from(&self, first: usize, features: Vec<Tensor<4>>) -> Vec<Tensor<4>> {
        let coarsest = features.last().cloned();
        let numbered: Vec<_> = (first..).zip(features).collect();
        let mut merged: Vec<(usize, Tensor<4>)> = Vec::new();
        for (level, map) in numbered.into_iter().rev() {
            let lateral = self.lateral(level, map);
            let sum = match merged.last() {
                None => lateral,
                Some((_, coarse)) => add_upsampled(lateral, coarse.clone(), Upsampling::Nearest),
            };
            merged.push((level, sum));
        }
        let finest_first = merged.into_iter().rev();
        let output = |(level, sum): (usize, Tensor<4>)| self.layer_blocks[level].forward(sum);
        let mut levels: Vec<Tensor<4>> = finest_first.map(output).collect();
        if let (Some(features), Some(level)) = (coarsest, levels.last().cloned()) {
            levels.extend(self.extra_blocks.forward(features, level));
        }
        levels
    }

    /// The same where nothing is handed down: each level is made of its own map, and none lies behind the coarsest.
    pub fn levels_alone(&self, features: Vec<Tensor<4>>) -> Vec<Tensor<4>> {
        let levels = features.into_iter().enumerate();
        let alone = |(level, map): (usize, Tensor<4>)| {
            self.layer_blocks[level].forward(self.lateral(level, map))
        };
        levels.map(alone).collect()
    }

    /// The lateral of a level, 0 the finest.
    pub fn lateral(&self, level: usize, map: Tensor<4>) -> Tensor<4> {
        self.inner_blocks[level].forward(map)
    }
}

impl ExtraBlocks {
    /// The coarsest map of the bottom-up network and the pyramid's → the levels behind it.
    fn forward(&self, features: Tensor<4>, level: Tensor<4>) -> Vec<Tensor<4>> {
        match self {
            Self::Pool(pool) => vec![pool.forward(level)],
            Self::Convs(convs) => {
                let source = if convs.of_features { features } else { level };
                let p6 = convs.p6.forward(source);
                let p7 = convs.p7.forward(relu(p6.clone()));
                vec![p6, p7]
            }
        }
    }
}

/// The key in torchvision's newer layout, below the pyramid's own, of the parameter at a path of one with batch
/// norms.
pub(super) fn normed_key(path: &[&str]) -> String {
    match path {
        [
            blocks @ ("inner_blocks" | "layer_blocks"),
            level,
            layer @ ("conv" | "norm"),
            leaf,
        ] => {
            let index = index_in_sequence(layer);
            format!("{blocks}.{level}.{index}.{leaf}")
        }
        _ => path.join("."),
    }
}

/// The top-down step: `fine + coarse`, the coarse map `[1, C, h, w]` upsampled to the fine map's exact
/// size `[1, C, H, W]`.
pub(crate) fn add_upsampled(
    fine: Tensor<4>,
    coarse: Tensor<4>,
    upsampling: Upsampling,
) -> Tensor<4> {
    let coarse = resized_like(&fine, coarse, upsampling);
    fine + coarse
}

/// A map `[1, C, h, w]` resized to the exact size of another, `[1, _, H, W]`.
pub(crate) fn resized_like(other: &Tensor<4>, map: Tensor<4>, upsampling: Upsampling) -> Tensor<4> {
    let [_, _, height, width] = other.dims();
    let mode = match upsampling {
        Upsampling::Nearest => InterpolateMode::Nearest,
        Upsampling::Bilinear => InterpolateMode::Bilinear,
    };
    let options = InterpolateOptions::new(mode)
        // Burn's default is true.
        .with_align_corners(false)
        .with_output_size([height, width]);
    interpolate(map, options)
}
