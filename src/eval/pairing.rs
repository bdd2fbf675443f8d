//! What COCO's matching has to know of a picture: how much each detection of a class overlaps each object of it.

use super::keypoints::similarity;
use super::{Found, area, intersection, iou};
use crate::boxes::BBox;
use crate::data::{Keypoints, Object};
use crate::masks::{Rle, RleError};

/// An object, and whether it need be found.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// In square pixels.
    pub area: f64,
    /// Whether any number of detections may be of it.
    pub crowd: bool,
    /// Whether it need not be found, whatever its size.
    pub ignored: bool,
}

impl Wanted {
    fn new(object: &Object) -> Self {
        Self {
            area: object.area.into(),
            crowd: object.crowd,
            ignored: object.crowd || object.difficult,
        }
    }
}

/// A detection.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub score: f32,
    /// In square pixels.
    pub area: f64,
}

/// The objects and detections of one class in one picture.
#[derive(Clone, Debug)]
pub struct Pairing {
    /// In the set's order.
    pub objects: Vec<Wanted>,
    /// Best first.
    pub found: Vec<Seen>,
    /// From 0 to 1, of each detection with each object, detection by detection.
    overlaps: Vec<f64>,
}

impl Pairing {
    /// By boxes; the detections best first.
    pub fn of_boxes(objects: &[Object], found: &[Found]) -> Self {
        let overlaps = found.iter().flat_map(|found| {
            objects.iter().map(|object| match object.crowd {
                true => intersection(found.bbox, object.bbox) / area(found.bbox),
                false => iou(found.bbox, object.bbox),
            })
        });
        Self {
            objects: objects.iter().map(Wanted::new).collect(),
            found: found
                .iter()
                .map(|found| Seen {
                    score: found.score,
                    area: area(found.bbox),
                })
                .collect(),
            overlaps: overlaps.collect(),
        }
    }

    /// By masks; the detections best first.
    ///
    /// # Errors
    /// If the masks are of pictures of different size.
    pub fn of_masks(objects: &[&(Object, Rle)], found: &[&(Found, Rle)]) -> Result<Self, RleError> {
        let overlaps = found.iter().flat_map(|(_, seen)| {
            objects
                .iter()
                .map(move |(object, mask)| match object.crowd {
                    true => seen.part_in(mask),
                    false => seen.iou(mask),
                })
        });
        Ok(Self {
            overlaps: overlaps.collect::<Result<_, _>>()?,
            objects: objects
                .iter()
                .map(|(object, _)| Wanted::new(object))
                .collect(),
            found: found
                .iter()
                .map(|(found, mask)| Seen {
                    score: found.score,
                    area: mask.area() as f64,
                })
                .collect(),
        })
    }

    /// By keypoints; the detections best first. Objects without any need not be found.
    pub fn of_keypoints(
        objects: &[&(Object, Option<Keypoints>)],
        found: &[&(Found, [[f32; 3]; 17])],
    ) -> Self {
        let overlaps = found.iter().flat_map(|(_, seen)| {
            let of = |(object, keypoints): &&(Object, Option<Keypoints>)| {
                similarity(seen, object, keypoints.as_ref())
            };
            objects.iter().map(of)
        });
        Self {
            overlaps: overlaps.collect(),
            objects: objects
                .iter()
                .map(|(object, keypoints)| {
                    let wanted = Wanted::new(object);
                    let is_without = keypoints.as_ref().is_none_or(|known| known.labelled == 0);
                    Wanted {
                        ignored: wanted.ignored || is_without,
                        ..wanted
                    }
                })
                .collect(),
            found: found
                .iter()
                .map(|(found, keypoints)| Seen {
                    score: found.score,
                    area: area(extent(keypoints)),
                })
                .collect(),
        }
    }

    /// Whether there is neither an object nor a detection.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.found.is_empty()
    }

    /// How much a detection overlaps an object, by their numbers.
    pub fn overlap(&self, found: usize, object: usize) -> f64 {
        self.overlaps[found * self.objects.len() + object]
    }
}

/// The smallest box around keypoints.
fn extent(keypoints: &[[f32; 3]]) -> BBox {
    let none = [
        f32::INFINITY,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NEG_INFINITY,
    ];
    keypoints.iter().fold(none, |[x1, y1, x2, y2], &[x, y, _]| {
        [x1.min(x), y1.min(y), x2.max(x), y2.max(y)]
    })
}
