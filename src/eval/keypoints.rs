//! COCO's object keypoint similarity (<https://cocodataset.org/#keypoints-eval>), as pycocotools computes it.

use crate::data::{Keypoints, Object};
use crate::models::COCO_SIGMAS;

/// How alike found keypoints and those of an object are, from 0 to 1: the mean over those that are labelled. Where
/// none is, all are asked to lie near the object's box: within three times its sides, no distance counts.
pub fn similarity(found: &[[f32; 3]; 17], object: &Object, keypoints: Option<&Keypoints>) -> f64 {
    let [x1, y1, x2, y2] = object.bbox.map(f64::from);
    let [width, height] = [x2 - x1, y2 - y1];
    let is_labelled = |point: &[f32; 3]| point[2] > 0.0;
    let points = keypoints.map(|known| &known.points);
    let points = points.filter(|points| points.iter().any(is_labelled));
    let (mut sum, mut count) = (0.0, 0);
    for (place, seen) in found.iter().enumerate() {
        let [x, y, _] = seen.map(f64::from);
        let [dx, dy] = match points.map(|points| points[place]) {
            Some(point) if !is_labelled(&point) => continue,
            Some([there_x, there_y, _]) => [x - f64::from(there_x), y - f64::from(there_y)],
            None => [
                outside(x, x1 - width, x1 + 2.0 * width),
                outside(y, y1 - height, y1 + 2.0 * height),
            ],
        };
        let variance = (2.0 * COCO_SIGMAS[place]).powi(2);
        let area = f64::from(object.area) + f64::EPSILON;
        let distance = (dx * dx + dy * dy) / variance / area / 2.0;
        sum += (-distance).exp();
        count += 1;
    }
    sum / f64::from(count)
}

/// How far a place is from a range.
fn outside(place: f64, least: f64, greatest: f64) -> f64 {
    (least - place).max(0.0) + (place - greatest).max(0.0)
}
