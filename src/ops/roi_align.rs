//! RoIAlign over the levels of a pyramid (He et al., 2017, <https://arxiv.org/abs/1703.06870>;
//! level assignment: Lin et al., 2016), as torchvision's `MultiScaleRoIAlign`.
//!
//! One difference: torchvision infers each level's scale from the map's and the unpadded picture's
//! sizes, which goes wrong for tiny pictures; here they are given.

use std::ops::Range;

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Capture, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{DType, Int, Shape, Tensor};
use burn_ir::ScalarIr;
use rayon::prelude::*;

use super::capture::{record, size};
use super::flex::{self, Map, rows_of};
use super::levels::Levels;
use super::operation::Operation;
use crate::boxes::{BBox, area, makes_sense};

#[cfg(feature = "train-gpu")]
mod cube;
#[cfg(feature = "train")]
mod gradient;
mod schedule;

pub(crate) use schedule::RoiAlign;

/// Most levels that RoIs are cropped from.
const MAX_LEVELS: usize = 6;

/// How a RoI is laid over a map, and which.
#[derive(Clone, Debug, PartialEq)]
pub struct RoiAlignOptions {
    /// Cells of the output, height and width.
    pub output: [usize; 2],
    /// Samples along each side of a cell; 0: as many as the cell is pixels wide, rounded up.
    pub sampling_ratio: usize,
    /// Whether pixel centres sit at half coordinates (detectron2) or at whole ones (torchvision).
    pub aligned: bool,
    /// Pixels of the resized picture between the cells of each level's map, finest level first.
    pub strides: Vec<usize>,
    /// Number of the finest level: 2 for P2.
    pub first_level: usize,
    /// Number of the level that boxes of the canonical size belong to.
    pub canonical_level: usize,
    /// Side of these boxes, in pixels of the resized picture.
    pub canonical_size: f32,
    /// Added to a box's side in canonical ones before its logarithm is taken, and to that after it, so that
    /// boxes at a border belong to the coarser level.
    pub epsilons: [f32; 2],
}

impl RoiAlignOptions {
    /// torchvision's detectors: P2…P5, two samples a side, not aligned; boxes of the size of an ImageNet
    /// picture belong to P4.
    pub fn torchvision(output: [usize; 2]) -> Self {
        Self {
            output,
            sampling_ratio: 2,
            aligned: false,
            strides: vec![4, 8, 16, 32],
            first_level: 2,
            canonical_level: 4,
            canonical_size: 224.0,
            epsilons: [0.0, 1e-6],
        }
    }

    /// detectron2's: four levels, the finest at a stride of so many pixels, as many samples as a cell is
    /// wide, aligned; boxes of the size of an ImageNet picture belong to the level of stride 16.
    pub fn detectron2(output: [usize; 2], finest_stride: usize) -> Self {
        Self {
            sampling_ratio: 0,
            aligned: true,
            strides: (0..4).map(|level| finest_stride << level).collect(),
            first_level: finest_stride.ilog2() as usize,
            epsilons: [1e-8, 0.0],
            ..Self::torchvision(output)
        }
    }

    /// Whether RoIs of maps of so many levels can be cropped so.
    ///
    /// # Errors
    /// If they cannot, in words.
    fn check(&self, levels: usize) -> Result<(), String> {
        let strides = &self.strides;
        if !(1..=MAX_LEVELS).contains(&levels) || strides.len() != levels {
            return Err(format!(
                "RoIs are cropped from {levels} maps at strides {strides:?}, where 1 to {MAX_LEVELS} maps \
                 with a stride each are expected"
            ));
        }
        match strides.iter().chain(&self.output).all(|&side| side > 0) {
            true => Ok(()),
            false => Err(format!(
                "RoIs of {:?} cells are cropped at strides {strides:?}, where none is 0",
                self.output
            )),
        }
    }

    fn to_scalars(&self) -> Vec<ScalarIr> {
        let count = |count: usize| ScalarIr::UInt(count as u64);
        let own = [
            count(self.output[0]),
            count(self.output[1]),
            count(self.sampling_ratio),
            ScalarIr::Bool(self.aligned),
            count(self.first_level),
            count(self.canonical_level),
            ScalarIr::Float(self.canonical_size.into()),
            ScalarIr::Float(self.epsilons[0].into()),
            ScalarIr::Float(self.epsilons[1].into()),
        ];
        let strides = self.strides.iter().map(|&stride| count(stride));
        own.into_iter().chain(strides).collect()
    }

    /// As a captured graph holds them.
    pub(crate) fn from_scalars(scalars: &[ScalarIr]) -> Self {
        Self {
            output: [size(scalars[0]), size(scalars[1])],
            sampling_ratio: size(scalars[2]),
            aligned: scalars[3].elem(),
            first_level: size(scalars[4]),
            canonical_level: size(scalars[5]),
            canonical_size: scalars[6].elem(),
            epsilons: [scalars[7].elem(), scalars[8].elem()],
            strides: scalars[9..].iter().map(|&stride| size(stride)).collect(),
        }
    }

    /// The level, 0 the finest, that a box of this size is cropped from: the canonical one for the
    /// canonical size, a level up or down for each doubling. The finest for a box that has no size.
    pub fn level_of(&self, bbox: BBox) -> usize {
        let side = area(bbox).sqrt();
        let [within, after] = self.epsilons;
        let doublings = (side / self.canonical_size + within).log2();
        let level = self.canonical_level as f32 + doublings + after;
        let coarsest = self.first_level + self.strides.len() - 1;
        let level = level
            .floor()
            .clamp(self.first_level as f32, coarsest as f32);
        // NaN becomes 0.
        (level as usize).saturating_sub(self.first_level)
    }

    /// Cells a pixel of a level's map, 0 the finest.
    pub(crate) fn scale(&self, level: usize) -> f32 {
        1.0 / self.strides[level] as f32
    }
}

/// Crop each RoI from the level that suits its size.
///
/// - `levels`: the pyramid's maps, finest first, each `[N, C, H, W]`;
/// - `boxes`: `[R, 4]` in pixels of the resized picture, those of the first picture first; `count`:
///   `[N]`, how many rows are each picture's;
/// - returns `[R, C, output…]`.
///
/// Samples more than a cell off the map are 0; they count in a cell's mean, but are not looked at, so
/// that a box costs no more than the map has cells. A box that no picture has is cropped as zeros, and
/// the levels learn nothing of it: one with a value that is not finite or further out than 2²⁴ pixels,
/// from where f32 no longer tells pixels apart, and one with `x2 < x1` or `y2 < y1` (which torchvision's
/// pooler gives no level, and zeros, too).
///
/// The levels have gradients, the boxes have none, as in torchvision. Captured, `N` is 1.
///
/// # Panics
/// If there are not 1 to 6 levels with a stride each, or the output has no cells.
pub fn roi_align(
    levels: Vec<Tensor<4>>,
    boxes: Tensor<2>,
    count: Tensor<1, Int>,
    options: RoiAlignOptions,
) -> Tensor<4> {
    if let Err(problem) = options.check(levels.len()) {
        panic!("{problem}");
    }
    Tensor::from_dispatch(<Dispatch as RoiAlignOps>::roi_align(
        levels.into(),
        boxes.into_dispatch(),
        count.into_dispatch(),
        options,
    ))
}

/// Backends that can run [`roi_align`].
#[backend_extension(
    Flex,
    Capture,
    Autodiff: cfg(feature = "train"),
    Cube: cfg(feature = "train-gpu")
)]
pub trait RoiAlignOps: Backend {
    /// See [`roi_align`].
    fn roi_align(
        #[extension_type] levels: Levels<Self>,
        boxes: FloatTensor<Self>,
        count: IntTensor<Self>,
        options: RoiAlignOptions,
    ) -> FloatTensor<Self>;

    /// The gradients of the levels, whose shapes are `shapes`, from the output's, `[R, C, output…]`.
    fn roi_align_backward(
        gradient: FloatTensor<Self>,
        boxes: FloatTensor<Self>,
        count: IntTensor<Self>,
        shapes: Vec<[usize; 4]>,
        options: RoiAlignOptions,
    ) -> Levels<Self>;
}

impl RoiAlignOps for Flex {
    fn roi_align(
        levels: Levels<Self>,
        boxes: FloatTensor<Self>,
        count: IntTensor<Self>,
        options: RoiAlignOptions,
    ) -> FloatTensor<Self> {
        let levels = flex::contiguous_levels(levels);
        let levels: Vec<Vec<Map<'_>>> = levels.iter().map(flex::maps).collect();
        let boxes = flex::contiguous(boxes);
        let boxes = flex::boxes(&boxes);
        let channels = levels[0][0].shape[0];
        let mut rois = Vec::new();
        for (picture, rows) in rows_of(&count).enumerate() {
            let maps: Vec<Map<'_>> = levels.iter().map(|maps| maps[picture]).collect();
            rois.extend(align_levels(&maps, &boxes[rows], &options));
        }
        let [rows, columns] = options.output;
        flex::tensor(rois, [boxes.len(), channels, rows, columns])
    }

    fn roi_align_backward(
        gradient: FloatTensor<Self>,
        boxes: FloatTensor<Self>,
        count: IntTensor<Self>,
        shapes: Vec<[usize; 4]>,
        options: RoiAlignOptions,
    ) -> Levels<Self> {
        let gradient = flex::contiguous(gradient);
        let boxes = flex::contiguous(boxes);
        let pictures: Vec<Range<usize>> = rows_of(&count).collect();
        let gradients = scatter_levels(
            flex::values(&gradient),
            flex::boxes(&boxes),
            &pictures,
            &shapes,
            &options,
        );
        let levels = gradients.into_iter().zip(shapes);
        Levels(
            levels
                .map(|(values, shape)| flex::tensor(values, shape))
                .collect(),
        )
    }
}

impl RoiAlignOps for Capture {
    fn roi_align(
        levels: Levels<Self>,
        boxes: FloatTensor<Self>,
        count: IntTensor<Self>,
        options: RoiAlignOptions,
    ) -> FloatTensor<Self> {
        let [rows, columns] = options.output;
        let shape = Shape::from([boxes.shape()[0], levels.0[0].shape()[1], rows, columns]);
        let inputs = levels.0.into_iter().chain([boxes, count]).collect();
        let outputs = [(shape, DType::F32)];
        let [rois] = record(RoiAlign.id(), inputs, options.to_scalars(), outputs);
        rois
    }

    fn roi_align_backward(
        _gradient: FloatTensor<Self>,
        _boxes: FloatTensor<Self>,
        _count: IntTensor<Self>,
        _shapes: Vec<[usize; 4]>,
        _options: RoiAlignOptions,
    ) -> Levels<Self> {
        unreachable!("graphs are captured for inference")
    }
}

/// What the CPU engine does for [`roi_align`]: `[R, C, rows, columns]`, row-major.
fn align_levels(maps: &[Map<'_>], boxes: &[BBox], options: &RoiAlignOptions) -> Vec<f32> {
    let size = maps[0].shape[0] * options.output[0] * options.output[1];
    let mut rois = vec![0.0; boxes.len() * size];
    rois.par_chunks_exact_mut(size.max(1))
        .zip(boxes)
        .for_each(|(out, &bbox)| {
            let level = options.level_of(bbox);
            align(&maps[level], bbox, options.scale(level), options, out);
        });
    rois
}

/// What the CPU engine does for the gradient of [`roi_align`]: for each level its gradient, of the shape in `shapes`.
/// `gradient` is `[R, C, rows, columns]`; `pictures` says which rows are each picture's.
fn scatter_levels(
    gradient: &[f32],
    boxes: &[BBox],
    pictures: &[Range<usize>],
    shapes: &[[usize; 4]],
    options: &RoiAlignOptions,
) -> Vec<Vec<f32>> {
    let cells = options.output[0] * options.output[1];
    let rois: Vec<(usize, Samples)> = boxes
        .iter()
        .map(|&bbox| {
            let level = options.level_of(bbox);
            let [_, _, height, width] = shapes[level];
            let scale = options.scale(level);
            (level, Samples::of([height, width], bbox, scale, options))
        })
        .collect();
    let zeros = |shape: &[usize; 4]| vec![0.0; shape.iter().product()];
    let mut gradients: Vec<Vec<f32>> = shapes.iter().map(zeros).collect();
    let levels = gradients.iter_mut().zip(shapes).enumerate();
    let planes = levels.flat_map(|(level, (values, &[_, channels, height, width]))| {
        let planes = values.chunks_exact_mut(height * width).enumerate();
        planes.map(move |(plane, values)| (level, plane / channels, plane % channels, values))
    });
    // Each plane is one thread's, so that sums do not depend on how the work is shared.
    let planes: Vec<_> = planes.collect();
    planes
        .into_par_iter()
        .for_each(|(level, picture, channel, values)| {
            let [_, channels, _, width] = shapes[level];
            for roi in pictures[picture].clone() {
                let (of_level, samples) = &rois[roi];
                if *of_level == level {
                    let gradient = &gradient[(roi * channels + channel) * cells..][..cells];
                    samples.scatter(gradient, values, width, options.output[1]);
                }
            }
        });
    gradients
}

/// RoIAlign of one box over one map whose cells are `1 / scale` pixels apart; `out` is
/// `[C, rows, columns]`.
pub fn align(map: &Map<'_>, bbox: BBox, scale: f32, options: &RoiAlignOptions, out: &mut [f32]) {
    let [channels, map_h, map_w] = map.shape;
    let [rows, columns] = options.output;
    let samples = Samples::of([map_h, map_w], bbox, scale, options);
    for channel in 0..channels {
        let plane = &map.values[channel * map_h * map_w..][..map_h * map_w];
        let out = &mut out[channel * rows * columns..][..rows * columns];
        samples.gather(plane, map_w, columns, out);
    }
}

/// Where a RoI's samples lie on a map.
struct Samples {
    /// Along each side of a cell, on the map or not: down, across.
    per_cell: [usize; 2],
    /// Those on the map, of each row of cells.
    ys: Vec<Vec<Tap>>,
    /// Those on the map, of each column of cells.
    xs: Vec<Vec<Tap>>,
}

impl Samples {
    /// On a map of `size` (height, width).
    fn of(size: [usize; 2], bbox: BBox, scale: f32, options: &RoiAlignOptions) -> Self {
        let [rows, columns] = options.output;
        if !makes_sense(bbox) {
            return Self {
                per_cell: [0, 0],
                ys: vec![Vec::new(); rows],
                xs: vec![Vec::new(); columns],
            };
        }
        let offset = if options.aligned { 0.5 } else { 0.0 };
        let [x1, y1, x2, y2] = bbox.map(|side| side * scale - offset);
        let least = if options.aligned { 0.0 } else { 1.0 };
        let (width, height) = ((x2 - x1).max(least), (y2 - y1).max(least));
        let (cell_h, cell_w) = (height / rows as f32, width / columns as f32);
        let samples = |cell: f32| match options.sampling_ratio {
            0 => cell.ceil() as usize,
            ratio => ratio,
        };
        let per_cell = [samples(cell_h), samples(cell_w)];
        let taps = |start: f32, cell: f32, count: usize, samples: usize, size: usize| {
            let of_cell = |index: usize| {
                let begin = start + index as f32 * cell;
                let near = match options.sampling_ratio {
                    0 => near_map(begin, cell, samples, size),
                    _ => 0..samples,
                };
                near.filter_map(|sample| {
                    let within = (sample as f32 + 0.5) * cell / samples as f32;
                    Tap::at(begin + within, size)
                })
                .collect()
            };
            (0..count).map(of_cell).collect()
        };
        Self {
            per_cell,
            ys: taps(y1, cell_h, rows, per_cell[0], size[0]),
            xs: taps(x1, cell_w, columns, per_cell[1], size[1]),
        }
    }

    /// What a cell's sum is divided by.
    fn taken(&self) -> f32 {
        let [down, across] = self.per_cell.map(|samples| samples as f32);
        (down * across).max(1.0)
    }

    /// The taps of an output cell, across and down.
    fn of_cell(&self, row: usize, column: usize) -> impl Iterator<Item = (&Tap, &Tap)> {
        let (xs, ys) = (&self.xs[column], &self.ys[row]);
        ys.iter().flat_map(move |y| xs.iter().map(move |x| (y, x)))
    }

    /// The output's cells from a plane `map_w` wide.
    fn gather(&self, plane: &[f32], map_w: usize, columns: usize, out: &mut [f32]) {
        for (cell, out) in out.iter_mut().enumerate() {
            let mut sum = 0.0;
            for (y, x) in self.of_cell(cell / columns, cell % columns) {
                let (top, bottom) = (&plane[y.low * map_w..], &plane[y.high * map_w..]);
                sum += y.far * x.far * top[x.low]
                    + y.far * x.near * top[x.high]
                    + y.near * x.far * bottom[x.low]
                    + y.near * x.near * bottom[x.high];
            }
            *out = sum / self.taken();
        }
    }

    /// The transpose of [`gather`](Self::gather): what the output's gradient means for the plane.
    fn scatter(&self, gradient: &[f32], plane: &mut [f32], map_w: usize, columns: usize) {
        for (cell, gradient) in gradient.iter().enumerate() {
            let share = gradient / self.taken();
            for (y, x) in self.of_cell(cell / columns, cell % columns) {
                plane[y.low * map_w + x.low] += y.far * x.far * share;
                plane[y.low * map_w + x.high] += y.far * x.near * share;
                plane[y.high * map_w + x.low] += y.near * x.far * share;
                plane[y.high * map_w + x.high] += y.near * x.near * share;
            }
        }
    }
}

/// The samples of a cell that can lie on a map of `size`, where there is about one a map's cell: the
/// cell begins at `begin` and is `cell` wide.
fn near_map(begin: f32, cell: f32, samples: usize, size: usize) -> Range<usize> {
    // From one sample to the next; more than a half, but where there is only one.
    let step = (cell / samples as f32).max(0.5);
    // By how many samples rounding may err.
    let margin = 4.0;
    let first = ((-1.0 - begin) / step).floor() - margin;
    let last = ((size as f32 - begin) / step).ceil() + margin;
    // What is negative becomes 0.
    (first as usize).min(samples)..(last as usize).min(samples)
}

/// The two cells between which a sample falls along one axis, and their weights.
#[derive(Clone, Copy)]
struct Tap {
    low: usize,
    high: usize,
    /// Weight of `low`.
    far: f32,
    /// Weight of `high`.
    near: f32,
}

impl Tap {
    /// None where the sample falls more than a cell outside.
    fn at(position: f32, size: usize) -> Option<Self> {
        // Written so that NaN counts as outside.
        if !(position >= -1.0 && position <= size as f32) {
            return None;
        }
        let position = position.max(0.0);
        let low = (position as usize).min(size - 1);
        let high = (low + 1).min(size - 1);
        let near = if low == high {
            0.0
        } else {
            position - low as f32
        };
        Some(Self {
            low,
            high,
            far: 1.0 - near,
            near,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_of_a_border_size_belongs_to_the_coarser_level() {
        let square = |side: f32| [10.0, 10.0, 10.0 + side, 10.0 + side];
        let torchvision = RoiAlignOptions::torchvision([7, 7]);
        let halved = RoiAlignOptions {
            canonical_size: 112.0,
            ..torchvision.clone()
        };
        let extended = RoiAlignOptions {
            strides: vec![2, 4, 8, 16, 32, 64],
            first_level: 1,
            ..torchvision.clone()
        };
        let single = RoiAlignOptions {
            strides: vec![16],
            first_level: 4,
            ..torchvision.clone()
        };
        let detectron2 = RoiAlignOptions::detectron2([7, 7], 4);
        let halved_strides = RoiAlignOptions::detectron2([7, 7], 2);
        for (side, level) in [
            (0.0, 0),
            (27.9, 0),
            (28.0, 0),
            (112.0, 2),
            (223.9, 2),
            (224.0, 3),
        ] {
            assert_eq!(halved_strides.level_of(square(side)), level, "{side}");
        }
        for (side, level) in [
            (0.0, 0),
            (111.9, 0),
            (112.0, 1),
            (224.0, 2),
            (448.0, 3),
            (5000.0, 3),
        ] {
            assert_eq!(torchvision.level_of(square(side)), level, "{side}");
            assert_eq!(detectron2.level_of(square(side)), level, "{side}");
            assert_eq!(halved.level_of(square(side / 2.0)), level, "{side}");
            assert_eq!(single.level_of(square(side)), 0, "{side}");
        }
        for (side, level) in [(20.0, 0), (56.0, 1), (448.0, 4), (895.0, 4), (896.0, 5)] {
            assert_eq!(extended.level_of(square(side)), level, "{side}");
        }
    }
}
