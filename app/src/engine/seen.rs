//! What the engine tells of pictures and detectors.

use std::sync::Arc;
use std::time::Duration;

use fpn_wgpu::gpu::{Gpu, KeptMaps};
use fpn_wgpu::inspection::Inspection;
use fpn_wgpu::models::{ModelConfig, Stage};
use fpn_wgpu::plan::{MapInfo, MapKind};
use fpn_wgpu::transform::Frame as Sizes;
use fpn_wgpu::{Detections, FeatureMap};

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

/// How much of published weights has come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fetched {
    /// In bytes.
    pub bytes: u64,
    /// All of them, if the server told.
    pub of: Option<u64>,
}

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
    pub views: Views,
    /// What it took.
    pub times: Times,
    /// Bytes of the GPU's memory that the detector holds, if it computes on one.
    pub gpu_bytes: Option<usize>,
}

impl Seen {
    /// The same without its maps.
    pub fn without_views(&self) -> Self {
        Self {
            views: Views::Host(Vec::new()),
            ..self.clone()
        }
    }
}

/// Maps of a value a cell.
#[derive(Clone, Debug)]
pub enum Views {
    /// In memory.
    Host(Vec<FeatureMap>),
    /// On the window's device, which is this one, until two more pictures were seen.
    Device(KeptMaps, Arc<Gpu>),
}

/// A map's name, size, and the part of it that lies over the picture.
pub type Outline<'a> = (&'a MapInfo, [usize; 2], [f32; 2]);

impl Views {
    /// The maps of a kind, finest level first.
    pub fn outlines(&self, kind: MapKind) -> Vec<Outline<'_>> {
        let of = |[_, height, width]: [usize; 3]| [height, width];
        let all: Vec<Outline<'_>> = match self {
            Self::Host(maps) => {
                let maps = maps.iter();
                maps.map(|map| (&map.info, of(map.shape), map.coverage))
                    .collect()
            }
            Self::Device(kept, _) => {
                let maps = kept.maps.iter();
                maps.map(|map| (&map.info, of(map.shape), map.coverage))
                    .collect()
            }
        };
        all.into_iter()
            .filter(|(info, ..)| info.kind == kind)
            .collect()
    }

    /// Bytes of memory that they take.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Host(maps) => maps.iter().map(|map| 4 * map.values.len()).sum(),
            Self::Device(..) => 0,
        }
    }
}

/// Times of one picture.
#[derive(Clone, Debug)]
pub struct Times {
    /// The detector's, from the picture to boxes.
    pub detected: Duration,
    /// What of it went into handing the picture over.
    pub uploaded: Duration,
    /// Seconds of each part by the GPU's clock, in the order of the work; none where there is no such clock.
    pub parts: Vec<(Stage, f64)>,
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
