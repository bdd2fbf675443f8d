//! How well a detector finds what is there.

mod coco;
mod keypoints;
mod metrics;
mod pairing;
mod voc;

pub use metrics::{ClassMetrics, Metrics, ShapeClassMetrics, ShapeMetrics};

use crate::boxes::BBox;
use crate::data::{Keypoints, Object};
use crate::masks::{Rle, RleError};
use coco::Curves;
use pairing::Pairing;

/// Most detections of a picture and class that COCO looks at, by boxes and by masks.
const MOST_FOUND: usize = 100;
/// The same by keypoints.
const MOST_PEOPLE: usize = 20;

/// A box that a detector found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// In pixels of the picture.
    pub bbox: BBox,
    /// 0 to 1.
    pub score: f32,
    /// Index into the class names, 1 or more.
    pub label: usize,
}

/// What is there and what was found, picture by picture: by boxes, and where there are any, by masks and by
/// keypoints.
#[derive(Clone, Debug)]
pub struct Evaluation {
    class_names: Vec<String>,
    pictures: Vec<(Vec<Object>, Vec<Found>)>,
    masks: Option<Pairings>,
    keypoints: Option<Pairings>,
}

/// Of each class, the background left out, those pictures that have anything of it.
type Pairings = Vec<Vec<Pairing>>;

impl Evaluation {
    /// Of detections of these classes, the background's name first.
    pub fn new(class_names: &[String]) -> Self {
        Self {
            class_names: class_names.to_vec(),
            pictures: Vec::new(),
            masks: None,
            keypoints: None,
        }
    }

    /// A picture: its objects, and what was found in it.
    pub fn add(&mut self, objects: Vec<Object>, found: Vec<Found>) {
        self.pictures.push((objects, found));
    }

    /// The same picture's masks: those of its objects, and those found.
    ///
    /// # Errors
    /// If they are of pictures of different size.
    pub fn add_masks(
        &mut self,
        objects: &[(Object, Rle)],
        found: &[(Found, Rle)],
    ) -> Result<(), RleError> {
        let pairings = self.labels().map(|label| {
            let objects: Vec<_> = objects.iter().filter(|(o, _)| o.label == label).collect();
            let mut found: Vec<_> = found.iter().filter(|(f, _)| f.label == label).collect();
            best_first(&mut found, |(found, _)| found.score, MOST_FOUND);
            Pairing::of_masks(&objects, &found)
        });
        let pairings: Vec<Pairing> = pairings.collect::<Result<_, _>>()?;
        collect(pairings, &mut self.masks);
        Ok(())
    }

    /// The same picture's keypoints: those of its objects, where they have any, and those found; a person's, as
    /// COCO has them.
    pub fn add_keypoints(
        &mut self,
        objects: &[(Object, Option<Keypoints>)],
        found: &[(Found, [[f32; 3]; 17])],
    ) {
        let pairings = self.labels().map(|label| {
            let objects: Vec<_> = objects.iter().filter(|(o, _)| o.label == label).collect();
            let mut found: Vec<_> = found.iter().filter(|(f, _)| f.label == label).collect();
            best_first(&mut found, |(found, _)| found.score, MOST_PEOPLE);
            Pairing::of_keypoints(&objects, &found)
        });
        let pairings = pairings.collect();
        collect(pairings, &mut self.keypoints);
    }

    /// The figures over all pictures so far.
    pub fn metrics(&self) -> Metrics {
        let names = self.class_names.get(1..).unwrap_or_default();
        let (curves, voc): (Vec<Curves>, Vec<Option<f64>>) = self
            .labels()
            .map(|label| {
                let pictures = self.of_class(label);
                let pairings = pictures.iter().map(|(objects, found)| {
                    let found = &found[..found.len().min(MOST_FOUND)];
                    Pairing::of_boxes(objects, found)
                });
                let curves = Curves::of(&pairings.collect::<Vec<_>>());
                (curves, voc::average_precision(&pictures))
            })
            .unzip();
        let by_shapes = |pairings: &Pairings| {
            let curves: Vec<Curves> = pairings.iter().map(|class| Curves::of(class)).collect();
            ShapeMetrics::of(names, &curves)
        };
        Metrics {
            segm: self.masks.as_ref().map(by_shapes),
            keypoints: self.keypoints.as_ref().map(|pairings| ShapeMetrics {
                ap_small: None,
                ..by_shapes(pairings)
            }),
            ..Metrics::by_boxes(names, &curves, &voc)
        }
    }

    fn labels(&self) -> std::ops::Range<usize> {
        1..self.class_names.len()
    }

    /// Each picture's objects and detections of one class, the detections best first, ties in their
    /// order.
    fn of_class(&self, label: usize) -> Vec<(Vec<Object>, Vec<Found>)> {
        self.pictures
            .iter()
            .map(|(objects, found)| {
                let objects = objects.iter().filter(|object| object.label == label);
                let found = found.iter().filter(|found| found.label == label);
                let mut found: Vec<Found> = found.copied().collect();
                best_first(&mut found, |found| found.score, usize::MAX);
                (objects.copied().collect(), found)
            })
            .collect()
    }
}

/// The best ones, ties in their order.
fn best_first<T>(found: &mut Vec<T>, score: impl Fn(&T) -> f32, most: usize) {
    found.sort_by(|a, b| score(b).total_cmp(&score(a)));
    found.truncate(most);
}

/// Add a picture's, class by class.
fn collect(picture: Vec<Pairing>, all: &mut Option<Pairings>) {
    let all = all.get_or_insert_with(|| vec![Vec::new(); picture.len()]);
    for (class, pairing) in all.iter_mut().zip(picture) {
        if !pairing.is_empty() {
            class.push(pairing);
        }
    }
}

/// Intersection of two boxes in square pixels.
fn intersection(a: BBox, b: BBox) -> f64 {
    let [a, b] = [a, b].map(|bbox| bbox.map(f64::from));
    let width = a[2].min(b[2]) - a[0].max(b[0]);
    let height = a[3].min(b[3]) - a[1].max(b[1]);
    width.max(0.0) * height.max(0.0)
}

fn area(bbox: BBox) -> f64 {
    let [x1, y1, x2, y2] = bbox.map(f64::from);
    (x2 - x1) * (y2 - y1)
}

/// Intersection over union; 0 of boxes without area, as in pycocotools.
fn iou(a: BBox, b: BBox) -> f64 {
    let shared = intersection(a, b);
    match shared > 0.0 {
        true => shared / (area(a) + area(b) - shared),
        false => 0.0,
    }
}
