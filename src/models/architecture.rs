//! The architectures by name, and what each takes for granted.

use std::fmt;
use std::str::FromStr;

use crate::transform::ResizeBounds;

use super::resnet::Depth;
use super::{FasterRcnn, FasterRcnnConfig, RetinaFace, Selection, Stage, Transform};

/// A detector that can be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// Faster R-CNN on a ResNet with a pyramid, as torchvision's `resnet_fpn_backbone` builds it.
    FasterRcnnFpn(Depth),
    /// Faster R-CNN made slim, for integrated GPUs and browsers, with weights of its own.
    PyramidTiny,
    /// RetinaFace with MobileNetV1-0.25.
    RetinaFaceMobileNet025,
}

/// A name that is no architecture's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown model '{0}': expected one of {known}", known = Architecture::names().join(", "))]
pub struct UnknownArchitecture(String);

impl Architecture {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::PyramidTiny,
        Self::FasterRcnnFpn(Depth::R18),
        Self::FasterRcnnFpn(Depth::R34),
        Self::FasterRcnnFpn(Depth::R50),
        Self::FasterRcnnFpn(Depth::R101),
        Self::FasterRcnnFpn(Depth::R152),
        Self::RetinaFaceMobileNet025,
    ];

    /// All names, in the order of [`ALL`](Self::ALL).
    pub fn names() -> Vec<&'static str> {
        Self::ALL
            .iter()
            .map(|architecture| architecture.name())
            .collect()
    }

    /// The name that `--model` takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::FasterRcnnFpn(Depth::R18) => "fasterrcnn_resnet18_fpn",
            Self::FasterRcnnFpn(Depth::R34) => "fasterrcnn_resnet34_fpn",
            Self::FasterRcnnFpn(Depth::R50) => "fasterrcnn_resnet50_fpn",
            Self::FasterRcnnFpn(Depth::R101) => "fasterrcnn_resnet101_fpn",
            Self::FasterRcnnFpn(Depth::R152) => "fasterrcnn_resnet152_fpn",
            Self::PyramidTiny => "pyramid_tiny",
            Self::RetinaFaceMobileNet025 => "retinaface_mobilenet025",
        }
    }

    /// What the two-stage model is built from; none for a model of one stage.
    pub fn faster_rcnn(self, classes: usize, bn_eps: f64) -> Option<FasterRcnnConfig> {
        match self {
            Self::FasterRcnnFpn(depth) => {
                Some(FasterRcnnConfig::torchvision(depth, classes, bn_eps))
            }
            Self::PyramidTiny => Some(FasterRcnnConfig::tiny(classes, bn_eps)),
            Self::RetinaFaceMobileNet025 => None,
        }
    }

    /// Whether it looks at proposals again.
    pub fn is_two_stage(self) -> bool {
        !matches!(self, Self::RetinaFaceMobileNet025)
    }

    /// How its pictures are prepared.
    pub fn transform(self) -> Transform {
        match self {
            Self::FasterRcnnFpn(_) => Transform::torchvision(),
            Self::PyramidTiny => Transform {
                resize: Some(ResizeBounds {
                    min_size: 384,
                    max_size: 640,
                }),
                ..Transform::torchvision()
            },
            Self::RetinaFaceMobileNet025 => Transform::retinaface(),
        }
    }

    /// Which boxes it keeps unless told otherwise.
    pub fn selection(self) -> Selection {
        match self {
            Self::FasterRcnnFpn(_) => Selection {
                score_threshold: 0.05,
                nms_threshold: 0.5,
                limit: 100,
                proposals: 1000,
            },
            Self::PyramidTiny => Selection {
                proposals: 200,
                ..Self::FasterRcnnFpn(Depth::R50).selection()
            },
            Self::RetinaFaceMobileNet025 => Selection {
                score_threshold: 0.5,
                nms_threshold: 0.4,
                limit: 750,
                proposals: 0,
            },
        }
    }

    /// The stage that a parameter belongs to, by its path in the module.
    ///
    /// # Panics
    /// If the module has no such part.
    pub fn stage(self, parameter: &str) -> Stage {
        let stages = match self {
            Self::FasterRcnnFpn(_) | Self::PyramidTiny => &FasterRcnn::STAGES[..],
            Self::RetinaFaceMobileNet025 => &RetinaFace::STAGES,
        };
        let part = stages.iter().find(|(part, _)| parameter.starts_with(part));
        part.unwrap_or_else(|| panic!("{self} has no part with a parameter {parameter}"))
            .1
    }

    /// Number of the finest pyramid level: 2 for P2.
    pub fn finest_level(self) -> usize {
        match self {
            Self::FasterRcnnFpn(_) | Self::PyramidTiny => 2,
            Self::RetinaFaceMobileNet025 => 3,
        }
    }

    /// Classes where nothing says otherwise, background included: COCO's 91, the scenes' shapes, or
    /// face.
    pub fn default_classes(self) -> usize {
        match self {
            Self::FasterRcnnFpn(_) => 91,
            Self::PyramidTiny => 9,
            Self::RetinaFaceMobileNet025 => 2,
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Architecture {
    type Err = UnknownArchitecture;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|architecture| architecture.name() == name)
            .ok_or_else(|| UnknownArchitecture(name.to_owned()))
    }
}
