//! What Keypoint R-CNN adds to a two-stage detector (He et al., 2017, <https://arxiv.org/abs/1703.06870>), as
//! torchvision's `KeypointRCNNHeads` and `KeypointRCNNPredictor`: where in a detection which keypoint is.

use burn::module::Module;
use burn::nn::conv::{Conv2d, ConvTranspose2d, ConvTranspose2dConfig};
use burn::tensor::activation::relu;
use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
use burn::tensor::{Device, Tensor};

use super::conv::ConvLayer;

/// Side of a RoI on the feature map, in cells.
pub const ROI_SIZE: usize = 14;

/// Channels of every layer.
const CHANNELS: usize = 512;

/// Convolutions over a RoI.
const CONVS: usize = 8;

/// Convolutions over a RoI.
#[derive(Module, Debug)]
pub struct KeypointHead {
    convs: Vec<Conv2d>,
}

impl KeypointHead {
    /// A head for maps of `input` channels; weights unloaded.
    pub fn new(input: usize, device: &Device) -> Self {
        let convs = (0..CONVS).map(|index| {
            let input = if index == 0 { input } else { CHANNELS };
            ConvLayer::new(input, CHANNELS, 3).bias().init(device)
        });
        Self {
            convs: convs.collect(),
        }
    }

    /// `[D, C, 14, 14]` → `[D, 512, 14, 14]`.
    pub fn forward(&self, rois: Tensor<4>) -> Tensor<4> {
        let convs = self.convs.iter();
        convs.fold(rois, |x, conv| relu(conv.forward(x)))
    }
}

/// A heat map for every keypoint, four times as wide and high as the RoI.
#[derive(Module, Debug)]
pub struct KeypointPredictor {
    kps_score_lowres: ConvTranspose2d,
}

impl KeypointPredictor {
    /// Of so many keypoints; weights unloaded.
    pub fn new(keypoints: usize, device: &Device) -> Self {
        Self {
            kps_score_lowres: ConvTranspose2dConfig::new([CHANNELS, keypoints], [4, 4])
                .with_stride([2, 2])
                .with_padding([1, 1])
                .init(device),
        }
    }

    /// `[D, 512, 14, 14]` → `[D, keypoints, 56, 56]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.kps_score_lowres.forward(x);
        let [_, _, height, width] = x.dims();
        let options = InterpolateOptions::new(InterpolateMode::Bilinear)
            // Burn's default is true.
            .with_align_corners(false)
            .with_output_size([2 * height, 2 * width]);
        interpolate(x, options)
    }
}

/// The key in torchvision's checkpoints, below the head's own, of the parameter at a path.
pub(super) fn key(path: &[&str]) -> String {
    match path {
        // Each has an activation behind it.
        ["convs", index, leaf] => {
            let index: usize = index.parse().expect("convolutions are numbered");
            format!("{}.{leaf}", 2 * index)
        }
        _ => path.join("."),
    }
}
