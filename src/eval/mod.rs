//! How well a detector does: average precision as COCO and as Pascal VOC measure it.
//!
//! COCO's figures are those of pycocotools 2.0 (`COCOeval`, `iouType="bbox"`), to the order in which
//! equal scores and equal overlaps are taken; VOC's those of the development kit of 2010 and later
//! (`VOCevaldet.m`), on boxes without its "+ 1". All is computed in f64.

mod coco;
mod curve;
mod metrics;
mod overlap;
mod voc;

pub use metrics::{ClassMetrics, Metrics};

use crate::Detection;
use crate::data::Object;
use crate::ops::boxes::BBox;

/// A detection, as far as it is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoredBox {
    /// Where, in pixels of the picture.
    pub bbox: BBox,
    /// An index into the set's class names, 0 being the background's.
    pub label: usize,
    /// How sure; only the order of scores matters.
    pub score: f32,
}

impl From<&Detection> for ScoredBox {
    fn from(detection: &Detection) -> Self {
        Self {
            bbox: detection.bbox,
            label: detection.label,
            score: detection.score,
        }
    }
}

/// Gathers what was found in each picture of a set, then tells how good that is.
///
/// Crowds and difficult objects need not be found. A detection that can be matched only with one of
/// them counts neither way: with a difficult object one does, with a crowd any number. (pycocotools
/// knows crowds only; difficult objects are treated here as its objects outside an area range are.)
///
/// ```
/// use fpn_wgpu::data::Object;
/// use fpn_wgpu::eval::{Evaluation, ScoredBox};
///
/// let names = ["background", "cat"].map(str::to_owned);
/// let bbox = [10.0, 10.0, 50.0, 40.0];
/// let cat = Object { bbox, label: 1, area: 1200.0, crowd: false, difficult: false };
/// let found = ScoredBox { bbox, label: 1, score: 0.9 };
///
/// let mut evaluation = Evaluation::new(&names);
/// evaluation.add(&[cat], &[found]);
/// assert_eq!(evaluation.metrics().ap, Some(1.0));
/// ```
#[derive(Clone, Debug)]
pub struct Evaluation {
    classes: Vec<Class>,
}

/// What is known of one class.
#[derive(Clone, Debug)]
struct Class {
    name: String,
    coco: coco::Tally,
    voc: voc::Tally,
}

impl Evaluation {
    /// Nothing found yet; `class_names` begin with the background's.
    pub fn new(class_names: &[String]) -> Self {
        let class = |name: &String| Class {
            name: name.clone(),
            coco: coco::Tally::default(),
            voc: voc::Tally::default(),
        };
        Self {
            classes: class_names.iter().skip(1).map(class).collect(),
        }
    }

    /// One more picture: what is in it, and what was found. Labels beyond the class names, and the
    /// background's, do not count.
    ///
    /// Of equal scores the earlier detection is taken first, in a picture and over all pictures.
    pub fn add(&mut self, objects: &[Object], found: &[ScoredBox]) {
        for (class, label) in self.classes.iter_mut().zip(1..) {
            let objects: Vec<&Object> = objects.iter().filter(|o| o.label == label).collect();
            let mut found: Vec<&ScoredBox> = found.iter().filter(|f| f.label == label).collect();
            found.sort_by(|a, b| b.score.total_cmp(&a.score));
            class.coco.add(&objects, &found);
            class.voc.add(&objects, &found);
        }
    }

    /// The figures over all pictures so far.
    pub fn metrics(&self) -> Metrics {
        Metrics::new(self.classes.iter().map(Class::metrics).collect())
    }
}

impl Class {
    fn metrics(&self) -> ClassMetrics {
        ClassMetrics::new(&self.name, &self.coco, &self.voc)
    }
}
