//! What COCO's annotations have beyond boxes: segmentations and keypoints. They stay in the file until somebody asks
//! for one.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::super::{DataError, Keypoints};
use crate::masks::{Rle, RleFields};

/// The segmentations and keypoints of a file's annotations.
#[derive(Debug)]
pub struct Shapes {
    file: PathBuf,
    /// By the annotation's id.
    read: OnceLock<Result<HashMap<u64, Annotation>, String>>,
}

#[derive(Debug, Deserialize)]
struct Annotations {
    annotations: Vec<Annotation>,
}

#[derive(Debug, Deserialize)]
struct Annotation {
    id: u64,
    segmentation: Option<Segmentation>,
    keypoints: Option<Numbers>,
    num_keypoints: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Segmentation {
    Polygons(Vec<Vec<f64>>),
    Runs(RleFields),
    Other(IgnoredAny),
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Numbers {
    Numbers(Vec<f32>),
    Other(IgnoredAny),
}

impl Shapes {
    /// Those of `file`, which is read when the first is asked for.
    pub fn of(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            read: OnceLock::new(),
        }
    }

    /// The mask of an annotation, in a picture of `size` (height, width) pixels.
    ///
    /// # Errors
    /// If it has none, or a broken one, or the file cannot be read.
    pub fn mask(&self, id: u64, size: [usize; 2]) -> Result<Rle, DataError> {
        let segmentation = &self.annotation(id)?.segmentation;
        let mask = match segmentation {
            Some(Segmentation::Polygons(polygons)) if !polygons.is_empty() => {
                Rle::from_polygons(size, polygons)
            }
            Some(Segmentation::Runs(fields)) => fields.mask(),
            Some(Segmentation::Other(_)) => {
                return Err(self.error(id, "has a segmentation that is neither polygons nor runs"));
            }
            _ => return Err(self.error(id, "has no segmentation, but others have")),
        };
        let mask = mask.map_err(|error| self.error(id, format_args!("has a mask that {error}")))?;
        match mask.size() == size {
            true => Ok(mask),
            false => {
                let [found, expected] =
                    [mask.size(), size].map(|[height, width]| format!("{width} × {height}"));
                let problem =
                    format_args!("has a mask of {found} pixels in a picture of {expected}");
                Err(self.error(id, problem))
            }
        }
    }

    /// The keypoints of an annotation, if it has any.
    ///
    /// # Errors
    /// If they are broken, or the file cannot be read.
    pub fn keypoints(&self, id: u64) -> Result<Option<Keypoints>, DataError> {
        let annotation = self.annotation(id)?;
        let numbers = match &annotation.keypoints {
            None => return Ok(None),
            Some(Numbers::Other(_)) => {
                return Err(self.error(id, "has keypoints that are no list of numbers"));
            }
            Some(Numbers::Numbers(numbers)) => numbers,
        };
        if numbers.is_empty() {
            return Ok(None);
        }
        let points: Result<[[f32; 3]; 17], _> = match numbers.as_chunks() {
            (points, []) => points.try_into().map_err(|_| ()),
            _ => Err(()),
        };
        let points = points.ok().filter(|points| {
            points
                .as_flattened()
                .iter()
                .all(|number| number.is_finite())
        });
        let Some(points) = points else {
            let numbers = numbers.len();
            return Err(self.error(
                id,
                format_args!(
                    "has keypoints of {numbers} numbers, expected 17 times x, y and visibility"
                ),
            ));
        };
        let labelled = points.iter().filter(|[_, _, visibility]| *visibility > 0.0);
        Ok(Some(Keypoints {
            labelled: annotation.num_keypoints.unwrap_or(labelled.count()),
            points,
        }))
    }

    fn annotation(&self, id: u64) -> Result<&Annotation, DataError> {
        let annotations = self.read.get_or_init(|| {
            let text = std::fs::read_to_string(&self.file)
                .map_err(|error| format!("cannot be read: {error}"))?;
            let read: Annotations = serde_json::from_str(&text)
                .map_err(|error| format!("holds no segmentations or keypoints: {error}"))?;
            let annotations = read.annotations.into_iter();
            Ok(annotations
                .map(|annotation| (annotation.id, annotation))
                .collect())
        });
        let annotations = annotations
            .as_ref()
            .map_err(|problem| DataError(format!("{} {problem}", self.file.display())))?;
        annotations
            .get(&id)
            .ok_or_else(|| self.error(id, "is there no longer"))
    }

    fn error(&self, id: u64, problem: impl fmt::Display) -> DataError {
        DataError(format!(
            "{}: annotation {id} {problem}",
            self.file.display()
        ))
    }
}
