//! The detectors, each written once as a Burn module: run eagerly by the CPU engine, captured for
//! the GPU. No GPU word in here.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::boxes::Edges;
use crate::ops::anchors::AnchorLayout;
use crate::ops::select::SelectOptions;

mod architecture;
pub mod box_head;
mod coco_names;
pub(crate) mod conv;
mod distribution;
pub mod faster_rcnn;
pub mod faster_rcnn_c4;
pub mod fpn;
pub mod fpn_resnet;
pub mod mobilenet;
mod outputs;
pub mod parameters;
pub mod resnet;
pub mod retinaface;
pub mod rpn;
mod specification;

pub use crate::stage::Stage;
pub use crate::upsampling::Upsampling;
pub use architecture::{Architecture, UnknownArchitecture};
pub use coco_names::COCO_NAMES;
pub use distribution::Distribution;
pub use faster_rcnn::FasterRcnnConfig;
pub use outputs::{Checked, Outputs, Request};
pub use resnet::StrideIn;
pub use specification::{Classes, Published, Shapes, Specification, TrainingDefaults};

/// The files of architectures, a line each: its module, which becomes a variant of [`Model`]; the
/// file's `ARCHITECTURES` join the list. (The files are declared above, because rustfmt passes over
/// those that a macro declares.)
macro_rules! architectures {
    ($($file:ident :: $Module:ident,)+) => {
        $(pub use $file::$Module;)+

        /// A model of any architecture.
        #[derive(Module, Debug)]
        #[allow(clippy::large_enum_variant)] // one a detector, and never moved once built
        pub enum Model {
            $(
                /// The module of that name.
                $Module($Module),
            )+
        }

        impl Model {
            /// A picture `[1, 3, H, W]` as [`Transform::apply`](crate::transform::Transform::apply)
            /// makes it, and [`Frame::tensor`](crate::transform::Frame::tensor), → what was asked for.
            pub fn forward(
                &self,
                image: Tensor<4>,
                frame: Tensor<1>,
                request: &Request,
            ) -> Outputs {
                match self {
                    $(Self::$Module(model) => model.forward(image, frame, request),)+
                }
            }
        }

        static FILES: &[&[Architecture]] = &[$(&$file::ARCHITECTURES),+];
    };
}

architectures! {
    faster_rcnn::FasterRcnn,
    faster_rcnn_c4::FasterRcnnC4,
    retinaface::RetinaFace,
    fpn_resnet::FpnResNet,
}

impl Model {
    /// The model with unloaded weights.
    pub fn new(config: &ModelConfig, device: &Device) -> Self {
        (config.architecture.specification().build)(config, device)
    }
}

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
            edges: Edges::Exclusive,
            is_restored: false,
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
    /// How a coarse level is upsampled on the way down, one of those that the architecture knows.
    pub top_down: Upsampling,
    /// Where bottlenecks have their stride, if there are any.
    pub stride_in: StrideIn,
    /// Where boxes start from, level by level; none where it finds no boxes.
    pub anchors: Option<AnchorLayout>,
    /// Whether a RoI has one box for all classes.
    pub is_class_agnostic: bool,
}

impl ModelConfig {
    /// The architecture with its usual classes and PyTorch's usual `eps`, 1e-5.
    pub const fn of(architecture: Architecture) -> Self {
        let specification = architecture.specification();
        Self {
            architecture,
            classes: architecture.default_classes(),
            bn_eps: 1e-5,
            top_down: specification.top_down[0],
            stride_in: match specification.stride_in {
                [place, ..] => *place,
                [] => StrideIn::Second,
            },
            anchors: specification.anchors,
            is_class_agnostic: false,
        }
    }

    /// Where its boxes start from.
    ///
    /// # Panics
    /// If it finds no boxes.
    pub fn anchors(&self) -> AnchorLayout {
        let anchors = self.anchors;
        anchors.unwrap_or_else(|| panic!("{} finds no boxes", self.architecture))
    }
}
