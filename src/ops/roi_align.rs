//! RoIAlign over the levels of a pyramid (He et al., 2017, <https://arxiv.org/abs/1703.06870>;
//! level assignment: Lin et al., 2016), as torchvision's `MultiScaleRoIAlign`.
//!
//! One difference: torchvision infers each level's scale from the map's and the unpadded picture's
//! sizes, which goes wrong for tiny pictures; here P2…P5 are 1/4…1/32.

use std::ops::Range;

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Capture, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{DType, Int, Shape, Tensor};
use burn_ir::ScalarIr;
use rayon::prelude::*;

use super::capture::{record, size};
use super::flex::{self, FlexTensor, Map};
use super::levels::Levels4;
use super::operation::Operation;
use crate::boxes::{BBox, area};

mod schedule;

pub(super) use schedule::RoiAlign;

#[cfg(feature = "train-gpu")]
mod cube;

/// How a RoI is laid over a map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoiAlignOptions {
    /// Cells of the output, height and width.
    pub output: [usize; 2],
    /// Samples along each side of a cell; 0: as many as the cell is pixels wide, rounded up.
    pub sampling_ratio: usize,
    /// Whether pixel centres sit at half coordinates (detectron2) or at whole ones (torchvision).
    pub aligned: bool,
    /// Side of the boxes that belong to P4, in pixels of the resized picture.
    pub canonical_size: f32,
}

impl RoiAlignOptions {
    /// torchvision's detectors: two samples a side, not aligned.
    pub fn torchvision(output: [usize; 2]) -> Self {
        Self {
            output,
            sampling_ratio: 2,
            aligned: false,
            canonical_size: 224.0,
        }
    }

    fn to_scalars(self) -> Vec<ScalarIr> {
        vec![
            ScalarIr::UInt(self.output[0] as u64),
            ScalarIr::UInt(self.output[1] as u64),
            ScalarIr::UInt(self.sampling_ratio as u64),
            ScalarIr::Bool(self.aligned),
            ScalarIr::Float(self.canonical_size.into()),
        ]
    }

    /// As a captured graph holds them.
    pub(crate) fn from_scalars(scalars: &[ScalarIr]) -> Self {
        Self {
            output: [size(scalars[0]), size(scalars[1])],
            sampling_ratio: size(scalars[2]),
            aligned: scalars[3].elem(),
            canonical_size: scalars[4].elem(),
        }
    }
}

/// Crop each RoI from the level that suits its size.
///
/// - `levels`: P2…P5, each `[N, C, H, W]`;
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
pub fn roi_align(
    levels: [Tensor<4>; 4],
    boxes: Tensor<2>,
    count: Tensor<1, Int>,
    options: RoiAlignOptions,
) -> Tensor<4> {
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
        #[extension_type] levels: Levels4<Self>,
        boxes: FloatTensor<Self>,
        count: IntTensor<Self>,
        options: RoiAlignOptions,
    ) -> FloatTensor<Self>;

    /// The gradients of the levels, whose shapes are `shapes`, from the output's, `[R, C, output…]`.
    fn roi_align_backward(
        gradient: FloatTensor<Self>,
        boxes: FloatTensor<Self>,
        count: IntTensor<Self>,
        shapes: [[usize; 4]; 4],
        options: RoiAlignOptions,
    ) -> Levels4<Self>;
}

impl RoiAlignOps for Flex {
    fn roi_align(
        levels: Levels4<Self>,
        boxes: FloatTensor<Self>,
        count: IntTensor<Self>,
        options: RoiAlignOptions,
    ) -> FloatTensor<Self> {
        let levels = levels.into_array().map(flex::contiguous);
        let levels = levels.each_ref().map(flex::maps);
        let boxes = flex::contiguous(boxes);
        let boxes = flex::boxes(&boxes);
        let channels = levels[0][0].shape[0];
        let mut rois = Vec::new();
        for (picture, rows) in rows_of(&count).enumerate() {
            let maps = levels.each_ref().map(|maps| maps[picture]);
            rois.extend(align_levels(&maps, &boxes[rows], options));
        }
        let [rows, columns] = options.output;
        flex::tensor(rois, [boxes.len(), channels, rows, columns])
    }

    fn roi_align_backward(
        gradient: FloatTensor<Self>,
        boxes: FloatTensor<Self>,
        count: IntTensor<Self>,
        shapes: [[usize; 4]; 4],
        options: RoiAlignOptions,
    ) -> Levels4<Self> {
        let gradient = flex::contiguous(gradient);
        let boxes = flex::contiguous(boxes);
        let pictures: Vec<Range<usize>> = rows_of(&count).collect();
        let gradients = scatter_levels(
            flex::values(&gradient),
            flex::boxes(&boxes),
            &pictures,
            shapes,
            options,
        );
        let mut levels = gradients.into_iter().zip(shapes);
        Levels4::from_array(std::array::from_fn(|_| {
            let (values, shape) = levels.next().expect("there are four levels");
            flex::tensor(values, shape)
        }))
    }
}

/// The rows of each picture.
fn rows_of(count: &FlexTensor) -> impl Iterator<Item = Range<usize>> {
    let counts = flex::values::<i32>(count).iter();
    counts.scan(0, |start, &count| {
        let rows = *start..*start + count as usize;
        *start = rows.end;
        Some(rows)
    })
}

#[cfg(feature = "train")]
mod gradient {
    use burn::backend::Autodiff;
    use burn::backend::autodiff::checkpoint::base::Checkpointer;
    use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
    use burn::backend::autodiff::grads::Gradients;
    use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};

    use super::*;

    #[derive(Debug)]
    struct Align;

    impl<B: RoiAlignOps> Backward<B, 4> for Align {
        type State = (
            FloatTensor<B>,
            IntTensor<B>,
            [[usize; 4]; 4],
            RoiAlignOptions,
        );

        fn backward(
            self,
            ops: Ops<Self::State, 4>,
            gradients: &mut Gradients,
            _checkpointer: &mut Checkpointer,
        ) {
            let gradient = gradients.consume::<B>(&ops.node);
            let (boxes, count, shapes, options) = ops.state;
            let levels = B::roi_align_backward(gradient, boxes, count, shapes, options);
            for (node, level) in ops.parents.into_iter().zip(levels.into_array()) {
                if let Some(node) = node {
                    gradients.register::<B>(node.id, level);
                }
            }
        }
    }

    impl<B: RoiAlignOps, C: CheckpointStrategy> RoiAlignOps for Autodiff<B, C> {
        fn roi_align(
            levels: Levels4<Self>,
            boxes: FloatTensor<Self>,
            count: IntTensor<Self>,
            options: RoiAlignOptions,
        ) -> FloatTensor<Self> {
            let levels = levels.into_array();
            let shapes = levels.each_ref().map(|level| level.shape().dims());
            let nodes = levels.each_ref().map(|level| level.node());
            let boxes = boxes.into_primitive();
            let levels = Levels4::from_array(levels.map(|level| level.into_primitive()));
            match Align.prepare::<C>(nodes).compute_bound().stateful() {
                OpsKind::Tracked(prepared) => {
                    let rois = B::roi_align(levels, boxes.clone(), count.clone(), options);
                    prepared.finish((boxes, count, shapes, options), rois)
                }
                OpsKind::UnTracked(prepared) => {
                    prepared.finish(B::roi_align(levels, boxes, count, options))
                }
            }
        }

        fn roi_align_backward(
            _gradient: FloatTensor<Self>,
            _boxes: FloatTensor<Self>,
            _count: IntTensor<Self>,
            _shapes: [[usize; 4]; 4],
            _options: RoiAlignOptions,
        ) -> Levels4<Self> {
            unreachable!("RoIAlign has no second derivative")
        }
    }
}

impl RoiAlignOps for Capture {
    fn roi_align(
        levels: Levels4<Self>,
        boxes: FloatTensor<Self>,
        count: IntTensor<Self>,
        options: RoiAlignOptions,
    ) -> FloatTensor<Self> {
        let [p2, p3, p4, p5] = levels.into_array();
        let [rows, columns] = options.output;
        let shape = Shape::from([boxes.shape()[0], p2.shape()[1], rows, columns]);
        let inputs = vec![p2, p3, p4, p5, boxes, count];
        let outputs = [(shape, DType::F32)];
        let [rois] = record(RoiAlign.id(), inputs, options.to_scalars(), outputs);
        rois
    }

    fn roi_align_backward(
        _gradient: FloatTensor<Self>,
        _boxes: FloatTensor<Self>,
        _count: IntTensor<Self>,
        _shapes: [[usize; 4]; 4],
        _options: RoiAlignOptions,
    ) -> Levels4<Self> {
        unreachable!("graphs are captured for inference")
    }
}

/// Farthest that a box reaches, in pixels: up to here f32 tells pixels apart.
const FARTHEST: f32 = (1 << 24) as f32;

/// Whether a picture can have the box.
fn makes_sense(bbox: BBox) -> bool {
    let [x1, y1, x2, y2] = bbox;
    // NaN is within nothing.
    bbox.iter().all(|side| side.abs() <= FARTHEST) && x1 <= x2 && y1 <= y2
}

/// The level, 0 for P2 … 3 for P5, that a box of this size is cropped from: P4 for the canonical
/// size (224, that of an ImageNet picture), a level up or down for each doubling. P2 for a box that has
/// no size.
pub fn level_of(bbox: BBox, canonical_size: f32) -> usize {
    let side = area(bbox).sqrt();
    let level = (4.0 + (side / canonical_size).log2() + 1e-6).floor();
    // NaN becomes 0.
    (level.clamp(2.0, 5.0) as usize).saturating_sub(2)
}

/// What the CPU engine does for [`roi_align`]: `[R, C, rows, columns]`, row-major.
pub fn align_levels(maps: &[Map<'_>; 4], boxes: &[BBox], options: RoiAlignOptions) -> Vec<f32> {
    let size = maps[0].shape[0] * options.output[0] * options.output[1];
    let mut rois = vec![0.0; boxes.len() * size];
    rois.par_chunks_exact_mut(size.max(1))
        .zip(boxes)
        .for_each(|(out, &bbox)| {
            let level = level_of(bbox, options.canonical_size);
            align(&maps[level], bbox, 1.0 / (4 << level) as f32, options, out);
        });
    rois
}

/// What the CPU engine does for the gradient of [`roi_align`]: for each level its gradient, of the shape in `shapes`.
/// `gradient` is `[R, C, rows, columns]`; `pictures` says which rows are each picture's.
fn scatter_levels(
    gradient: &[f32],
    boxes: &[BBox],
    pictures: &[Range<usize>],
    shapes: [[usize; 4]; 4],
    options: RoiAlignOptions,
) -> [Vec<f32>; 4] {
    let channels = shapes[0][1];
    let cells = options.output[0] * options.output[1];
    let sizes = shapes.map(|[_, _, height, width]| [height, width]);
    let rois: Vec<(usize, Samples)> = boxes
        .iter()
        .map(|&bbox| {
            let level = level_of(bbox, options.canonical_size);
            let scale = 1.0 / (4 << level) as f32;
            (level, Samples::of(sizes[level], bbox, scale, options))
        })
        .collect();
    let mut gradients = shapes.map(|shape| vec![0.0; shape.iter().product()]);
    let [p2, p3, p4, p5] = &mut gradients;
    let planes = |level: usize| sizes[level][0] * sizes[level][1];
    // Each plane is one thread's, so that sums do not depend on how the work is shared.
    p2.par_chunks_exact_mut(planes(0))
        .zip(p3.par_chunks_exact_mut(planes(1)))
        .zip(p4.par_chunks_exact_mut(planes(2)))
        .zip(p5.par_chunks_exact_mut(planes(3)))
        .enumerate()
        .for_each(|(plane, (((p2, p3), p4), p5))| {
            let (picture, channel) = (plane / channels, plane % channels);
            let levels = [p2, p3, p4, p5];
            for roi in pictures[picture].clone() {
                let gradient = &gradient[(roi * channels + channel) * cells..][..cells];
                let (level, samples) = &rois[roi];
                samples.scatter(
                    gradient,
                    levels[*level],
                    sizes[*level][1],
                    options.output[1],
                );
            }
        });
    gradients
}

/// RoIAlign of one box over one map whose cells are `1 / scale` pixels apart; `out` is
/// `[C, rows, columns]`.
pub fn align(map: &Map<'_>, bbox: BBox, scale: f32, options: RoiAlignOptions, out: &mut [f32]) {
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
    fn of(size: [usize; 2], bbox: BBox, scale: f32, options: RoiAlignOptions) -> Self {
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
        for (side, level) in [
            (0.0, 0),
            (111.9, 0),
            (112.0, 1),
            (224.0, 2),
            (448.0, 3),
            (5000.0, 3),
        ] {
            assert_eq!(level_of(square(side), 224.0), level, "{side}");
            assert_eq!(level_of(square(side / 2.0), 112.0), level, "{side}");
        }
    }
}
