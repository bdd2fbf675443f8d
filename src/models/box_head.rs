//! The second stage's head: torchvision's `TwoMLPHead` and `FastRCNNPredictor`.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

/// Two fully connected layers over a flattened RoI.
#[derive(Module, Debug)]
pub struct BoxHead {
    fc6: Linear,
    fc7: Linear,
}

impl BoxHead {
    /// A head for RoIs of `inputs` values, its layers `hidden` wide; weights unloaded.
    pub fn new(inputs: usize, hidden: usize, device: &Device) -> Self {
        Self {
            fc6: LinearConfig::new(inputs, hidden).init(device),
            fc7: LinearConfig::new(hidden, hidden).init(device),
        }
    }

    /// `[R, C, 7, 7]` → `[R, hidden]`.
    pub fn forward(&self, rois: Tensor<4>) -> Tensor<2> {
        let x = relu(self.fc6.forward(rois.flatten(1, 3)));
        relu(self.fc7.forward(x))
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
