//! The second stage's head: torchvision's `TwoMLPHead`, `FastRCNNConvFCHead` and `FastRCNNPredictor`.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

use super::conv::{ConvLayer, ConvNorm, index_in_sequence};

/// What a [`BoxHead`] is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BoxHeadForm {
    /// Two fully connected layers.
    Layers,
    /// Four convolutions with batch norm and one fully connected layer.
    Convs {
        /// `eps` of the batch norms.
        bn_eps: f64,
    },
}

/// Convolutions of the head that has some.
const CONVS: usize = 4;

/// What becomes of a RoI.
#[derive(Module, Debug)]
pub enum BoxHead {
    /// See [`BoxHeadForm::Layers`].
    Layers(LayersHead),
    /// See [`BoxHeadForm::Convs`].
    Convs(ConvsHead),
}

/// Two fully connected layers over a flattened RoI.
#[derive(Module, Debug)]
pub struct LayersHead {
    fc6: Linear,
    fc7: Linear,
}

/// Convolutions over a RoI, and a fully connected layer over what they make.
#[derive(Module, Debug)]
pub struct ConvsHead {
    convs: Vec<ConvNorm>,
    fc: Linear,
}

impl BoxHead {
    /// A head for RoIs of `channels` channels and `cells` cells, its layers `hidden` wide; weights unloaded.
    pub fn new(
        form: BoxHeadForm,
        [channels, cells]: [usize; 2],
        hidden: usize,
        device: &Device,
    ) -> Self {
        let layer = |input| LinearConfig::new(input, hidden).init(device);
        let flat = channels * cells;
        match form {
            BoxHeadForm::Layers => Self::Layers(LayersHead {
                fc6: layer(flat),
                fc7: layer(hidden),
            }),
            BoxHeadForm::Convs { bn_eps } => Self::Convs(ConvsHead {
                convs: (0..CONVS)
                    .map(|_| ConvLayer::new(channels, channels, 3).norm(bn_eps, device))
                    .collect(),
                fc: layer(flat),
            }),
        }
    }

    /// `[R, C, 7, 7]` → `[R, hidden]`.
    pub fn forward(&self, rois: Tensor<4>) -> Tensor<2> {
        match self {
            Self::Layers(head) => {
                let x = relu(head.fc6.forward(rois.flatten(1, 3)));
                relu(head.fc7.forward(x))
            }
            Self::Convs(head) => {
                let convs = head.convs.iter();
                let x = convs.fold(rois, |x, conv| relu(conv.forward(x)));
                relu(head.fc.forward(x.flatten(1, 3)))
            }
        }
    }
}

/// The key in torchvision's checkpoints, below the head's own, of the parameter at a path of a head of convolutions.
pub(super) fn convs_key(path: &[&str]) -> String {
    match path {
        ["convs", index, layer, leaf] => format!("{index}.{}.{leaf}", index_in_sequence(layer)),
        // A flatten is between them.
        ["fc", leaf] => format!("{}.{leaf}", CONVS + 1),
        _ => path.join("."),
    }
}

/// Class scores, and a box for every class or one for all.
#[derive(Module, Debug)]
pub struct BoxPredictor {
    cls_score: Linear,
    bbox_pred: Linear,
}

impl BoxPredictor {
    /// A predictor of `classes` classes, background included, and as many `boxes` or one, from `hidden`
    /// values; weights unloaded.
    pub fn new(hidden: usize, classes: usize, boxes: usize, device: &Device) -> Self {
        Self {
            cls_score: LinearConfig::new(hidden, classes).init(device),
            bbox_pred: LinearConfig::new(hidden, 4 * boxes).init(device),
        }
    }

    /// `[R, hidden]` → logits `[R, classes]` and deltas `[R, 4 · boxes]`.
    pub fn forward(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        (self.cls_score.forward(x.clone()), self.bbox_pred.forward(x))
    }
}
