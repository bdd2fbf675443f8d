//! Whose arithmetic of boxes a two-stage detector follows.

use crate::boxes::Edges;
use crate::ops::anchors::AnchorGrid;
use crate::ops::proposals::ProposalOptions;
use crate::ops::roi_decode::{RoiDecodeOptions, sigmoid};

/// Whose arithmetic of boxes a two-stage detector follows, at inference and in training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// torchvision's: the background is the first class.
    Torchvision,
    /// detectron2's: the background is the last class, and has no boxes.
    Detectron2,
    /// The first Faster R-CNN's, on a single map: `x2` and `y2` are a box's last pixels.
    Legacy,
}

impl Rules {
    /// What a box's `x2` and `y2` stand for.
    pub fn edges(self) -> Edges {
        match self {
            Self::Torchvision | Self::Detectron2 => Edges::Exclusive,
            Self::Legacy => Edges::Inclusive,
        }
    }

    /// How likely an anchor is an object of which the RPN's maps say this.
    pub fn objectness(self, said: f32) -> f32 {
        match self {
            Self::Torchvision | Self::Detectron2 => sigmoid(said),
            // A probability already.
            Self::Legacy => said,
        }
    }

    /// How proposals are made of these anchors at inference.
    pub fn proposals(self, anchors: AnchorGrid) -> ProposalOptions {
        match self {
            Self::Torchvision => ProposalOptions::torchvision(anchors),
            Self::Detectron2 => ProposalOptions::detectron2(anchors),
            Self::Legacy => ProposalOptions::legacy(anchors),
        }
    }

    /// How RoIs become detections.
    pub fn decoding(self, score_threshold: f32) -> RoiDecodeOptions {
        match self {
            Self::Torchvision => RoiDecodeOptions::torchvision(score_threshold),
            Self::Detectron2 => RoiDecodeOptions::detectron2(score_threshold),
            Self::Legacy => RoiDecodeOptions::legacy(score_threshold),
        }
    }
}
