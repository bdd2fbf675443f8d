//! What Mask R-CNN adds to a two-stage detector (He et al., 2017, <https://arxiv.org/abs/1703.06870>), as
//! torchvision's `MaskRCNNHeads` and `MaskRCNNPredictor`: which of a detection's pixels are its object's.

use burn::module::Module;
use burn::nn::conv::{Conv2d, ConvTranspose2d, ConvTranspose2dConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

use super::conv::{BiasedOrNormed, ConvLayer, index_in_sequence};

/// Side of a RoI on the feature map, in cells.
pub const ROI_SIZE: usize = 14;

/// Channels of every layer.
const CHANNELS: usize = 256;

/// Convolutions over a RoI.
const CONVS: usize = 4;

/// Convolutions over a RoI.
#[derive(Module, Debug)]
pub struct MaskHead {
    convs: Vec<BiasedOrNormed>,
}

impl MaskHead {
    /// A head for maps of `input` channels, with batch norms where their `eps` is given; weights unloaded.
    pub fn new(input: usize, norm_eps: Option<f64>, device: &Device) -> Self {
        let convs = (0..CONVS).map(|index| {
            let input = if index == 0 { input } else { CHANNELS };
            BiasedOrNormed::new(ConvLayer::new(input, CHANNELS, 3), norm_eps, device)
        });
        Self {
            convs: convs.collect(),
        }
    }

    /// `[D, C, 14, 14]` → `[D, 256, 14, 14]`.
    pub fn forward(&self, rois: Tensor<4>) -> Tensor<4> {
        let convs = self.convs.iter();
        convs.fold(rois, |x, conv| relu(conv.forward(x)))
    }
}

/// A mask for every class, twice as wide and high as the RoI.
#[derive(Module, Debug)]
pub struct MaskPredictor {
    conv5_mask: ConvTranspose2d,
    mask_fcn_logits: Conv2d,
}

impl MaskPredictor {
    /// Of `classes` classes, background included; weights unloaded.
    pub fn new(classes: usize, device: &Device) -> Self {
        Self {
            conv5_mask: ConvTranspose2dConfig::new([CHANNELS; 2], [2, 2])
                .with_stride([2, 2])
                .init(device),
            mask_fcn_logits: ConvLayer::new(CHANNELS, classes, 1).bias().init(device),
        }
    }

    /// `[D, 256, 14, 14]` → logits `[D, classes, 28, 28]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.mask_fcn_logits
            .forward(relu(self.conv5_mask.forward(x)))
    }
}

/// The key in torchvision's newer layout, below the head's own, of the parameter at a path.
pub(super) fn key(path: &[&str]) -> String {
    match path {
        ["convs", index, layer @ ("conv" | "norm"), leaf] => {
            format!("{index}.{}.{leaf}", index_in_sequence(layer))
        }
        ["convs", index, leaf] => format!("{index}.0.{leaf}"),
        _ => path.join("."),
    }
}
