//! How much of each other a detection and an object cover.

use crate::data::Object;
use crate::ops::boxes::BBox;

/// Area in square pixels.
pub fn area(bbox: BBox) -> f64 {
    let [x1, y1, x2, y2] = bbox.map(f64::from);
    (x2 - x1) * (y2 - y1)
}

/// Intersection over union; of a crowd, in which a detection is expected to be one of many, over the
/// detection's own area. Boxes that do not meet give 0, whatever their areas.
pub fn overlap(found: BBox, object: &Object) -> f64 {
    let (a, b) = (found.map(f64::from), object.bbox.map(f64::from));
    let width = a[2].min(b[2]) - a[0].max(b[0]);
    let height = a[3].min(b[3]) - a[1].max(b[1]);
    if width <= 0.0 || height <= 0.0 {
        return 0.0;
    }
    let intersection = width * height;
    match object.crowd {
        true => intersection / area(found),
        false => intersection / (area(found) + area(object.bbox) - intersection),
    }
}
