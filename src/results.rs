//! What the engines hand to a detector.

use crate::ops::candidates::Candidate;
use crate::plan::MapInfo;

/// A map in the host's memory.
#[derive(Clone, Debug, PartialEq)]
pub struct HostMap {
    /// What it is a map of.
    pub info: MapInfo,
    /// Channels, height, width.
    pub shape: [usize; 3],
    /// Row-major, `[C, H, W]`.
    pub values: Vec<f32>,
}

/// A box that may hold an object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proposal {
    /// `[x1, y1, x2, y2]` in pixels of the resized picture.
    pub bbox: [f32; 4],
    /// The level (2 for P2) whose anchor it started from.
    pub level: usize,
}

/// What an engine gives for one picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Computed {
    /// In pixels of the original picture, best first; none of a model that finds none.
    pub detections: Vec<Candidate>,
    /// The maps that were asked for, finest first within a kind.
    pub maps: Vec<HostMap>,
    /// Best first; none where they were not asked for.
    pub proposals: Vec<Proposal>,
}
