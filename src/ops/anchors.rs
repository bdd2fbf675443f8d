//! Anchors: where the boxes of each pyramid level start from.

use burn_ir::ScalarIr;

use super::capture::size;
use crate::boxes::BBox;
use crate::kernels::MAX_ANCHORS;

/// The anchors that a model is specified by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AnchorLayout {
    /// Sides of each level's square anchors in pixels of the network's input, finest level first.
    pub sizes: &'static [&'static [f32]],
    /// Heights by widths of anchors of the same area; each size comes in all of them.
    pub aspect_ratios: &'static [f32],
    /// Where they lie.
    pub rule: AnchorRule,
}

/// How anchors lie about the cells of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnchorRule {
    /// As torchvision's `AnchorGenerator` has them: about a cell's top left corner, half of their sides
    /// rounded half to even, and cells `input / map` pixels apart, an integer division.
    Torchvision,
    /// As RetinaFace has them: about a cell's centre, not rounded, and the cells of level n 2ⁿ pixels
    /// apart.
    Centred,
    /// As detectron2 has them: about a cell's top left corner, not rounded, and cells of the finest level so
    /// many pixels apart, twice as many at each level after it.
    Cornered {
        /// Pixels of the network's input between cells of the finest level, whatever its map's size.
        finest_stride: usize,
    },
    /// As the first Faster R-CNN has them: with inclusive edges, about the middle of a cell's pixels, at
    /// a multiple of sides that are whole for a square of a cell, and the cells of level n 2ⁿ pixels apart.
    Legacy,
}

impl AnchorLayout {
    /// Those of torchvision's Faster R-CNN: 32 pixels at P2, twice as many at each level up to P6, in
    /// three shapes.
    pub const fn torchvision() -> Self {
        Self {
            sizes: &[&[32.0], &[64.0], &[128.0], &[256.0], &[512.0]],
            aspect_ratios: &[0.5, 1.0, 2.0],
            rule: AnchorRule::Torchvision,
        }
    }

    /// RetinaFace's squares, two sizes a level.
    pub const fn retinaface() -> Self {
        Self {
            sizes: &[&[16.0, 32.0], &[64.0, 128.0], &[256.0, 512.0]],
            aspect_ratios: &[1.0],
            rule: AnchorRule::Centred,
        }
    }

    /// Those of the first Faster R-CNN at stride 16: 8, 16 and 32 times as wide, in three shapes.
    pub const fn legacy() -> Self {
        Self {
            sizes: &[&[128.0, 256.0, 512.0]],
            aspect_ratios: &[0.5, 1.0, 2.0],
            rule: AnchorRule::Legacy,
        }
    }

    /// Anchors of one cell of a level, 0 the finest.
    pub fn per_cell(&self, level: usize) -> usize {
        self.sizes[level].len() * self.aspect_ratios.len()
    }

    /// The anchors over an input of `padded` (height, width) pixels and maps of the sizes in `maps`, finest
    /// first, the first of which is that of the level numbered `first_level`. A cell's are in the order of
    /// aspect ratio and size.
    pub fn grid(&self, first_level: usize, padded: [usize; 2], maps: &[[usize; 2]]) -> AnchorGrid {
        let levels = self.sizes.iter().zip(maps).zip(first_level..);
        let levels = levels.map(|((sizes, map), number)| {
            let stride = match self.rule {
                AnchorRule::Torchvision => [padded[0] / map[0], padded[1] / map[1]],
                AnchorRule::Centred | AnchorRule::Legacy => [1 << number; 2],
                AnchorRule::Cornered { finest_stride } => {
                    [finest_stride << (number - first_level); 2]
                }
            };
            let shapes = self.aspect_ratios.iter();
            let shapes = shapes.flat_map(|&ratio| sizes.iter().map(move |&size| (ratio, size)));
            AnchorLevel {
                stride,
                cell: shapes
                    .map(|(ratio, size)| self.anchor(ratio, size, stride))
                    .collect(),
            }
        });
        AnchorGrid {
            first_level,
            levels: levels.collect(),
        }
    }

    /// An anchor of the cell at the origin.
    fn anchor(&self, ratio: f32, size: f32, stride: [usize; 2]) -> BBox {
        let height = ratio.sqrt();
        let width = 1.0 / height;
        let [w, h] = [width * size / 2.0, height * size / 2.0];
        match self.rule {
            AnchorRule::Torchvision => {
                let [w, h] = [w, h].map(f32::round_ties_even);
                [-w, -h, w, h]
            }
            AnchorRule::Centred => {
                let [y, x] = stride.map(|pixels| pixels as f32 / 2.0);
                [x - w, y - h, x + w, y + h]
            }
            AnchorRule::Cornered { .. } => {
                // The side of one after the other, as detectron2 does.
                let width = (f64::from(size).powi(2) / f64::from(ratio)).sqrt();
                let [w, h] = [width, f64::from(ratio) * width].map(|side| (side / 2.0) as f32);
                [-w, -h, w, h]
            }
            AnchorRule::Legacy => {
                let side = stride[0] as f32;
                let width = (side * side / ratio).sqrt().round_ties_even();
                let height = (width * ratio).round_ties_even();
                let centre = (side - 1.0) / 2.0;
                let [w, h] = [width, height].map(|own| (own * size / side - 1.0) / 2.0);
                [centre - w, centre - h, centre + w, centre + h]
            }
        }
    }
}

/// The anchors of all levels of a pyramid over one picture.
#[derive(Clone, Debug, PartialEq)]
pub struct AnchorGrid {
    /// Number of the finest level: 2 for P2.
    pub first_level: usize,
    /// The levels, finest first.
    pub levels: Vec<AnchorLevel>,
}

/// The anchors of one level.
#[derive(Clone, Debug, PartialEq)]
pub struct AnchorLevel {
    /// Pixels between cells, down and across.
    pub stride: [usize; 2],
    /// The anchors of the cell at the origin, in pixels of the network's input.
    pub cell: Vec<BBox>,
}

/// Which anchor of a pyramid one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnchorPlace {
    /// Its level, 0 the finest.
    pub level: usize,
    /// Its cell there, y and x.
    pub cell: [usize; 2],
    /// Which of the cell's it is.
    pub a: usize,
}

impl AnchorLevel {
    /// Anchor `a` of the cell at (`y`, `x`), in pixels of the network's input.
    pub fn anchor(&self, a: usize, [y, x]: [usize; 2]) -> BBox {
        let Self { stride, cell } = self;
        let (dy, dx) = ((y * stride[0]) as f32, (x * stride[1]) as f32);
        let [x1, y1, x2, y2] = cell[a];
        [x1 + dx, y1 + dy, x2 + dx, y2 + dy]
    }
}

impl AnchorGrid {
    /// Anchor `a` of the cell at (`y`, `x`) of a level (0 the finest).
    pub fn anchor(&self, level: usize, a: usize, cell: [usize; 2]) -> BBox {
        self.levels[level].anchor(a, cell)
    }

    /// The anchor of a place.
    pub fn at(&self, place: AnchorPlace) -> BBox {
        self.anchor(place.level, place.a, place.cell)
    }

    /// The number of a level (0 the finest), as boxes are told to come from it.
    pub fn number(&self, level: usize) -> usize {
        self.first_level + level
    }

    /// Whether there are anchors for so many levels, 1 to [`MAX_ANCHORS`] a cell.
    ///
    /// # Errors
    /// If there are not, in words.
    pub(super) fn check(&self, levels: usize) -> Result<(), String> {
        if levels != self.levels.len() || levels == 0 {
            return Err(format!(
                "it reads maps of {levels} levels, where there are anchors of {}",
                self.levels.len()
            ));
        }
        let mut per_cell = self.levels.iter().map(|level| level.cell.len());
        match per_cell.find(|count| !(1..=MAX_ANCHORS).contains(count)) {
            Some(count) => Err(format!(
                "it reads {count} anchors a cell, where 1 to {MAX_ANCHORS} are known"
            )),
            None => Ok(()),
        }
    }

    pub(super) fn to_scalars(&self) -> Vec<ScalarIr> {
        let count = |count: usize| ScalarIr::UInt(count as u64);
        let levels = self.levels.iter().flat_map(|AnchorLevel { stride, cell }| {
            let sizes = [stride[0], stride[1], cell.len()].map(count);
            let sides = cell.as_flattened().iter();
            let sides = sides.map(|&side| ScalarIr::Float(side.into()));
            sizes.into_iter().chain(sides)
        });
        let head = [self.first_level, self.levels.len()].map(count);
        head.into_iter().chain(levels).collect()
    }

    /// As a captured graph holds them, behind what else an operation records.
    pub(super) fn from_scalars(scalars: &[ScalarIr]) -> Self {
        let mut scalars = scalars.iter().copied();
        let mut next = || scalars.next().expect("all of the anchors are recorded");
        let (first_level, levels) = (size(next()), size(next()));
        let levels = (0..levels).map(|_| {
            let stride = [size(next()), size(next())];
            let anchors = size(next());
            let mut side = || next().elem();
            let cell = (0..anchors).map(|_| [side(), side(), side(), side()]);
            AnchorLevel {
                stride,
                cell: cell.collect(),
            }
        });
        let levels = levels.collect();
        Self {
            first_level,
            levels,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_grid_is_the_grid() {
        let maps = [[25, 34], [13, 17], [7, 9], [4, 5], [2, 3]];
        let torchvision = AnchorLayout::torchvision().grid(2, [100, 136], &maps);
        let retinaface = AnchorLayout::retinaface().grid(3, [100, 136], &maps[1..4]);
        let legacy = AnchorLayout::legacy().grid(4, [100, 136], &maps[2..3]);
        let detectron2 = DETECTRON2.grid(2, [100, 136], &maps);
        for grid in [torchvision, retinaface, legacy, detectron2] {
            assert_eq!(AnchorGrid::from_scalars(&grid.to_scalars()), grid);
        }
    }

    /// torchvision's `AnchorGenerator(((32, 64, 128),), ((0.5, 1.0, 2.0),))`.
    #[test]
    fn several_sizes_of_a_level_come_in_the_order_of_torchvision() {
        let layout = AnchorLayout {
            sizes: &[&[32.0, 64.0, 128.0]],
            ..AnchorLayout::torchvision()
        };
        assert_eq!(layout.per_cell(0), 9);
        let grid = layout.grid(4, [96, 160], &[[6, 10]]);
        assert_eq!(grid.levels[0].stride, [16, 16]);
        let half: Vec<[f32; 2]> = grid.levels[0].cell.iter().map(|b| [b[2], b[3]]).collect();
        let expected = [
            [23.0, 11.0],
            [45.0, 23.0],
            [91.0, 45.0],
            [16.0, 16.0],
            [32.0, 32.0],
            [64.0, 64.0],
            [11.0, 23.0],
            [23.0, 45.0],
            [45.0, 91.0],
        ];
        assert_eq!(half, expected);
    }

    const DETECTRON2: AnchorLayout = AnchorLayout {
        rule: AnchorRule::Cornered { finest_stride: 4 },
        ..AnchorLayout::torchvision()
    };

    /// detectron2's `DefaultAnchorGenerator`, offset 0.
    #[test]
    fn stated_strides_do_not_depend_on_maps() {
        let grid = DETECTRON2.grid(
            2,
            [100, 136],
            &[[50, 68], [25, 34], [13, 17], [7, 9], [4, 5]],
        );
        let strides = grid.levels.iter().map(|level| level.stride[0]);
        assert_eq!(strides.collect::<Vec<_>>(), [4, 8, 16, 32, 64]);
        let expected = [
            [-22.627_417, -11.313_708, 22.627_417, 11.313_708],
            [-16.0, -16.0, 16.0, 16.0],
            [-11.313_708, -22.627_417, 11.313_708, 22.627_417],
        ];
        assert_eq!(grid.levels[0].cell, expected);
        assert_eq!(grid.anchor(1, 1, [2, 1]), [-24.0, -16.0, 40.0, 48.0]);
    }

    /// `generate_anchors` of the first Faster R-CNN.
    #[test]
    fn legacy_anchors_are_of_whole_pixels() {
        let grid = AnchorLayout::legacy().grid(4, [600, 800], &[[38, 50]]);
        assert_eq!(grid.levels[0].stride, [16, 16]);
        let expected = [
            [-84.0, -40.0, 99.0, 55.0],
            [-176.0, -88.0, 191.0, 103.0],
            [-360.0, -184.0, 375.0, 199.0],
            [-56.0, -56.0, 71.0, 71.0],
            [-120.0, -120.0, 135.0, 135.0],
            [-248.0, -248.0, 263.0, 263.0],
            [-36.0, -80.0, 51.0, 95.0],
            [-80.0, -168.0, 95.0, 183.0],
            [-168.0, -344.0, 183.0, 359.0],
        ];
        assert_eq!(grid.levels[0].cell, expected);
        assert_eq!(grid.anchor(0, 3, [2, 1]), [-40.0, -24.0, 87.0, 103.0]);
    }

    #[test]
    fn retinaface_has_squares_about_the_centres() {
        let grid = AnchorLayout::retinaface().grid(3, [33, 40], &[[5, 5], [3, 3], [2, 2]]);
        assert_eq!(grid.levels[1].stride, [16, 16]);
        assert_eq!(grid.anchor(0, 0, [0, 0]), [-4.0, -4.0, 12.0, 12.0]);
        assert_eq!(grid.anchor(2, 1, [1, 0]), [-240.0, -208.0, 272.0, 304.0]);
        assert_eq!(grid.number(2), 5);
    }
}
