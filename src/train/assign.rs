//! Which anchors and proposals are to find which objects, and which of them are learnt from.

use rand::seq::SliceRandom;
use rand::{Rng, RngExt};

use crate::boxes::{BBox, Edges};

/// What a box is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// The object of this index.
    Object(usize),
    /// Nothing.
    Background,
    /// Neither; nothing is learnt from it.
    Ignored,
}

/// The overlaps (intersection over union) that decide.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// At least this with an object: it is taken for the one it overlaps most.
    pub foreground: f32,
    /// Less than this with every object: background.
    pub background: f32,
    /// Whether the boxes that overlap an object most are taken for an object however little that is.
    pub best_counts: bool,
}

/// torchvision's `Matcher`. With `best_counts`, every box that overlaps some object as much as the
/// best one does is taken for the object that it itself overlaps most. (One difference: an object that
/// no box overlaps has no best one.)
pub fn assign(
    boxes: &[BBox],
    objects: &[BBox],
    edges: Edges,
    thresholds: Thresholds,
) -> Vec<Match> {
    if objects.is_empty() {
        return vec![Match::Background; boxes.len()];
    }
    // Boxes without area overlap nothing.
    let overlap = |a, b| {
        Some(edges.iou(a, b))
            .filter(|iou| !iou.is_nan())
            .unwrap_or(0.0)
    };
    let mut best_of_object = vec![0.0_f32; objects.len()];
    let best: Vec<(usize, f32)> = boxes
        .iter()
        .map(|&bbox| {
            let mut best = (0, -1.0);
            for (index, &object) in objects.iter().enumerate() {
                let iou = overlap(object, bbox);
                best_of_object[index] = best_of_object[index].max(iou);
                if iou > best.1 {
                    best = (index, iou);
                }
            }
            best
        })
        .collect();
    let is_best = |bbox| {
        let mut objects = objects.iter().zip(&best_of_object);
        objects.any(|(&object, &best)| best > 0.0 && overlap(object, bbox) == best)
    };
    best.into_iter()
        .zip(boxes)
        .map(|((index, iou), &bbox)| match iou {
            iou if iou >= thresholds.foreground => Match::Object(index),
            _ if thresholds.best_counts && is_best(bbox) => Match::Object(index),
            iou if iou < thresholds.background => Match::Background,
            _ => Match::Ignored,
        })
        .collect()
}

/// Indices of the boxes that are learnt from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sampled {
    /// Those taken for an object, with the object's index, in the order of the boxes.
    pub foreground: Vec<(usize, usize)>,
    /// Those taken for background, in the order of the boxes.
    pub background: Vec<usize>,
}

impl Sampled {
    /// All that are taken for something.
    fn of(matches: &[Match]) -> Self {
        let mut sampled = Self::default();
        for (index, found) in matches.iter().enumerate() {
            match *found {
                Match::Object(object) => sampled.foreground.push((index, object)),
                Match::Background => sampled.background.push(index),
                Match::Ignored => {}
            }
        }
        sampled
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.foreground.len() + self.background.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// torchvision's `BalancedPositiveNegativeSampler`: `count` boxes by chance, at most the share
/// `foreground` of them taken for objects, the rest background as far as there is some.
pub fn sample(matches: &[Match], count: usize, foreground: f32, chance: &mut impl Rng) -> Sampled {
    let mut sampled = Sampled::of(matches);
    keep(
        &mut sampled.foreground,
        (count as f32 * foreground) as usize,
        chance,
    );
    let rest = count - sampled.foreground.len();
    keep(&mut sampled.background, rest, chance);
    sampled
}

/// The first Faster R-CNN's way with RoIs, which always gives `count` where there is anything: background is drawn
/// with replacement, and where there is only one kind, all are of that.
pub fn sample_again(
    matches: &[Match],
    count: usize,
    foreground: f32,
    chance: &mut impl Rng,
) -> Sampled {
    let mut sampled = Sampled::of(matches);
    if sampled.background.is_empty() {
        draw(&mut sampled.foreground, count, chance);
        return sampled;
    }
    keep(
        &mut sampled.foreground,
        (count as f32 * foreground).round_ties_even() as usize,
        chance,
    );
    let rest = count - sampled.foreground.len();
    draw(&mut sampled.background, rest, chance);
    sampled
}

/// Draw `count` with replacement; none where there are none.
fn draw<T: Ord + Copy>(items: &mut Vec<T>, count: usize, chance: &mut impl Rng) {
    if items.is_empty() {
        return;
    }
    let mut drawn: Vec<T> = (0..count)
        .map(|_| items[chance.random_range(0..items.len())])
        .collect();
    drawn.sort_unstable();
    *items = drawn;
}

/// Keep `count` by chance, in their order.
fn keep<T: Ord + Clone>(items: &mut Vec<T>, count: usize, chance: &mut impl Rng) {
    if items.len() > count {
        let (kept, _) = items.partial_shuffle(chance, count);
        let mut kept = kept.to_vec();
        kept.sort_unstable();
        *items = kept;
    }
}
