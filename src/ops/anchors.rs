//! Anchors: where the boxes of each pyramid level start from.

use crate::boxes::BBox;

/// The anchors of one cell at every level, and how cells are laid out.
#[derive(Clone, Debug, PartialEq)]
pub struct AnchorGrid {
    size: f32,
    cells: Vec<Vec<BBox>>,
}

impl AnchorGrid {
    /// torchvision's `AnchorGenerator`: `size` pixels at P2, twice as many at each level up to P6,
    /// aspect ratios (height / width) 0.5, 1 and 2; a cell's anchors rounded half to even and centred
    /// on the cell's top left corner. Faster R-CNN's `size` is 32.
    pub fn pyramid(size: f32) -> Self {
        let cells = [1.0_f32, 2.0, 4.0, 8.0, 16.0].map(|scale| {
            let size = size * scale;
            [0.5_f32, 1.0, 2.0]
                .map(|ratio| {
                    let height = ratio.sqrt();
                    let width = 1.0 / height;
                    let half = [width * size / 2.0, height * size / 2.0];
                    let [w, h] = half.map(f32::round_ties_even);
                    [-w, -h, w, h]
                })
                .to_vec()
        });
        Self {
            size,
            cells: cells.into(),
        }
    }

    /// RetinaFace's squares of 16, 32; 64, 128; 256, 512 pixels at strides 8, 16, 32, centred on
    /// the cell.
    pub fn retinaface() -> Self {
        let cells = [
            (8.0_f32, [16.0_f32, 32.0]),
            (16.0, [64.0, 128.0]),
            (32.0, [256.0, 512.0]),
        ]
        .map(|(stride, sizes)| {
            let centre = stride / 2.0;
            sizes
                .map(|size| {
                    let (low, high) = (centre - size / 2.0, centre + size / 2.0);
                    [low, low, high, high]
                })
                .to_vec()
        });
        Self {
            size: 16.0,
            cells: cells.into(),
        }
    }

    /// Side of the finest level's least square anchor, in pixels.
    pub fn size(&self) -> f32 {
        self.size
    }

    /// Anchors of one cell; the same number at every level.
    pub fn anchors_per_cell(&self) -> usize {
        self.cells[0].len()
    }

    /// Anchor `a` of the cell at (`x`, `y`) of a level (0 the finest), cells `stride` pixels
    /// (height, width) apart.
    pub fn anchor(&self, level: usize, a: usize, [y, x]: [usize; 2], stride: [usize; 2]) -> BBox {
        let (dy, dx) = ((y * stride[0]) as f32, (x * stride[1]) as f32);
        let [x1, y1, x2, y2] = self.cells[level][a];
        [x1 + dx, y1 + dy, x2 + dx, y2 + dy]
    }
}
