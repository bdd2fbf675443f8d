//! The parts of a two-stage detector, over a batch of pictures: what training runs one by one.

use burn::tensor::Tensor;

use super::Model;
use crate::ops::anchors::AnchorGrid;
use crate::ops::proposals::{Proposals, RpnMaps};

/// A detector that makes proposals and looks at them again.
pub trait TwoStage {
    /// `[N, 3, H, W]`, normalized and padded, → the maps that everything else is read from, `[N, C, h, w]` each,
    /// finest first.
    fn features(&self, images: Tensor<4>) -> Vec<Tensor<4>>;

    /// Those maps → objectness logits `[N, A, h, w]` and deltas `[N, 4A, h, w]` of each level that has anchors. The
    /// sigmoid of a logit is how likely its anchor is an object.
    fn rpn_logits(&self, features: Vec<Tensor<4>>) -> RpnMaps;

    /// The anchors of such maps over an input of `padded` height and width.
    fn anchors(&self, maps: &RpnMaps, padded: [usize; 2]) -> AnchorGrid;

    /// RoIs in pixels of the resized pictures, those of the first picture first → `[R, C, 7, 7]`.
    fn roi_features(&self, features: Vec<Tensor<4>>, rois: &Proposals) -> Tensor<4>;

    /// `[R, C, 7, 7]` → class logits `[R, classes]`, and deltas `[R, 4 · boxes]` of every class that has its own or
    /// `[R, 4]` of all.
    fn box_outputs(&self, rois: Tensor<4>) -> (Tensor<2>, Tensor<2>);
}

impl Model {
    /// The two-stage detector that it is, if it is one.
    pub fn as_two_stage(&self) -> Option<&dyn TwoStage> {
        match self {
            Self::FasterRcnn(model) => Some(model),
            Self::FasterRcnnC4(model) => Some(model),
            Self::RetinaFace(_)
            | Self::DenseDetector(_)
            | Self::NanoDet(_)
            | Self::FpnResNet(_) => None,
        }
    }
}
