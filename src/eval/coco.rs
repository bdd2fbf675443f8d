//! COCO's average precision and recall (Lin et al., 2014, <https://arxiv.org/abs/1405.0312>), decision
//! for decision as pycocotools' `COCOeval` takes them. It knows no difficult objects: here they are treated
//! as its objects of another size are.

use super::pairing::{Pairing, Wanted};

/// Overlaps that are asked for: 0.50, 0.55, …, 0.95.
const OVERLAPS: usize = 10;
/// Recalls at which precision is read: 0.00, 0.01, …, 1.00.
const RECALLS: usize = 101;
/// Which objects are asked for.
#[derive(Clone, Copy, Debug)]
pub enum Size {
    All,
    Small,
    Medium,
    Large,
}

impl Size {
    const ALL: [Self; 4] = [Self::All, Self::Small, Self::Medium, Self::Large];

    /// Least and greatest area in square pixels, both included.
    fn range(self) -> [f64; 2] {
        let (small, medium, all) = (32.0 * 32.0, 96.0 * 96.0, 1e10);
        match self {
            Self::All => [0.0, all],
            Self::Small => [0.0, small],
            Self::Medium => [small, medium],
            Self::Large => [medium, all],
        }
    }

    fn excludes(self, area: f64) -> bool {
        let [least, greatest] = self.range();
        area < least || area > greatest
    }

    fn asks_for(self, object: &Wanted) -> bool {
        !object.ignored && !self.excludes(object.area)
    }
}

/// numpy's `linspace`.
fn linspace(start: f64, stop: f64, count: usize, index: usize) -> f64 {
    match index + 1 == count {
        true => stop,
        false => start + index as f64 * ((stop - start) / (count - 1) as f64),
    }
}

/// The precision at each of the recalls, and the greatest recall.
type Curve = ([f64; RECALLS], f64);

/// Precision and recall of one class.
pub struct Curves {
    objects: usize,
    /// For each [`Size`] that has objects, a curve for each overlap.
    sizes: [Option<Vec<Curve>>; 4],
}

impl Curves {
    /// Of all pictures.
    pub fn of(pictures: &[Pairing]) -> Self {
        let objects = pictures.iter().flat_map(|picture| &picture.objects);
        let sizes = Size::ALL.map(|size| {
            let overlaps = (0..OVERLAPS).map(|index| {
                let threshold = linspace(0.5, 0.95, OVERLAPS, index);
                curve(pictures, size, threshold)
            });
            overlaps.collect()
        });
        Self {
            objects: objects.filter(|object| !object.ignored).count(),
            sizes,
        }
    }

    /// Objects that are asked for.
    pub fn objects(&self) -> usize {
        self.objects
    }

    /// Mean over overlaps and recalls.
    pub fn ap(&self, size: Size) -> Option<f64> {
        let curves = self.sizes[size as usize].as_ref()?;
        let precisions = curves.iter().flat_map(|(precisions, _)| precisions);
        Some(precisions.sum::<f64>() / (OVERLAPS * RECALLS) as f64)
    }

    /// Mean over recalls at an overlap, by its index.
    pub fn ap_at(&self, overlap: usize) -> Option<f64> {
        let curves = self.sizes[Size::All as usize].as_ref()?;
        Some(curves[overlap].0.iter().sum::<f64>() / RECALLS as f64)
    }

    /// Mean over overlaps of the greatest recall.
    pub fn recall(&self) -> Option<f64> {
        let curves = self.sizes[Size::All as usize].as_ref()?;
        Some(curves.iter().map(|(_, recall)| recall).sum::<f64>() / OVERLAPS as f64)
    }
}

/// A detection that counts.
struct Judged {
    score: f32,
    is_true: bool,
}

/// The curve at one overlap; none if no object is asked for.
fn curve(pictures: &[Pairing], size: Size, threshold: f64) -> Option<Curve> {
    let mut judged = Vec::new();
    let mut asked = 0;
    for picture in pictures {
        let objects = picture.objects.iter();
        asked += objects.filter(|object| size.asks_for(object)).count();
        judge(picture, size, threshold, &mut judged);
    }
    if asked == 0 {
        return None;
    }
    judged.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut recalls = Vec::with_capacity(judged.len());
    let mut precisions = Vec::with_capacity(judged.len());
    let mut hits = 0;
    for (index, judged) in judged.iter().enumerate() {
        hits += usize::from(judged.is_true);
        recalls.push(hits as f64 / asked as f64);
        precisions.push(hits as f64 / ((index + 1) as f64 + f64::EPSILON));
    }
    // The best precision at this recall or a greater one.
    for index in (1..precisions.len()).rev() {
        precisions[index - 1] = precisions[index].max(precisions[index - 1]);
    }
    let at_recall = |index: usize| {
        let wanted = linspace(0.0, 1.0, RECALLS, index);
        let place = recalls.partition_point(|&recall| recall < wanted);
        precisions.get(place).copied().unwrap_or(0.0)
    };
    let greatest = recalls.last().copied().unwrap_or(0.0);
    Some((std::array::from_fn(at_recall), greatest))
}

/// Match a picture's detections, best first, each with the object that it overlaps most of those not
/// taken. Objects that are not asked for come last, and what matches them does not count.
fn judge(picture: &Pairing, size: Size, threshold: f64, judged: &mut Vec<Judged>) {
    let objects = &picture.objects;
    let is_ignored = |index: usize| !size.asks_for(&objects[index]);
    let mut order: Vec<usize> = (0..objects.len()).collect();
    order.sort_by_key(|&index| is_ignored(index));
    let mut is_taken = vec![false; objects.len()];
    for (number, found) in picture.found.iter().enumerate() {
        let mut best: Option<usize> = None;
        let mut most = threshold.min(1.0 - 1e-10);
        for &index in &order {
            if is_taken[index] && !objects[index].crowd {
                continue;
            }
            // Once there is one that is asked for, the others no longer matter.
            if is_ignored(index) && best.is_some_and(|best| !is_ignored(best)) {
                break;
            }
            let overlap = picture.overlap(number, index);
            if overlap >= most {
                most = overlap;
                best = Some(index);
            }
        }
        let counts_not = match best {
            Some(best) => {
                is_taken[best] = true;
                is_ignored(best)
            }
            None => size.excludes(found.area),
        };
        if !counts_not {
            judged.push(Judged {
                score: found.score,
                is_true: best.is_some(),
            });
        }
    }
}
