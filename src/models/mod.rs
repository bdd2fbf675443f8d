//! The detectors, each written once as a Burn module: run eagerly by the CPU engine, captured for
//! the GPU. No GPU word in here.

use std::fmt;

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::boxes::Edges;
use crate::ops::anchors::AnchorLayout;
use crate::ops::select::SelectOptions;
use crate::transform::Transform;

mod architecture;
pub mod bottom_up;
pub mod box_head;
mod coco_keypoints;
mod coco_names;
pub(crate) mod conv;
pub mod dense_detector;
pub mod detectron2;
mod distribution;
pub mod efpn_tiny;
pub mod faster_rcnn;
pub mod faster_rcnn_c4;
pub mod fpn;
pub mod fpn_resnet;
pub mod ftt;
pub mod group_norm;
pub mod hat;
pub mod keypoint_head;
pub mod mask_head;
pub mod mobilenet;
pub mod mobilenet_v3;
pub mod nanodet;
mod outputs;
pub mod parameters;
pub mod resnet;
pub mod retinaface;
pub mod rpn;
mod rules;
mod specification;
mod two_stage;

pub use crate::stage::Stage;
pub use crate::upsampling::Upsampling;
pub use architecture::{Architecture, UnknownArchitecture};
pub use coco_keypoints::{COCO_KEYPOINTS, COCO_LIMBS, COCO_SIGMAS};
pub use coco_names::{COCO_CLASSES, COCO_NAMES};
pub use detectron2::Body;
pub use distribution::Distribution;
pub use faster_rcnn::FasterRcnnConfig;
pub use ftt::FttForm;
pub use outputs::{Checked, Outputs, Request};
pub use resnet::StrideIn;
pub use rules::Rules;
pub use specification::{
    Classes, EpochDefaults, Published, Shapes, Source, Specification, TrainingDefaults,
};
pub use two_stage::TwoStage;

/// The files of architectures, a line each: its module, if it has one of its own, which becomes a variant
/// of [`Model`]; the file's `ARCHITECTURES` join the list. (The files are declared above, because rustfmt passes over
/// those that a macro declares.)
macro_rules! architectures {
    ($($file:ident $(:: $Module:ident)?,)+) => {
        $($(pub use $file::$Module;)?)+

        /// A model of any architecture.
        #[derive(Module, Debug)]
        #[allow(clippy::large_enum_variant)] // one a detector, and never moved once built
        pub enum Model {
            $($(
                /// The module of that name.
                $Module($Module),
            )?)+
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
                    $($(Self::$Module(model) => model.forward(image, frame, request),)?)+
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
    dense_detector::DenseDetector,
    nanodet::NanoDet,
    fpn_resnet::FpnResNet,
    detectron2,
    efpn_tiny,
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

/// Which strides anchors and RoIs go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strides {
    /// What detectron2 takes a stem's map to have, a quarter of the input's: EFPN's published code says so,
    /// whose stem has half of it.
    Declared,
    /// What the maps have.
    True,
}

impl Strides {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Declared, Self::True];

    /// Its name for `--strides`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Declared => "declared",
            Self::True => "true",
        }
    }
}

impl fmt::Display for Strides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
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
    /// The bottom-up network, where the architecture does not say which.
    pub body: Option<Body>,
    /// What EFPN's feature texture transfer is made of, if it has one.
    pub ftt: Option<FttForm>,
    /// Subtracted from the channels of the network's input, in their order.
    pub pixel_mean: [f32; 3],
    /// The channels of the network's input are divided by this, in their order.
    pub pixel_std: [f32; 3],
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
            body: specification.body,
            ftt: None,
            pixel_mean: specification.transform.mean,
            pixel_std: specification.transform.std,
        }
    }

    /// The same on another bottom-up network, with the stride and the deviation that are usual for it.
    pub fn with_body(self, body: Body) -> Self {
        Self {
            body: Some(body),
            stride_in: body.stride_in(),
            pixel_std: body.pixel_std(),
            ..self
        }
    }

    /// How its pictures are prepared.
    pub fn transform(&self) -> Transform {
        Transform {
            mean: self.pixel_mean,
            std: self.pixel_std,
            ..self.architecture.transform()
        }
    }

    /// Which strides its anchors and RoIs go by; none where there is only one kind.
    pub fn strides(&self) -> Option<Strides> {
        let real = self.architecture.specification().true_anchors?;
        Some(match self.anchors == Some(real) {
            true => Strides::True,
            false => Strides::Declared,
        })
    }

    /// The same with anchors and RoIs that go by other strides; none where there is only one kind.
    pub fn with_strides(self, strides: Strides) -> Option<Self> {
        let specification = self.architecture.specification();
        let real = specification.true_anchors?;
        let anchors = match strides {
            Strides::Declared => specification.anchors,
            Strides::True => Some(real),
        };
        Some(Self { anchors, ..self })
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
