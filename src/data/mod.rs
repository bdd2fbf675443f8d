//! Pictures with what is in them: to train on, and to measure detectors by.

#[cfg(feature = "train")]
mod coco;
#[cfg(feature = "train")]
mod combined;
#[cfg(feature = "train")]
mod files;
#[cfg(feature = "train")]
pub mod jpeg;
pub mod scenes;
#[cfg(feature = "train")]
mod spec;
#[cfg(feature = "train")]
mod voc;

#[cfg(feature = "train")]
pub use spec::{check, open, open_as};

use image::RgbaImage;

use crate::boxes::BBox;
use crate::masks::Rle;

/// What label 0 is called.
pub const BACKGROUND: &str = "background";

/// One thing in a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Object {
    /// Where it is, in pixels of the picture; `x2` and `y2` exclusive.
    pub bbox: BBox,
    /// What it is: an index into the set's class names, 0 being the background's.
    pub label: usize,
    /// Its area in square pixels, by which sizes are told apart: that of its outline where the set
    /// knows it, else the box's.
    pub area: f32,
    /// A region of many things of a kind, not told apart (COCO's `iscrowd`): nothing is learnt from
    /// it, and detections in it count neither way.
    pub crowd: bool,
    /// Too hard to be asked for (VOC's `difficult`): as a crowd, but for detections one to one.
    pub difficult: bool,
}

/// Where the parts of a person's body are, as an annotation says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Keypoints {
    /// `[x, y, visibility]` in pixels of the picture, in the order of
    /// [`COCO_KEYPOINTS`](crate::models::COCO_KEYPOINTS). Visibility is 0 of what is not labelled, 1 of what is
    /// hidden, 2 of what is seen.
    pub points: [[f32; 3]; 17],
    /// How many are labelled, as the set counts them; where none is, the person need not be found by keypoints.
    pub labelled: usize,
}

/// A picture and its objects.
#[derive(Clone, Debug)]
pub struct Example {
    /// The picture; its alpha means nothing.
    pub picture: RgbaImage,
    /// In the order of the set.
    pub objects: Vec<Object>,
}

/// Why a data set, or a picture of one, cannot be used. Each is one sentence that names the file.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DataError(pub String);

/// A list of pictures with their objects. Pictures are read, or drawn, when they are asked for.
pub trait ImageSet: Send + Sync {
    /// A name for every label, the background's first.
    fn class_names(&self) -> &[String];

    /// How many pictures there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What picture `index` is called: its file, or the seed that it is drawn from.
    fn name(&self, index: usize) -> String;

    /// Height and width of picture `index`, in pixels, as the set says without reading the picture.
    fn size(&self, index: usize) -> [usize; 2];

    /// Whether there is anything to learn from picture `index`: an object that is no crowd.
    fn has_objects(&self, index: usize) -> bool;

    /// Picture `index` and its objects.
    ///
    /// # Errors
    /// If the file cannot be read.
    fn example(&self, index: usize) -> Result<Example, DataError>;

    /// Whether objects have masks.
    fn has_masks(&self) -> bool {
        false
    }

    /// Whether objects have keypoints.
    fn has_keypoints(&self) -> bool {
        false
    }

    /// The masks of picture `index`'s objects, in their order; none at all if the set has none.
    ///
    /// # Errors
    /// If one is missing or broken.
    fn masks(&self, _index: usize) -> Result<Vec<Rle>, DataError> {
        Ok(Vec::new())
    }

    /// The keypoints of picture `index`'s objects, in their order, of those that have any; none at all if the set
    /// has none.
    ///
    /// # Errors
    /// If some are broken.
    fn keypoints(&self, _index: usize) -> Result<Vec<Option<Keypoints>>, DataError> {
        Ok(Vec::new())
    }
}
