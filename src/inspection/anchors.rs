//! Where boxes start from, in the picture.

use crate::boxes::BBox;
use crate::ops::anchors::{AnchorGrid, AnchorLevel};
use crate::ops::select::Place;
use crate::transform::Frame;

/// The anchors of a level.
#[derive(Clone, Debug, PartialEq)]
pub struct LevelAnchors {
    /// The level, 2 for P2.
    pub level: usize,
    /// Pixels of the network's input between cells, down and across.
    pub stride: [usize; 2],
    /// Cells, down and across.
    pub cells: [usize; 2],
    /// Anchors of a cell.
    pub per_cell: usize,
    anchors: AnchorLevel,
    place: Place,
}

impl LevelAnchors {
    /// Those over maps of these sizes, height and width, finest level first, of a picture of a frame.
    pub fn of(grid: &AnchorGrid, sizes: &[[usize; 2]], frame: &Frame) -> Vec<Self> {
        let levels = grid.levels.iter().zip(sizes).enumerate();
        levels
            .map(|(level, (anchors, &cells))| Self {
                level: grid.number(level),
                stride: anchors.stride,
                cells,
                per_cell: anchors.cell.len(),
                anchors: anchors.clone(),
                place: Place::from(frame),
            })
            .collect()
    }

    /// The anchors of a cell (y, x), in pixels of the picture as it was given, beyond which they may reach.
    pub fn of_cell(&self, cell: [usize; 2]) -> Vec<BBox> {
        (0..self.per_cell)
            .map(|a| self.place.restored(self.anchors.anchor(a, cell)))
            .collect()
    }

    /// Anchors of all cells.
    pub fn count(&self) -> usize {
        self.cells[0] * self.cells[1] * self.per_cell
    }
}
