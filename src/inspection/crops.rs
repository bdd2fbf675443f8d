//! What the head looks at of a proposal.

use burn_ir::TensorId;

use super::calls::Calls;
use crate::boxes::BBox;
use crate::detections::{FeatureMap, strength};
use crate::ops::Map;
use crate::ops::roi_align::{RoiAlign, RoiAlignOptions, align};
use crate::ops::roi_pool::{RoiPool, RoiPoolOptions, pool};

/// What a head looks at of a picture: a box of a map, brought to a few cells.
#[derive(Clone, Debug, PartialEq)]
pub struct Crop {
    /// The level that it is of, 2 for P2.
    pub level: usize,
    /// Channels, height, width.
    pub shape: [usize; 3],
    /// Row-major.
    pub values: Vec<f32>,
}

impl Crop {
    /// Strength of each cell, `[height, width]` row-major: the Euclidean norm over its channels.
    pub fn strength(&self) -> Vec<f32> {
        strength(&self.values, self.shape)
    }
}

/// How proposals are cropped, by indices of maps.
#[derive(Clone, Debug)]
pub(super) struct Cropping {
    way: Way,
    maps: Vec<usize>,
    /// In pixels of the resized picture.
    rois: Vec<BBox>,
}

#[derive(Clone, Debug)]
enum Way {
    Align(RoiAlignOptions),
    Pool(RoiPoolOptions),
}

impl Cropping {
    /// Of proposals whose boxes are this tensor.
    pub fn of(calls: &Calls<'_>, boxes: TensorId, rois: Vec<BBox>) -> Option<Self> {
        let aligned = calls.reading(&RoiAlign, Some(boxes));
        let (call, way) = match aligned {
            Some(call) => (
                call,
                Way::Align(RoiAlignOptions::from_scalars(&call.scalars)),
            ),
            None => {
                let call = calls.reading(&RoiPool, Some(boxes))?;
                (call, Way::Pool(RoiPoolOptions::from_scalars(&call.scalars)))
            }
        };
        // Boxes and their count are behind the maps.
        let maps = calls.indices(&call.inputs[..call.inputs.len() - 2])?;
        Some(Self { way, maps, rois })
    }

    /// Which of the maps a RoI is of.
    fn level_of(&self, bbox: BBox) -> usize {
        match &self.way {
            Way::Align(options) => options.level_of(bbox),
            Way::Pool(_) => 0,
        }
    }

    /// Which of all maps each RoI is of.
    pub fn sources(&self) -> impl Iterator<Item = usize> {
        let rois = self.rois.iter();
        rois.map(|&bbox| self.maps[self.level_of(bbox)])
    }

    /// The RoI of an index.
    pub fn crop(&self, maps: &[FeatureMap], index: usize) -> Option<Crop> {
        let bbox = *self.rois.get(index)?;
        let level = self.level_of(bbox);
        let source = maps.get(self.maps[level])?;
        let map = Map {
            values: &source.values,
            shape: source.shape,
        };
        let [rows, columns] = match &self.way {
            Way::Align(options) => options.output,
            Way::Pool(options) => options.output,
        };
        let shape = [source.shape[0], rows, columns];
        let mut values = vec![0.0; shape.iter().product()];
        match &self.way {
            Way::Align(options) => {
                align(&map, bbox, options.scale(level), options, &mut values);
            }
            Way::Pool(options) => pool(&map, bbox, *options, &mut values),
        }
        Some(Crop {
            level: source.info.level,
            shape,
            values,
        })
    }
}
