//! Feature Pyramid Network (Lin et al., 2016, <https://arxiv.org/abs/1612.03144>), as
//! torchvision's `FeaturePyramidNetwork` with `LastLevelMaxPool`.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
use burn::tensor::{Device, Tensor};

use super::Upsampling;
use super::conv::ConvLayer;

/// Lateral 1×1 and output 3×3 convolutions of the levels P2…P5, and P6.
#[derive(Module, Debug)]
pub struct FeaturePyramid {
    inner_blocks: Vec<Conv2d>,
    layer_blocks: Vec<Conv2d>,
    p6: MaxPool2d,
}

impl FeaturePyramid {
    /// A pyramid of `output` channels a level, over maps with the given channels, C2 first; weights
    /// unloaded.
    pub fn new(channels: [usize; 4], output: usize, device: &Device) -> Self {
        let conv = |input, kernel| ConvLayer::new(input, output, kernel).bias().init(device);
        Self {
            inner_blocks: channels.map(|input| conv(input, 1)).into(),
            layer_blocks: channels.map(|_| conv(output, 3)).into(),
            // A 1×1 window with stride 2: every second pixel of P5.
            p6: MaxPool2dConfig::new([1, 1]).with_strides([2, 2]).init(),
        }
    }

    /// C2…C5 → P2…P6, each `[N, C, H, W]` at strides 4…64.
    pub fn forward(&self, [c2, c3, c4, c5]: [Tensor<4>; 4]) -> [Tensor<4>; 5] {
        let lateral = |level: usize, c: Tensor<4>| self.inner_blocks[level].forward(c);
        let output = |level: usize, m: Tensor<4>| self.layer_blocks[level].forward(m);

        let m5 = lateral(3, c5);
        let add =
            |fine, coarse: &Tensor<4>| add_upsampled(fine, coarse.clone(), Upsampling::Nearest);
        let m4 = add(lateral(2, c4), &m5);
        let m3 = add(lateral(1, c3), &m4);
        let m2 = add(lateral(0, c2), &m3);

        let p5 = output(3, m5);
        let p6 = self.p6.forward(p5.clone());
        [output(0, m2), output(1, m3), output(2, m4), p5, p6]
    }
}

/// The top-down step: `fine + coarse`, the coarse map `[1, C, h, w]` upsampled to the fine map's exact
/// size `[1, C, H, W]`.
pub(crate) fn add_upsampled(
    fine: Tensor<4>,
    coarse: Tensor<4>,
    upsampling: Upsampling,
) -> Tensor<4> {
    let [_, _, height, width] = fine.dims();
    let mode = match upsampling {
        Upsampling::Nearest => InterpolateMode::Nearest,
        Upsampling::Bilinear => InterpolateMode::Bilinear,
    };
    let options = InterpolateOptions::new(mode)
        // Burn's default is true.
        .with_align_corners(false)
        .with_output_size([height, width]);
    fine + interpolate(coarse, options)
}
