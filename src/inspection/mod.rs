//! How detections come to be: what a detector decided about each box on the way, told once more by the host from
//! what its engine computed.
//!
//! ```text
//! anchors ─ each level's best ─ decoded ─ NMS ─ proposals ─ the head's shift ─ candidates ─ NMS ─ detections
//!           Start                               ProposalStory               CandidateStory
//! ```
//!
//! A one-stage detector has no proposals: its candidates are decoded from anchors, each of a [`Start`] of its own.
//!
//! All boxes are `[x1, y1, x2, y2]` in pixels of the picture as it was given. Proposals and detections are the
//! engine's own. What became of other boxes is decided by the functions that the CPU engine selects with, over the
//! maps and rows that the engine read back; where it is a GPU, whose numbers differ from the host's in the last bits, a
//! decision that hung on them is told as [`Reason::Rounding`].
//!
//! ```
//! use fpn_wgpu::models::ModelConfig;
//! use fpn_wgpu::models::retinaface::MOBILENET025;
//! use fpn_wgpu::{Detector, weights};
//!
//! let checkpoint = weights::seeded(&ModelConfig::of(MOBILENET025), 1);
//! let detector = Detector::builder(checkpoint).inspectable().build()?;
//! let told = detector.inspect(&weights::picture(1, 96, 64).into())?;
//! for (index, found) in told.detections.items.iter().enumerate() {
//!     if let Some(story) = told.story(index) {
//!         let start = &told.starts[story.start];
//!         println!("{:?} was the anchor {:?} of P{}", found.bbox, start.anchor_box, start.level);
//!     }
//! }
//! println!("{:?}", told.counts());
//! # assert!(told.counts().detections > 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod anchors;
mod calls;
mod crops;
mod one_stage;
mod selection;
mod settle;
mod two_stage;

pub use self::anchors::LevelAnchors;
use self::calls::Calls;
pub use self::crops::Crop;
use self::crops::Cropping;
use crate::boxes::BBox;
pub use crate::boxes::{Fate, Reason};
use crate::class_names::ClassNames;
use crate::compile::CapturedModel;
use crate::detections::{Detections, FeatureMap};
use crate::error::DetectError;
use crate::models::ModelConfig;
use crate::ops::select::Place;
use crate::results::Computed;
use crate::transform::Frame;

/// What [`Detector::inspect`](crate::Detector::inspect) tells of a picture.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// What [`Detector::detect`](crate::Detector::detect) gives for the same picture.
    pub detections: Detections,
    /// The bottom-up maps, the pyramid's levels, the heads' raw maps, and what else the detector was built to give.
    pub maps: Vec<FeatureMap>,
    /// Where boxes start from, finest level first.
    pub anchors: Vec<LevelAnchors>,
    /// The anchors that were chosen, level by level, the finest first, best first within a level. Of a two-stage
    /// detector these are each level's best; of a one-stage one, where they score enough. Of dense heads each class of
    /// an anchor is chosen by itself.
    pub starts: Vec<Start>,
    /// What a two-stage detector looked at again, best first, as its engine gave them.
    pub proposals: Vec<ProposalStory>,
    /// What detections were selected from, best first.
    pub candidates: Vec<CandidateStory>,
    cropping: Option<Cropping>,
}

/// An anchor that was chosen, and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// Its pyramid level, 2 for P2.
    pub level: usize,
    /// Its cell there, y and x.
    pub cell: [usize; 2],
    /// Which of the cell's anchors it is.
    pub anchor: usize,
    /// The anchor: of detectors without any, the square about the place.
    pub anchor_box: BBox,
    /// The box that was made of it, cut to the picture where the model cuts it.
    pub bbox: BBox,
    /// How likely it is an object, or of its class; 0 to 1.
    pub score: f32,
    /// Of a one-stage detector how likely it is of each class, by label; labels that no class has, and a background
    /// that is not scored, have 0. Empty of a two-stage one, whose [proposals](ProposalStory) have scores.
    pub scores: Vec<f32>,
    /// What became of the box: of a two-stage detector which proposal, of a one-stage one which detection, or by
    /// which other start it was suppressed.
    pub fate: Fate,
}

/// A box that was looked at again.
#[derive(Clone, Debug, PartialEq)]
pub struct ProposalStory {
    /// The start that became it, by [`Inspection::starts`].
    pub start: usize,
    /// Its box, cut to the picture.
    pub bbox: BBox,
    /// The pyramid level that it started from, 2 for P2.
    pub level: usize,
    /// The level that it was cropped from.
    pub roi_level: usize,
    /// How likely it is of each class, by label, the background's first; they sum to 1. Labels that no class has
    /// have 0.
    pub scores: Vec<f32>,
}

/// A box with a class, and whether it became a detection.
#[derive(Clone, Debug, PartialEq)]
pub struct CandidateStory {
    /// What it was decoded from.
    pub origin: Origin,
    /// As [`Detection::label`](crate::Detection::label).
    pub label: usize,
    /// How likely it is of that class, 0 to 1.
    pub score: f32,
    /// Its box, as a detection's.
    pub bbox: BBox,
    /// Which detection it became, or by which other candidate it was suppressed.
    pub fate: Fate,
}

/// What a candidate was decoded from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// One of [`Inspection::proposals`].
    Proposal(usize),
    /// One of [`Inspection::starts`].
    Start(usize),
}

/// The way of one detection, by the lists of an [`Inspection`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Story {
    /// The candidate that it was.
    pub candidate: usize,
    /// The proposal that the candidate was decoded from, of a two-stage detector.
    pub proposal: Option<usize>,
    /// The start of that.
    pub start: usize,
}

/// How many boxes there were at each stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Anchors of all cells of all levels.
    pub anchors: usize,
    /// Of these, those that were chosen; of dense heads each class of an anchor by itself.
    pub starts: usize,
    /// Of these, those whose boxes were large and likely enough.
    pub boxes: usize,
    /// Of these, those that no better one suppressed; those behind the limit, which were not looked at, count.
    pub distinct_boxes: usize,
    /// Of these, those that were looked at again: none of a one-stage detector.
    pub proposals: usize,
    /// Boxes with a class that score enough.
    pub candidates: usize,
    /// Of these, those that no better one suppressed, counted likewise.
    pub distinct_candidates: usize,
    /// Of these, those that were reported.
    pub detections: usize,
}

impl Inspection {
    pub(crate) fn new(detections: Detections, maps: Vec<FeatureMap>, told: Told) -> Self {
        Self {
            detections,
            maps,
            anchors: told.anchors,
            starts: told.starts,
            proposals: told.proposals,
            candidates: told.candidates,
            cropping: told.cropping,
        }
    }

    /// The way of the detection of this index; none if there is no such, or a GPU found it where the host does not
    /// ([`Reason::Rounding`]).
    pub fn story(&self, detection: usize) -> Option<Story> {
        let is_it = |candidate: &CandidateStory| candidate.fate == Fate::Kept(detection);
        let candidate = self.candidates.iter().position(is_it)?;
        Some(match self.candidates[candidate].origin {
            Origin::Proposal(proposal) => Story {
                candidate,
                proposal: Some(proposal),
                start: self.proposals.get(proposal)?.start,
            },
            Origin::Start(start) => Story {
                candidate,
                proposal: None,
                start,
            },
        })
    }

    /// What the head looked at of the proposal of this index; none if there is no such.
    pub fn crop(&self, proposal: usize) -> Option<Crop> {
        self.cropping.as_ref()?.crop(&self.maps, proposal)
    }

    /// How many boxes there were at each stage.
    pub fn counts(&self) -> Counts {
        let is_box = |fate: Fate| {
            let left_out = [Reason::TooSmall, Reason::Unlikely].map(Fate::Dropped);
            !left_out.contains(&fate)
        };
        let is_distinct = |fate: Fate| !matches!(fate, Fate::Suppressed { .. });
        let starts = self.starts.iter().map(|start| start.fate);
        let candidates = self.candidates.iter().map(|candidate| candidate.fate);
        let boxes = starts.filter(|fate| is_box(*fate));
        Counts {
            anchors: self.anchors.iter().map(LevelAnchors::count).sum(),
            starts: self.starts.len(),
            boxes: boxes.clone().count(),
            distinct_boxes: boxes.filter(|fate| is_distinct(*fate)).count(),
            proposals: self.proposals.len(),
            candidates: self.candidates.len(),
            distinct_candidates: candidates.filter(|fate| is_distinct(*fate)).count(),
            detections: self.detections.items.len(),
        }
    }
}

/// What an engine computed of a picture, and what is known of how.
pub(crate) struct Observed<'a> {
    pub config: &'a ModelConfig,
    pub class_names: &'a ClassNames,
    /// What the engine ran, with the options of each operation.
    pub captured: &'a CapturedModel,
    /// All that it gave.
    pub computed: &'a Computed,
    /// Which of the detector's detections each of the engine's is.
    pub reported: Vec<Option<usize>>,
    /// The picture's.
    pub frame: &'a Frame,
    /// Height and width of what boxes are cut to once they are in the picture's pixels.
    pub extent: Option<[f32; 2]>,
}

impl Observed<'_> {
    /// Height and width of the resized picture, as operations have them.
    fn resized(&self) -> [f32; 2] {
        self.frame.resized.map(|side| side as f32)
    }

    /// Where the resized picture lies in the original.
    fn place(&self) -> Place {
        Place::from(self.frame)
    }

    /// A box of the resized picture as it is reported.
    fn restored(&self, bbox: BBox) -> BBox {
        let bbox = self.place().restored(bbox);
        self.extent
            .map_or(bbox, |extent| crate::boxes::clip(bbox, extent))
    }

    /// Scores by label, which `score` tells of a class, 0 the background.
    fn by_label(&self, score: impl Fn(usize) -> f32) -> Vec<f32> {
        let mut scores = vec![0.0; self.class_names.names().len()];
        for class in 0..self.config.classes {
            scores[self.class_names.label(class)] = score(class);
        }
        scores
    }
}

/// The lists of an inspection.
pub(crate) struct Told {
    anchors: Vec<LevelAnchors>,
    starts: Vec<Start>,
    proposals: Vec<ProposalStory>,
    candidates: Vec<CandidateStory>,
    cropping: Option<Cropping>,
}

/// How what was computed came to be.
///
/// # Errors
/// If the model goes another way from maps to detections than those that are known.
pub(crate) fn tell(observed: &Observed<'_>) -> Result<Told, DetectError> {
    let calls = Calls::new(observed.captured, observed.computed);
    let told = two_stage::tell(observed, &calls).or_else(|| one_stage::tell(observed, &calls));
    told.ok_or(DetectError::NotInspectable {
        model: observed.config.architecture.name(),
        reason: "it goes no way from maps to detections that is known",
    })
}
