//! Polygons as pycocotools fills them: edges are walked in fifths of a pixel, and a column's pixels change where an
//! edge crosses the column's middle.

use std::collections::BTreeSet;
use std::ops::Range;

use super::rle::{FARTHEST_CORNER, Rle, RleError, pixels};

/// Steps in a pixel.
const STEPS: i64 = 5;
/// An edge crosses a column's middle between this step of it and the next.
const MIDDLE: i64 = 2;

impl Rle {
    /// Of polygons, the union of what each encloses (by the even-odd rule). A polygon is `[x, y, x, y, …]` in
    /// pixels of the picture, whose `size` is height and width; what lies outside is cut.
    ///
    /// # Errors
    /// If a picture has no pixels or more than 2³² − 1, a polygon has fewer than three corners, or a corner is no
    /// number or out of all proportion.
    pub fn from_polygons(
        size: [usize; 2],
        polygons: &[impl AsRef<[f64]>],
    ) -> Result<Self, RleError> {
        pixels(size)?;
        let mut ranges = Vec::new();
        for polygon in polygons {
            fill(polygon.as_ref(), size, &mut ranges)?;
        }
        ranges.sort_unstable_by_key(|range| range.start);
        Self::from_ranges(size, ranges)
    }
}

/// Add the ranges of pixels, counted down the columns, that a polygon encloses.
fn fill(polygon: &[f64], size: [usize; 2], ranges: &mut Vec<Range<u32>>) -> Result<(), RleError> {
    let numbers = polygon.len();
    let corners = match polygon.as_chunks() {
        (corners, []) if corners.len() >= 3 => corners,
        _ => return Err(RleError::Polygon { numbers }),
    };
    let corners: Vec<[i64; 2]> = corners.iter().map(in_steps).collect::<Result<_, _>>()?;
    let mut changes = BTreeSet::new();
    let next = corners.iter().cycle().skip(1);
    for (&from, &to) in corners.iter().zip(next) {
        let edge = Edge::between(from, to);
        for (column, row) in edge.crossings(size) {
            let change = column * size[0] + row;
            // What changes twice does not.
            if !changes.remove(&change) {
                changes.insert(change);
            }
        }
    }
    let end = size[0] * size[1];
    let mut changes = changes.into_iter();
    while let Some(start) = changes.next() {
        let end = changes.next().unwrap_or(end);
        ranges.push(start as u32..end as u32);
    }
    Ok(())
}

fn in_steps(&[x, y]: &[f64; 2]) -> Result<[i64; 2], RleError> {
    match x.abs() <= FARTHEST_CORNER && y.abs() <= FARTHEST_CORNER {
        // Towards 0, as C does.
        true => Ok([x, y].map(|side| (STEPS as f64 * side + 0.5) as i64)),
        false => Err(RleError::Corner { x, y }),
    }
}

/// A side of a polygon, in steps. It is walked along the axis on which it is longer, to greater numbers.
struct Edge {
    from: [i64; 2],
    to: [i64; 2],
    /// Whether it is at least as wide as high.
    is_flat: bool,
}

impl Edge {
    fn between(a: [i64; 2], b: [i64; 2]) -> Self {
        let is_flat = (a[0] - b[0]).abs() >= (a[1] - b[1]).abs();
        let axis = usize::from(!is_flat);
        let [from, to] = if a[axis] > b[axis] { [b, a] } else { [a, b] };
        Self { from, to, is_flat }
    }

    /// The columns whose middle it crosses, and in each the row from which on pixels change, which can be the
    /// one after the last.
    fn crossings(&self, [height, width]: [usize; 2]) -> impl Iterator<Item = (usize, usize)> {
        let [left, right] = [self.from[0].min(self.to[0]), self.from[0].max(self.to[0])];
        let first = (left - MIDDLE + STEPS - 1).div_euclid(STEPS).max(0);
        let end = (right - MIDDLE - 1).div_euclid(STEPS) + 1;
        let end = end.min(width as i64);
        (first..end).map(move |column| {
            let middle = column * STEPS + MIDDLE;
            let y = if self.is_flat {
                self.flat_crossing(middle)
            } else {
                self.steep_crossing(middle)
            };
            // The first pixel whose middle is not above.
            let row = (y + MIDDLE).div_euclid(STEPS).clamp(0, height as i64);
            (column as usize, row as usize)
        })
    }

    /// The lesser y of steps `middle` and `middle + 1`.
    fn flat_crossing(&self, middle: i64) -> i64 {
        let slope = (self.to[1] - self.from[1]) as f64 / (self.to[0] - self.from[0]) as f64;
        let step = middle - self.from[0];
        let y = |step: i64| (self.from[1] as f64 + slope * step as f64 + 0.5) as i64;
        y(step).min(y(step + 1))
    }

    /// The y before the step that goes over from `middle` to `middle + 1`, or back.
    fn steep_crossing(&self, middle: i64) -> i64 {
        let steps = self.to[1] - self.from[1];
        let slope = (self.to[0] - self.from[0]) as f64 / steps as f64;
        let x = |step: i64| (self.from[0] as f64 + slope * step as f64 + 0.5) as i64;
        let is_over = |step: i64| (x(step) > middle) == (slope > 0.0);
        let near = (middle as f64 + 0.5 - self.from[0] as f64) / slope;
        // Within a step or two; which one it is, is for the rounding of `x` to say.
        let mut step = (near.ceil() as i64).clamp(1, steps);
        while step > 1 && is_over(step - 1) {
            step -= 1;
        }
        while step < steps && !is_over(step) {
            step += 1;
        }
        self.from[1] + step - 1
    }
}
