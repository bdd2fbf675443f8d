//! What the engine tells of pictures and detectors.

use std::sync::Arc;
use std::time::Duration;

use fpn_wgpu::inspection::Inspection;
use fpn_wgpu::models::{ModelConfig, Stage};
use fpn_wgpu::transform::Frame as Sizes;
use fpn_wgpu::{Detections, FeatureMap};
use web_time::Instant;

use super::Choice;
use crate::source::Frame;

/// What is to be known of a detector that is ready.
#[derive(Clone, Debug)]
pub struct ModelCard {
    /// What it was made of.
    pub config: ModelConfig,
    /// What was asked for.
    pub choice: Choice,
    /// A name for every label, the background's first.
    pub class_names: Vec<String>,
    /// Where it computes: `cpu`, or the adapter's name.
    pub device: String,
    /// What it took to load.
    pub loaded_in: Duration,
    /// The score that a detection has at least where the model is left to itself.
    pub usual_score: f32,
    /// The overlap above which the weaker of two boxes falls.
    pub usual_nms: f32,
}

impl ModelCard {
    /// The score from which on detections are shown at first: as usual, but no more than people can take in.
    pub fn shown_score(&self) -> f32 {
        self.usual_score.max(LEAST_SHOWN)
    }
}

/// Below this there are more boxes than can be told apart.
const LEAST_SHOWN: f32 = 0.4;

/// A picture with what was seen in it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The picture.
    pub frame: Frame,
    /// Who saw it.
    pub model: Arc<ModelCard>,
    /// The picture's size, and what it is brought to.
    pub sizes: Sizes,
    /// Best first, down to a low score.
    pub detections: Detections,
    /// How strong each level's features are, and how likely each of its cells holds an object.
    pub views: Vec<FeatureMap>,
    /// What it took.
    pub times: Times,
}

/// Times of one picture.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// From when the source gave it to when the detector began.
    pub waited: Duration,
    /// The detector, from the picture to boxes.
    pub detected: Duration,
    /// When it was done.
    pub done: Instant,
}

/// A picture with all that led to its detections.
#[derive(Debug)]
pub struct Inspected {
    /// The picture.
    pub frame: Frame,
    /// Who saw it.
    pub model: Arc<ModelCard>,
    /// All the rest.
    pub inspection: Inspection,
}

/// What a picture takes on a GPU.
pub struct Measured {
    /// Seconds of each part, where the adapter tells.
    pub stages: Option<Vec<(Stage, f64)>>,
    /// Bytes of weights and activations.
    pub bytes: usize,
}
