//! Feature Pyramid Network (Lin et al., 2016, <https://arxiv.org/abs/1612.03144>), as
//! torchvision's `FeaturePyramidNetwork` and detectron2's `FPN`, both with `LastLevelMaxPool`.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
use burn::tensor::{Device, Tensor};

use super::Upsampling;
use super::conv::ConvLayer;

/// Lateral 1×1 and output 3×3 convolutions of the levels P2, P3, …, and one more level behind the coarsest.
#[derive(Module, Debug)]
pub struct FeaturePyramid {
    inner_blocks: Vec<Conv2d>,
    layer_blocks: Vec<Conv2d>,
    coarsest: MaxPool2d,
}

impl FeaturePyramid {
    /// A pyramid of `output` channels a level, over maps with the given channels, finest first; weights
    /// unloaded.
    pub fn new(channels: &[usize], output: usize, device: &Device) -> Self {
        let conv = |input, kernel| ConvLayer::new(input, output, kernel).bias().init(device);
        Self {
            inner_blocks: channels.iter().map(|&input| conv(input, 1)).collect(),
            layer_blocks: channels.iter().map(|_| conv(output, 3)).collect(),
            // A 1×1 window with stride 2: every second pixel.
            coarsest: MaxPool2dConfig::new([1, 1]).with_strides([2, 2]).init(),
        }
    }

    /// C2, C3, … → P2, P3, … and one level more, each `[N, C, H, W]`, finest first.
    pub fn forward(&self, features: Vec<Tensor<4>>) -> Vec<Tensor<4>> {
        self.levels_from(0, features)
    }

    /// The same without the finest levels, of which there are `first`; `features` are those of the others.
    pub fn levels_from(&self, first: usize, features: Vec<Tensor<4>>) -> Vec<Tensor<4>> {
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
        if let Some(last) = levels.last() {
            levels.push(self.coarsest.forward(last.clone()));
        }
        levels
    }

    /// The lateral of a level, 0 the finest.
    pub fn lateral(&self, level: usize, map: Tensor<4>) -> Tensor<4> {
        self.inner_blocks[level].forward(map)
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
