//! What a detector gives back.

use serde::Serialize;

use crate::masks::Rle;
use crate::plan::MapInfo;
use crate::results::HostMap;
use crate::transform::Frame;

/// The objects found in one picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Detections {
    /// Width of the picture in pixels.
    pub width: usize,
    /// Height of the picture in pixels.
    pub height: usize,
    /// Best first.
    pub items: Vec<Detection>,
}

/// One object.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Detection {
    /// `[x1, y1, x2, y2]` in pixels of the picture as it was given, from its top left corner.
    #[serde(rename = "box")]
    pub bbox: [f32; 4],
    /// The model's label: 0 is the background and never occurs, but that RetinaNet and FCOS score it as they do
    /// the others; COCO's are its category ids.
    pub label: usize,
    /// The label's name.
    pub name: String,
    /// 0 to 1.
    pub score: f32,
    /// The pyramid level that the box started from, 2 for P2.
    pub level: usize,
    /// `[x, y]` in pixels of the picture, where the model finds landmarks. Of a face: left and
    /// right eye, nose, left and right corner of the mouth, as the viewer sees them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub landmarks: Option<Vec<[f32; 2]>>,
    /// Its pixels in the picture, where the model finds masks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask: Option<Rle>,
    /// `[x, y, score]`, in pixels of the picture, where the model finds keypoints. Those of a person
    /// are COCO's ([`COCO_KEYPOINTS`](crate::models::COCO_KEYPOINTS)); what range scores have is up to the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keypoints: Option<Vec<[f32; 3]>>,
}

/// A map that a model made of one picture, such as a level of its pyramid.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureMap {
    /// Its name, and where in the model it is from.
    pub info: MapInfo,
    /// Channels, height, width.
    pub shape: [usize; 3],
    /// The part of the map, down and across, that lies over the picture; the rest, right and below,
    /// over its padding.
    pub coverage: [f32; 2],
    /// Row-major.
    pub values: Vec<f32>,
}

impl FeatureMap {
    pub(crate) fn new(map: HostMap, frame: &Frame) -> Self {
        Self {
            info: map.info,
            shape: map.shape,
            coverage: frame.coverage(),
            values: map.values,
        }
    }

    /// Strength of each cell, `[height, width]` row-major: the Euclidean norm over its channels.
    pub fn strength(&self) -> Vec<f32> {
        strength(&self.values, self.shape)
    }
}

/// The Euclidean norm of each cell over the channels of `[C, H, W]`.
pub(crate) fn strength(values: &[f32], [_, height, width]: [usize; 3]) -> Vec<f32> {
    let mut sum = vec![0.0; height * width];
    for plane in values.chunks_exact((height * width).max(1)) {
        for (sum, value) in sum.iter_mut().zip(plane) {
            *sum += value * value;
        }
    }
    sum.into_iter().map(f32::sqrt).collect()
}
