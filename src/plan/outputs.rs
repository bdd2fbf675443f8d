//! What a plan leaves behind, by name.

use serde::Serialize;

use super::Range;
use crate::kernels::{Dtype, Layout};

/// A part of a model that maps are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MapKind {
    /// The network's input: the picture normalized, resized and padded.
    Input,
    /// The bottom-up maps, C2…C5.
    Features,
    /// The pyramid's levels, P2…P6.
    Pyramid,
    /// The pyramid's levels as they would be if nothing were handed down to them: each made of its own bottom-up map
    /// alone. Of the pyramids of Faster R-CNN, RetinaNet and FCOS; other models give none.
    Alone,
    /// The heads' raw maps.
    Heads,
    /// How strong each cell of a pyramid's level is, `[1, H, W]`: the Euclidean norm over its channels. Where maps are
    /// stored in 16 bits, a value beyond ±255 makes its cell's infinite.
    Strength,
    /// How likely a cell of a level holds an object, `[1, H, W]`: the highest probability of any of its anchors and
    /// classes, the background's left out.
    Objectness,
}

/// What is said of a map that a model gives back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MapInfo {
    /// `P2`, or `P2 objectness`: no other output of the model has it.
    pub name: String,
    /// What it is a map of.
    pub kind: MapKind,
    /// 2 for P2.
    pub level: usize,
    /// Pixels of the network's input between its cells.
    pub stride: usize,
}

/// One of the things that a plan leaves behind.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Output {
    /// A map.
    Map(MapInfo, MapSlot),
    /// Any tensor, by name.
    Tensor(String, TensorSlot),
    /// Proposals of a two-stage model.
    Proposals(ProposalsSlot),
    /// Detections, in the read-back.
    Detections(DetectionsLayout),
    /// What was found in detections, a row each.
    Instances(InstanceKind, TensorSlot),
}

/// What is found in a detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum InstanceKind {
    /// Which pixels of its box are its object's: a square of probabilities, row by row.
    Masks,
    /// x, y and score of each keypoint, in pixels of the resized picture.
    Keypoints,
}

/// Where a map lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MapSlot {
    /// Channels, height, width.
    pub shape: [usize; 3],
    /// What it is stored in.
    pub dtype: Dtype,
    /// Its place.
    pub range: Range,
}

/// Where a tensor lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TensorSlot {
    /// As the module has it.
    pub shape: Vec<usize>,
    /// The dimension that lies side by side in memory: see [`Layout::inner`].
    pub inner: usize,
    /// What it is stored in.
    pub dtype: Dtype,
    /// Its place.
    pub range: Range,
}

impl TensorSlot {
    /// How it lies there.
    pub fn layout(&self) -> Layout {
        Layout {
            shape: self.shape.clone(),
            inner: self.inner,
        }
    }
}

/// The values `[C, H, W]` of a map that lies in memory as [plans](super) have it.
pub(crate) fn planar(stored: &[f32], [channels, height, width]: [usize; 3]) -> Vec<f32> {
    let (cells, pitch) = (height * width, channels.next_multiple_of(4));
    let mut values = Vec::with_capacity(channels * cells);
    for channel in 0..channels {
        values.extend((0..cells).map(|cell| stored[cell * pitch + channel]));
    }
    values
}

/// Where proposals lie: as many as the count says, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ProposalsSlot {
    /// Most of them.
    pub limit: usize,
    /// Boxes, four floats each, in pixels of the resized picture.
    pub boxes: Range,
    /// The level that each started from, 2 for P2.
    pub levels: Range,
    /// How many there are, a word.
    pub count: Range,
}

/// How detections lie behind the header of the read-back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DetectionsLayout {
    /// Most detections.
    pub limit: usize,
    /// vec4 of each: the box and its landmarks, then score, label and level.
    pub blocks: usize,
    /// Values of landmarks.
    pub landmarks: usize,
}

/// Words of the read-back's header: detections, whether a value was not finite, candidates found,
/// candidates that fit.
pub const HEADER_WORDS: usize = 4;

impl DetectionsLayout {
    /// Size in bytes.
    pub fn bytes(self) -> usize {
        self.limit * self.blocks * 16
    }
}
