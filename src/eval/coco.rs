//! Detections of one class as COCO counts them: `COCOeval.evaluateImg` and `accumulate`.

use super::ScoredBox;
use super::curve::{Outcome, curve};
use super::overlap::{area, overlap};
use crate::data::Object;

/// Overlaps that are asked for: 0.50, 0.55 … 0.95.
const THRESHOLDS: usize = 10;

/// Detections of a class in one picture that are looked at (`maxDets`).
const LIMIT: usize = 100;

/// Recalls at which precision is read: 0.00, 0.01 … 1.00.
const RECALLS: usize = 101;

/// Which objects are asked for, by their area.
#[derive(Clone, Copy)]
pub enum Size {
    All,
    Small,
    Medium,
    Large,
}

impl Size {
    const ALL: [Self; 4] = [Self::All, Self::Small, Self::Medium, Self::Large];

    /// In square pixels. An object on a border belongs to both sides.
    fn contains(self, area: f64) -> bool {
        let (low, high) = match self {
            Self::All => (0.0, 1e5),
            Self::Small => (0.0, 32.0),
            Self::Medium => (32.0, 96.0),
            Self::Large => (96.0, 1e5),
        };
        (low * low..=high * high).contains(&area)
    }
}

/// What has been counted of one class, for each [`Size`].
#[derive(Clone, Debug, Default)]
pub struct Tally([SizeTally; Size::ALL.len()]);

#[derive(Clone, Debug, Default)]
struct SizeTally {
    /// Objects that are asked for.
    positives: usize,
    /// Picture after picture.
    counted: Vec<Counted>,
}

/// A detection and what it counts as, for each threshold.
#[derive(Clone, Debug)]
struct Counted {
    score: f32,
    outcomes: [Outcome; THRESHOLDS],
}

/// Average precision and recall at each threshold.
pub struct Averages {
    pub precision: [f64; THRESHOLDS],
    pub recall: [f64; THRESHOLDS],
}

impl Averages {
    /// AP: over all thresholds.
    pub fn ap(&self) -> f64 {
        mean(&self.precision)
    }

    /// AP at overlap 0.50.
    pub fn ap50(&self) -> f64 {
        self.precision[0]
    }

    /// AP at overlap 0.75.
    pub fn ap75(&self) -> f64 {
        self.precision[5]
    }

    /// AR with at most 100 detections of a class in a picture.
    pub fn ar(&self) -> f64 {
        mean(&self.recall)
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

impl Tally {
    /// The objects and detections of this class in one more picture; detections best first.
    pub fn add(&mut self, objects: &[&Object], found: &[&ScoredBox]) {
        let found = &found[..found.len().min(LIMIT)];
        for (size, tally) in Size::ALL.into_iter().zip(&mut self.0) {
            let truths = Truths::new(objects, found, size);
            tally.positives += truths.asked;
            let outcomes =
                (0..THRESHOLDS).map(|index| truths.outcomes(found, threshold(index), size));
            let outcomes: Vec<Vec<Outcome>> = outcomes.collect();
            let counted = found.iter().enumerate().map(|(index, found)| Counted {
                score: found.score,
                outcomes: std::array::from_fn(|threshold| outcomes[threshold][index]),
            });
            tally.counted.extend(counted);
        }
    }

    /// Objects that are asked for, of any size.
    pub fn positives(&self) -> usize {
        self.0[Size::All as usize].positives
    }

    /// None where there are no objects of this size.
    pub fn averages(&self, size: Size) -> Option<Averages> {
        let SizeTally { positives, counted } = &self.0[size as usize];
        if *positives == 0 {
            return None;
        }
        let mut counted: Vec<&Counted> = counted.iter().collect();
        counted.sort_by(|a, b| b.score.total_cmp(&a.score));
        let curves = std::array::from_fn::<_, THRESHOLDS, _>(|threshold| {
            let outcomes = counted.iter().map(|counted| counted.outcomes[threshold]);
            curve(outcomes, *positives)
        });
        Some(Averages {
            precision: curves.each_ref().map(|points| {
                let read = |recall| {
                    let reached = points.partition_point(|point| point.recall < recall);
                    points.get(reached).map_or(0.0, |point| point.precision)
                };
                mean(&std::array::from_fn::<_, RECALLS, _>(|index| {
                    read(recall(index))
                }))
            }),
            recall: curves.map(|points| points.last().map_or(0.0, |last| last.recall)),
        })
    }
}

/// numpy's `linspace(0.5, 0.95, 10)`.
fn threshold(index: usize) -> f64 {
    match index + 1 {
        THRESHOLDS => 0.95,
        _ => 0.5 + index as f64 * ((0.95 - 0.5) / (THRESHOLDS - 1) as f64),
    }
}

/// numpy's `linspace(0, 1, 101)`.
fn recall(index: usize) -> f64 {
    match index + 1 {
        RECALLS => 1.0,
        _ => index as f64 * (1.0 / (RECALLS - 1) as f64),
    }
}

/// The objects in a picture, those that are asked for first.
struct Truths<'a> {
    objects: Vec<&'a Object>,
    /// How many are asked for.
    asked: usize,
    /// Of each detection with each object.
    overlaps: Vec<Vec<f64>>,
}

impl<'a> Truths<'a> {
    fn new(objects: &[&'a Object], found: &[&ScoredBox], size: Size) -> Self {
        let (asked, others): (Vec<&Object>, Vec<&Object>) =
            objects.iter().copied().partition(|object| {
                !object.crowd && !object.difficult && size.contains(f64::from(object.area))
            });
        let count = asked.len();
        let objects = [asked, others].concat();
        let overlaps = |found: &&ScoredBox| {
            let overlaps = objects.iter().map(|object| overlap(found.bbox, object));
            overlaps.collect()
        };
        Self {
            asked: count,
            overlaps: found.iter().map(overlaps).collect(),
            objects,
        }
    }

    /// What each of the detections in this picture counts as at a threshold.
    fn outcomes(&self, found: &[&ScoredBox], threshold: f64, size: Size) -> Vec<Outcome> {
        let mut taken = vec![false; self.objects.len()];
        let outcome = |(found, overlaps): (&&ScoredBox, &Vec<f64>)| match self
            .best_match(overlaps, &taken, threshold)
        {
            Some(index) => {
                taken[index] = true;
                match index < self.asked {
                    true => Outcome::True,
                    false => Outcome::Ignored,
                }
            }
            None if size.contains(area(found.bbox)) => Outcome::False,
            None => Outcome::Ignored,
        };
        found.iter().zip(&self.overlaps).map(outcome).collect()
    }

    /// The object that a detection with these overlaps is matched with: any that is asked for goes
    /// before one that is not, then the largest overlap decides, and among equals the last.
    fn best_match(&self, overlaps: &[f64], taken: &[bool], threshold: f64) -> Option<usize> {
        let mut least = threshold.min(1.0 - 1e-10);
        let mut best = None;
        for (index, object) in self.objects.iter().enumerate() {
            if best.is_some() && index == self.asked {
                break;
            }
            let free = object.crowd || !taken[index];
            if free && overlaps[index] >= least {
                least = overlaps[index];
                best = Some(index);
            }
        }
        best
    }
}
