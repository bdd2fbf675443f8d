//! How well a detector finds what is there.

mod coco;
mod voc;

use serde::Serialize;

use crate::boxes::BBox;
use crate::data::Object;

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

/// What is there and what was found, picture by picture.
#[derive(Clone, Debug)]
pub struct Evaluation {
    class_names: Vec<String>,
    pictures: Vec<(Vec<Object>, Vec<Found>)>,
}

/// All figures, each from 0 to 1; none where there is nothing that they could be of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Metrics {
    /// COCO's AP: the mean over classes and over overlaps of 0.50, 0.55, …, 0.95.
    pub ap: Option<f64>,
    /// AP at an overlap of 0.5.
    pub ap50: Option<f64>,
    /// AP at an overlap of 0.75.
    pub ap75: Option<f64>,
    /// AP of objects up to 32² square pixels.
    pub ap_small: Option<f64>,
    /// AP of objects from 32² to 96² square pixels.
    pub ap_medium: Option<f64>,
    /// AP of objects from 96² square pixels.
    pub ap_large: Option<f64>,
    /// Mean recall over classes and overlaps with at most 100 detections a picture and class.
    pub ar100: Option<f64>,
    /// Pascal VOC's AP at an overlap of 0.5, the mean over classes.
    pub voc_ap50: Option<f64>,
    /// The same for each class.
    pub classes: Vec<ClassMetrics>,
}

/// The figures of one class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassMetrics {
    /// Its name.
    pub name: String,
    /// Objects of it, crowds and difficult ones left out.
    pub objects: usize,
    /// COCO's AP.
    pub ap: Option<f64>,
    /// AP at an overlap of 0.5.
    pub ap50: Option<f64>,
    /// Pascal VOC's AP at an overlap of 0.5.
    pub voc_ap50: Option<f64>,
}

impl Evaluation {
    /// Of detections of these classes, the background's name first.
    pub fn new(class_names: &[String]) -> Self {
        Self {
            class_names: class_names.to_vec(),
            pictures: Vec::new(),
        }
    }

    /// A picture: its objects, and what was found in it.
    pub fn add(&mut self, objects: Vec<Object>, found: Vec<Found>) {
        self.pictures.push((objects, found));
    }

    /// The figures over all pictures so far.
    pub fn metrics(&self) -> Metrics {
        let labels = 1..self.class_names.len();
        let (curves, voc): (Vec<coco::Curves>, Vec<Option<f64>>) = labels
            .clone()
            .map(|label| {
                let pictures = self.of_class(label);
                let curves = coco::Curves::of(&pictures);
                (curves, voc::average_precision(&pictures))
            })
            .unzip();
        let mean_of = |figure: fn(&coco::Curves) -> Option<f64>| mean(curves.iter().map(figure));
        Metrics {
            ap: mean_of(|curves| curves.ap(coco::Size::All)),
            ap50: mean_of(|curves| curves.ap_at(0)),
            ap75: mean_of(|curves| curves.ap_at(5)),
            ap_small: mean_of(|curves| curves.ap(coco::Size::Small)),
            ap_medium: mean_of(|curves| curves.ap(coco::Size::Medium)),
            ap_large: mean_of(|curves| curves.ap(coco::Size::Large)),
            ar100: mean_of(coco::Curves::recall),
            voc_ap50: mean(voc.iter().copied()),
            classes: labels
                .zip(curves.iter().zip(&voc))
                .map(|(label, (curves, &voc_ap50))| ClassMetrics {
                    name: self.class_names[label].clone(),
                    objects: self.count(label),
                    ap: curves.ap(coco::Size::All),
                    ap50: curves.ap_at(0),
                    voc_ap50,
                })
                .collect(),
        }
    }

    fn count(&self, label: usize) -> usize {
        let objects = self.pictures.iter().flat_map(|(objects, _)| objects);
        objects
            .filter(|object| object.label == label && !object.crowd && !object.difficult)
            .count()
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
                found.sort_by(|a, b| b.score.total_cmp(&a.score));
                (objects.copied().collect(), found)
            })
            .collect()
    }
}

/// The mean of those there are.
fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let values: Vec<f64> = values.flatten().collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
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
