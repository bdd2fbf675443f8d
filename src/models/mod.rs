//! The detectors, each written once as a Burn module: run eagerly by the CPU engine, captured for
//! the GPU. No GPU word in here.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::ops::select::SelectOptions;
use crate::transform::Transform;

mod architecture;
pub mod box_head;
pub(crate) mod conv;
pub mod faster_rcnn;
pub mod fpn;
pub mod mobilenet;
mod outputs;
pub mod parameters;
pub mod resnet;
pub mod retinaface;
pub mod rpn;

pub use crate::stage::Stage;
pub use architecture::{Architecture, UnknownArchitecture};
pub use faster_rcnn::{FasterRcnn, FasterRcnnConfig};
pub use outputs::{Checked, Outputs, Request};
pub use retinaface::RetinaFace;

/// What is kept of the boxes a model finds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Selection {
    /// A box must score more than this (0 to 1).
    pub score_threshold: f32,
    /// Overlap (intersection over union) above which the weaker of two boxes of a class falls.
    pub nms_threshold: f32,
    /// Best detections kept.
    pub limit: usize,
    /// Best proposals that a two-stage model looks at again.
    pub proposals: usize,
}

impl From<Selection> for SelectOptions {
    fn from(selection: Selection) -> Self {
        Self {
            nms_threshold: selection.nms_threshold,
            limit: selection.limit,
        }
    }
}

/// Everything that shapes a model but its weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ModelConfig {
    /// Which detector.
    pub architecture: Architecture,
    /// Classes, background included.
    pub classes: usize,
    /// `eps` of the batch norms.
    pub bn_eps: f64,
}

impl ModelConfig {
    /// The architecture with its usual classes and PyTorch's usual `eps`, 1e-5.
    pub fn of(architecture: Architecture) -> Self {
        Self {
            architecture,
            classes: architecture.default_classes(),
            bn_eps: 1e-5,
        }
    }
}

/// A detector of any architecture.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // one a detector, and never moved once built
pub enum Model {
    /// Faster R-CNN on a pyramid.
    FasterRcnn(FasterRcnn),
    /// RetinaFace.
    RetinaFace(RetinaFace),
}

impl Model {
    /// The model with unloaded weights.
    pub fn new(config: &ModelConfig, device: &Device) -> Self {
        let ModelConfig {
            architecture,
            classes,
            bn_eps,
        } = *config;
        match architecture.faster_rcnn(classes, bn_eps) {
            Some(config) => Self::FasterRcnn(FasterRcnn::new(&config, device)),
            None => Self::RetinaFace(RetinaFace::new(config.bn_eps, device)),
        }
    }

    /// A picture `[1, 3, H, W]` as [`Transform::apply`] makes it, and
    /// [`Frame::tensor`](crate::transform::Frame::tensor), → what was asked for.
    pub fn forward(&self, image: Tensor<4>, frame: Tensor<1>, request: &Request) -> Outputs {
        match self {
            Self::FasterRcnn(model) => model.forward(image, frame, request),
            Self::RetinaFace(model) => model.forward(image, frame, request),
        }
    }
}
