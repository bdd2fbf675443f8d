//! From a model's square of probabilities to a mask of the picture, as torchvision's `paste_masks_in_image` makes it.

use super::rle::{FARTHEST_EDGE, Rle, RleError, pixels};
use super::runs::Runs;
use crate::boxes::BBox;
use crate::transform::Tap;

/// Above it a pixel belongs to the object.
const THRESHOLD: f32 = 0.5;

impl Rle {
    /// Of a box's probabilities, `side × side` row-major: those pixels of a picture of `size` (height, width)
    /// whose probability is above 0.5. As in torchvision the square gets a border of zeros, is stretched to the
    /// box, bilinearly, and cut to the picture.
    ///
    /// # Errors
    /// If a picture has no pixels or more than 2³² − 1, there are not `side²` probabilities or none, or the box is
    /// no numbers or out of all proportion.
    pub fn paste(
        probabilities: &[f32],
        side: usize,
        bbox: BBox,
        size: [usize; 2],
    ) -> Result<Self, RleError> {
        pixels(size)?;
        let square = Square::bordered(probabilities, side)?;
        let [across, down] = spans(bbox, side, size)?;
        let [height, width] = size.map(|side| side as u32);
        let rows: Vec<Tap> = down.taps(square.side).collect();
        let above = down.visible[0] as u32;
        let below = height - above - rows.len() as u32;

        let mut runs = Runs::default();
        let mut column = vec![0.0; square.side];
        runs.push(false, across.visible[0] as u32 * height);
        for x in across.taps(square.side) {
            for (value, row) in column.iter_mut().zip(square.rows()) {
                *value = x.far * row[x.low] + x.near * row[x.high];
            }
            runs.push(false, above);
            for y in &rows {
                let probability = y.far * column[y.low] + y.near * column[y.high];
                runs.push(probability > THRESHOLD, 1);
            }
            runs.push(false, below);
        }
        runs.push(false, (width - across.visible[1] as u32) * height);
        Ok(Self::from_runs(size, runs))
    }
}

/// Probabilities with a border of zeros.
struct Square {
    side: usize,
    values: Vec<f32>,
}

impl Square {
    fn bordered(probabilities: &[f32], side: usize) -> Result<Self, RleError> {
        if side == 0 || side.checked_mul(side) != Some(probabilities.len()) {
            return Err(RleError::Values {
                found: probabilities.len(),
                height: side,
                width: side,
            });
        }
        let bordered = side + 2;
        let mut values = vec![0.0; bordered * bordered];
        let inner = values[bordered..].chunks_exact_mut(bordered);
        for (row, inner) in probabilities.chunks_exact(side).zip(inner) {
            inner[1..=side].copy_from_slice(row);
        }
        Ok(Self {
            side: bordered,
            values,
        })
    }

    fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.side)
    }
}

/// Where the bordered square lies along one axis, in pixels of the picture.
struct Span {
    start: i64,
    length: i64,
    /// The picture's pixels that it covers, from the first to after the last.
    visible: [usize; 2],
}

/// Across and down: the box, larger by as much as the border, in whole pixels.
fn spans(bbox: BBox, side: usize, [height, width]: [usize; 2]) -> Result<[Span; 2], RleError> {
    if !bbox.iter().all(|edge| edge.abs() <= FARTHEST_EDGE) {
        return Err(RleError::Box { bbox });
    }
    let scale = ((side + 2) as f64 / side as f64) as f32;
    let [x1, y1, x2, y2] = bbox;
    Ok([(x1, x2, width), (y1, y2, height)].map(|(from, to, end)| {
        let half = (to - from) * 0.5 * scale;
        let centre = (to + from) * 0.5;
        let [start, last] = [centre - half, centre + half].map(|edge| edge as i64);
        let end = end as i64;
        let first_visible = start.clamp(0, end);
        let end_visible = (last + 1).clamp(first_visible, end);
        Span {
            start,
            length: (last - start + 1).max(1),
            visible: [first_visible as usize, end_visible as usize],
        }
    }))
}

impl Span {
    /// Where each of the visible pixels is in a square of `side` cells.
    fn taps(&self, side: usize) -> impl Iterator<Item = Tap> {
        let ratio = side as f32 / self.length as f32;
        let [first, end] = self.visible;
        (first..end).map(move |pixel| Tap::at((pixel as i64 - self.start) as usize, ratio, side))
    }
}
