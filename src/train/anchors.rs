//! All anchors of a picture, and where the RPN's maps tell of them.

use crate::boxes::BBox;
use crate::ops::Map;
use crate::ops::anchors::AnchorGrid;
use crate::ops::proposals::RpnMaps;

/// All anchors of a picture, in the order of level, cell and anchor of the cell.
pub struct Anchors {
    pub(super) grid: AnchorGrid,
    boxes: Vec<BBox>,
    /// Anchors of a cell, height and width of each level.
    shapes: Vec<[usize; 3]>,
    /// How many come before each level's, and in all.
    starts: Vec<usize>,
}

impl Anchors {
    /// Those of the cells of `maps`.
    pub fn new(grid: AnchorGrid, maps: &RpnMaps) -> Self {
        let mut boxes = Vec::new();
        let mut shapes = Vec::new();
        let mut starts = vec![0];
        for (level, logits) in maps.logits.iter().enumerate() {
            let [_, per_cell, height, width] = logits.dims();
            for cell in 0..height * width {
                let place = [cell / width, cell % width];
                boxes.extend((0..per_cell).map(|a| grid.anchor(level, a, place)));
            }
            shapes.push([per_cell, height, width]);
            starts.push(boxes.len());
        }
        Self {
            grid,
            boxes,
            shapes,
            starts,
        }
    }

    /// The boxes, in pixels of the resized picture.
    pub fn boxes(&self) -> &[BBox] {
        &self.boxes
    }

    /// How many levels there are.
    pub(super) fn levels(&self) -> usize {
        self.shapes.len()
    }

    /// The level of an anchor, and where the value of its `channel` of `channels` lies in the level's
    /// maps `[N, A · channels, H, W]` in memory.
    pub(super) fn place(
        &self,
        anchor: usize,
        picture: usize,
        channels: usize,
        channel: usize,
    ) -> (usize, i32) {
        let level = self.starts.partition_point(|&start| start <= anchor) - 1;
        let [per_cell, height, width] = self.shapes[level];
        let within = anchor - self.starts[level];
        let (cell, a) = (within / per_cell, within % per_cell);
        let plane = (picture * per_cell + a) * channels + channel;
        (level, (plane * height * width + cell) as i32)
    }

    /// The maps of one picture, `channels` an anchor, out of the levels' `[N, A · channels, H, W]`.
    pub(super) fn maps_of<'a>(
        &self,
        levels: &'a [Vec<f32>],
        picture: usize,
        channels: usize,
    ) -> Vec<Map<'a>> {
        let map = |(values, &[per_cell, height, width]): (&'a Vec<f32>, &[usize; 3])| {
            let shape = [per_cell * channels, height, width];
            let size: usize = shape.iter().product();
            let values = &values[picture * size..][..size];
            Map { values, shape }
        };
        levels.iter().zip(&self.shapes).map(map).collect()
    }
}
