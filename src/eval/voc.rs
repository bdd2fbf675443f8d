//! Pascal VOC's average precision (Everingham et al., 2010,
//! <https://doi.org/10.1007/s11263-009-0275-4>) as its development kit has computed it since 2010: the
//! area under the whole curve.

use super::{Found, iou};
use crate::data::Object;

/// Least overlap of a detection with its object.
const OVERLAP: f64 = 0.5;

/// The average precision of one class, of each picture's objects and detections; none if there are no
/// objects but difficult ones. A detection is matched with the object that it overlaps most: if that is
/// taken, the detection is wrong; if it is difficult or a crowd, the detection does not count.
pub fn average_precision(pictures: &[(Vec<Object>, Vec<Found>)]) -> Option<f64> {
    let is_asked = |object: &Object| !object.difficult && !object.crowd;
    let objects = pictures.iter().flat_map(|(objects, _)| objects);
    let asked = objects.filter(|object| is_asked(object)).count();
    if asked == 0 {
        return None;
    }
    let mut all: Vec<(usize, Found)> = pictures
        .iter()
        .enumerate()
        .flat_map(|(picture, (_, found))| found.iter().map(move |found| (picture, *found)))
        .collect();
    all.sort_by(|(_, a), (_, b)| b.score.total_cmp(&a.score));
    let mut is_taken: Vec<Vec<bool>> = pictures
        .iter()
        .map(|(objects, _)| vec![false; objects.len()])
        .collect();
    let (mut hits, mut counted) = (0, 0);
    let mut curve = Vec::new();
    for (picture, found) in all {
        let mut best: Option<(usize, f64)> = None;
        for (index, object) in pictures[picture].0.iter().enumerate() {
            let overlap = iou(found.bbox, object.bbox);
            if best.is_none_or(|(_, most)| overlap > most) {
                best = Some((index, overlap));
            }
        }
        let matched = best.filter(|&(_, overlap)| overlap >= OVERLAP);
        if let Some((index, _)) = matched {
            if !is_asked(&pictures[picture].0[index]) {
                continue;
            }
            let is_free = !std::mem::replace(&mut is_taken[picture][index], true);
            hits += usize::from(is_free);
        }
        counted += 1;
        curve.push((hits as f64 / asked as f64, hits as f64 / counted as f64));
    }
    let mut area = 0.0;
    let mut best_precision: f64 = 0.0;
    for index in (0..curve.len()).rev() {
        let (recall, precision) = curve[index];
        let before = match index {
            0 => 0.0,
            _ => curve[index - 1].0,
        };
        best_precision = best_precision.max(precision);
        area += (recall - before) * best_precision;
    }
    Some(area)
}
