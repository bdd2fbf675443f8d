//! The stages that a detector's work is told in.

use serde::Serialize;

/// A part of a detector's way from a picture to detections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The picture, normalized, resized and padded.
    Preprocess,
    /// The bottom-up maps.
    Backbone,
    /// Lateral and output convolutions of the pyramid's levels.
    Pyramid,
    /// Convolutions over the levels: RPN head, or the heads of a one-stage detector.
    Heads,
    /// Proposals out of the RPN's maps.
    Proposals,
    /// RoIAlign and the box head.
    BoxHead,
    /// Decoding of candidates, and the best of them.
    Selection,
    /// Masks or keypoints of detections.
    Instances,
}

impl Stage {
    /// All of them, in the order of the work.
    pub const ALL: [Self; 8] = [
        Self::Preprocess,
        Self::Backbone,
        Self::Pyramid,
        Self::Heads,
        Self::Proposals,
        Self::BoxHead,
        Self::Selection,
        Self::Instances,
    ];

    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Preprocess => "preprocess",
            Self::Backbone => "backbone",
            Self::Pyramid => "pyramid",
            Self::Heads => "heads",
            Self::Proposals => "proposals",
            Self::BoxHead => "box head",
            Self::Selection => "selection",
            Self::Instances => "instances",
        }
    }
}
