//! Detections of one class as Pascal VOC counts them: `VOCevaldet.m` and `VOCap.m` of the
//! development kit of 2010 and later.

use super::ScoredBox;
use super::curve::{Outcome, curve};
use super::overlap::overlap;
use crate::data::Object;

/// The least overlap of a match; itself enough, as in the kit (detectron2 and py-faster-rcnn ask for
/// more than that).
const THRESHOLD: f64 = 0.5;

/// What has been counted of one class.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Objects that are asked for.
    positives: usize,
    /// Picture after picture.
    counted: Vec<(f32, Outcome)>,
}

impl Tally {
    /// The objects and detections of this class in one more picture; detections best first.
    ///
    /// A detection belongs to the object that it overlaps most, the first among equals, whether that
    /// was found before or not. VOC has no crowds: here a detection in one counts neither way if it
    /// would be wrong otherwise.
    pub fn add(&mut self, objects: &[&Object], found: &[&ScoredBox]) {
        let (crowds, single): (Vec<&Object>, Vec<&Object>) =
            objects.iter().copied().partition(|object| object.crowd);
        self.positives += single.iter().filter(|object| !object.difficult).count();
        let mut taken = vec![false; single.len()];
        for found in found {
            let reaches = |object: &Object| overlap(found.bbox, object) >= THRESHOLD;
            let mut best: Option<(usize, f64)> = None;
            for (index, object) in single.iter().enumerate() {
                let overlap = overlap(found.bbox, object);
                if overlap >= THRESHOLD && best.is_none_or(|(_, most)| overlap > most) {
                    best = Some((index, overlap));
                }
            }
            let outcome = match best {
                Some((index, _)) if single[index].difficult => Outcome::Ignored,
                Some((index, _)) if !std::mem::replace(&mut taken[index], true) => Outcome::True,
                _ if crowds.iter().any(|crowd| reaches(crowd)) => Outcome::Ignored,
                _ => Outcome::False,
            };
            self.counted.push((found.score, outcome));
        }
    }

    /// The area under the curve, every point of it taken; none where there are no objects.
    pub fn average_precision(&self) -> Option<f64> {
        if self.positives == 0 {
            return None;
        }
        let mut counted: Vec<&(f32, Outcome)> = self.counted.iter().collect();
        counted.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        let points = curve(counted.iter().map(|(_, outcome)| *outcome), self.positives);
        let mut reached = 0.0;
        let steps = points.iter().map(|point| {
            let step = point.recall - reached;
            reached = point.recall;
            step * point.precision
        });
        Some(steps.sum())
    }
}
