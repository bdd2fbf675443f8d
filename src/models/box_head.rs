//! The second stage's head: torchvision's `TwoMLPHead` and `FastRCNNPredictor`.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

/// Width of the two hidden layers.
const HIDDEN: usize = 1024;

/// Two fully connected layers over a flattened RoI.
#[derive(Module, Debug)]
pub struct BoxHead {
    fc6: Linear,
    fc7: Linear,
}

impl BoxHead {
    /// A head for RoIs of `inputs` values; weights unloaded.
    pub fn new(inputs: usize, device: &Device) -> Self {
        Self {
            fc6: LinearConfig::new(inputs, HIDDEN).init(device),
            fc7: LinearConfig::new(HIDDEN, HIDDEN).init(device),
        }
    }

    /// `[R, C, 7, 7]` → `[R, 1024]`.
    pub fn forward(&self, rois: Tensor<4>) -> Tensor<2> {
        let x = relu(self.fc6.forward(rois.flatten(1, 3)));
        relu(self.fc7.forward(x))
    }
}

/// Class scores and a box for every class.
#[derive(Module, Debug)]
pub struct BoxPredictor {
    cls_score: Linear,
    bbox_pred: Linear,
}

impl BoxPredictor {
    /// A predictor of `classes` classes, background included; weights unloaded.
    pub fn new(classes: usize, device: &Device) -> Self {
        Self {
            cls_score: LinearConfig::new(HIDDEN, classes).init(device),
            bbox_pred: LinearConfig::new(HIDDEN, 4 * classes).init(device),
        }
    }

    /// `[R, 1024]` → logits `[R, classes]` and deltas `[R, 4 · classes]`.
    pub fn forward(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        (self.cls_score.forward(x.clone()), self.bbox_pred.forward(x))
    }
}
