//! RoIPool over one map (Girshick, 2015, <https://arxiv.org/abs/1504.08083>), as Faster R-CNN on a single
//! C4 map has it: corners rounded to cells, and the largest value of each part.
//!
//! Parts begin and end at whole quotients. (The original divides floats, which for a few sizes, such as 57
//! cells in 7 parts, reach a cell too far.)

use std::ops::Range;

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Capture, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{DType, Int, Shape, Tensor};
#[cfg(feature = "verify")]
use burn_ir::CustomOpIr;
use burn_ir::ScalarIr;
use rayon::prelude::*;

use super::capture::{record, size};
#[cfg(feature = "verify")]
use super::flex::Handles;
use super::flex::{self, Map, rows_of};
use super::operation::{Arguments, Operation, one_picture};
use crate::boxes::{BBox, makes_sense};
use crate::kernels::{Dtypes, blocks, roi_pool, words};
use crate::plan::{Draft, PlanBuilder, Value, ValueKind};
use crate::stage::Stage;

#[cfg(feature = "train")]
mod gradient;

/// How a RoI is laid over a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoiPoolOptions {
    /// Cells of the output, height and width.
    pub output: [usize; 2],
    /// Pixels of the resized picture between the map's cells.
    pub stride: usize,
}

impl RoiPoolOptions {
    /// Whether RoIs can be cropped so.
    ///
    /// # Errors
    /// If they cannot, in words.
    fn check(self) -> Result<(), String> {
        let Self { output, stride } = self;
        match output.iter().chain([&stride]).all(|&side| side > 0) {
            true => Ok(()),
            false => Err(format!(
                "RoIs of {output:?} cells are cropped at stride {stride}, where none is 0"
            )),
        }
    }

    fn to_scalars(self) -> Vec<ScalarIr> {
        let sizes = [self.output[0], self.output[1], self.stride];
        sizes.map(|size| ScalarIr::UInt(size as u64)).to_vec()
    }

    /// As a captured graph holds them.
    pub(crate) fn from_scalars(scalars: &[ScalarIr]) -> Self {
        Self {
            output: [size(scalars[0]), size(scalars[1])],
            stride: size(scalars[2]),
        }
    }

    fn scale(self) -> f32 {
        1.0 / self.stride as f32
    }
}

/// Crop each RoI from a map.
///
/// - `map`: `[N, C, H, W]`;
/// - `boxes`: `[R, 4]` in pixels of the resized picture, corners inclusive, those of the first picture first;
///   `count`: `[N]`, how many rows are each picture's;
/// - returns `[R, C, output…]`.
///
/// A corner becomes a cell, halves rounded away from zero, and a RoI is at least a cell wide and high. Its
/// cell p of n, along each side, is the largest of the map's from `⌊p · size / n⌋` to before
/// `⌈(p + 1) · size / n⌉`, as far as they are on the map, and 0 where none is. A box that no picture has
/// is cropped as zeros: see [`makes_sense`]. The map has a gradient, that of a part's first largest cell in
/// the order of rows, the boxes have none. Captured, `N` is 1.
///
/// # Panics
/// If the output has no cells, or the stride is 0.
pub fn roi_pool(
    map: Tensor<4>,
    boxes: Tensor<2>,
    count: Tensor<1, Int>,
    options: RoiPoolOptions,
) -> Tensor<4> {
    if let Err(problem) = options.check() {
        panic!("{problem}");
    }
    Tensor::from_dispatch(<Dispatch as RoiPoolOps>::roi_pool(
        map.into_dispatch(),
        boxes.into_dispatch(),
        count.into_dispatch(),
        options,
    ))
}

/// Backends that can run [`roi_pool()`].
#[backend_extension(Flex, Capture, Autodiff: cfg(feature = "train"))]
pub trait RoiPoolOps: Backend {
    /// See [`roi_pool()`].
    fn roi_pool(
        map: FloatTensor<Self>,
        boxes: FloatTensor<Self>,
        count: IntTensor<Self>,
        options: RoiPoolOptions,
    ) -> FloatTensor<Self>;

    /// The gradient of a map, from the output's, `[R, C, output…]`.
    fn roi_pool_backward(
        gradient: FloatTensor<Self>,
        map: FloatTensor<Self>,
        boxes: FloatTensor<Self>,
        count: IntTensor<Self>,
        options: RoiPoolOptions,
    ) -> FloatTensor<Self>;
}

impl RoiPoolOps for Flex {
    fn roi_pool(
        map: FloatTensor<Self>,
        boxes: FloatTensor<Self>,
        count: IntTensor<Self>,
        options: RoiPoolOptions,
    ) -> FloatTensor<Self> {
        let [map, boxes] = [map, boxes].map(flex::contiguous);
        let maps = flex::maps(&map);
        let boxes = flex::boxes(&boxes);
        let [rows, columns] = options.output;
        let shape = [boxes.len(), map.shape()[1], rows, columns];
        let size = shape[1..].iter().product::<usize>();
        let mut rois = vec![0.0; boxes.len() * size];
        for (picture, rows) in rows_of(&count).enumerate() {
            let out = &mut rois[rows.start * size..rows.end * size];
            out.par_chunks_exact_mut(size.max(1))
                .zip(&boxes[rows])
                .for_each(|(out, &bbox)| pool(&maps[picture], bbox, options, out));
        }
        flex::tensor(rois, shape)
    }

    fn roi_pool_backward(
        gradient: FloatTensor<Self>,
        map: FloatTensor<Self>,
        boxes: FloatTensor<Self>,
        count: IntTensor<Self>,
        options: RoiPoolOptions,
    ) -> FloatTensor<Self> {
        let [gradient, map, boxes] = [gradient, map, boxes].map(flex::contiguous);
        let pictures: Vec<Range<usize>> = rows_of(&count).collect();
        let gradients = scatter(
            flex::values(&gradient),
            &flex::maps(&map),
            flex::boxes(&boxes),
            &pictures,
            options,
        );
        flex::tensor(gradients, map.shape())
    }
}

impl RoiPoolOps for Capture {
    fn roi_pool(
        map: FloatTensor<Self>,
        boxes: FloatTensor<Self>,
        count: IntTensor<Self>,
        options: RoiPoolOptions,
    ) -> FloatTensor<Self> {
        let [rows, columns] = options.output;
        let shape = Shape::from([boxes.shape()[0], map.shape()[1], rows, columns]);
        let outputs = [(shape, DType::F32)];
        let inputs = vec![map, boxes, count];
        let [rois] = record(RoiPool.id(), inputs, options.to_scalars(), outputs);
        rois
    }

    fn roi_pool_backward(
        _gradient: FloatTensor<Self>,
        _map: FloatTensor<Self>,
        _boxes: FloatTensor<Self>,
        _count: IntTensor<Self>,
        _options: RoiPoolOptions,
    ) -> FloatTensor<Self> {
        unreachable!("graphs are captured for inference")
    }
}

/// What the CPU engine does for [`roi_pool()`]: one box; `out` is `[C, rows, columns]`.
pub fn pool(map: &Map<'_>, bbox: BBox, options: RoiPoolOptions, out: &mut [f32]) {
    out.fill(0.0);
    let Some(parts) = Parts::of(map, bbox, options) else {
        return;
    };
    let planes = map.values.chunks_exact(map.cells());
    let [rows, columns] = options.output;
    for (plane, out) in planes.zip(out.chunks_exact_mut(rows * columns)) {
        for (part, out) in out.iter_mut().enumerate() {
            let values = parts.cells(part).map(|cell| plane[cell]);
            *out = values.reduce(f32::max).unwrap_or_default();
        }
    }
}

/// What the CPU engine does for the gradient of [`roi_pool()`]: that of all maps, from that of the output,
/// `[R, C, rows, columns]`; `pictures` says which rows are each picture's.
fn scatter(
    gradient: &[f32],
    maps: &[Map<'_>],
    boxes: &[BBox],
    pictures: &[Range<usize>],
    options: RoiPoolOptions,
) -> Vec<f32> {
    let [channels, ..] = maps[0].shape;
    let (cells, size) = (maps[0].cells(), options.output[0] * options.output[1]);
    let parts_of = |(map, rows): (&Map<'_>, &Range<usize>)| -> Vec<Option<Parts>> {
        let boxes = boxes[rows.clone()].iter();
        boxes.map(|&bbox| Parts::of(map, bbox, options)).collect()
    };
    let parts: Vec<Vec<Option<Parts>>> = maps.iter().zip(pictures).map(parts_of).collect();
    let mut gradients = vec![0.0; maps.len() * channels * cells];
    // Each plane is one thread's, so that sums do not depend on how the work is shared.
    gradients
        .par_chunks_exact_mut(cells)
        .enumerate()
        .for_each(|(plane, out)| {
            let (picture, channel) = (plane / channels, plane % channels);
            let values = &maps[picture].values[channel * cells..][..cells];
            for (row, parts) in pictures[picture].clone().zip(&parts[picture]) {
                let Some(parts) = parts else { continue };
                let gradient = &gradient[(row * channels + channel) * size..][..size];
                for (part, gradient) in gradient.iter().enumerate() {
                    let first_largest =
                        parts
                            .cells(part)
                            .reduce(|best, cell| match values[cell] > values[best] {
                                true => cell,
                                false => best,
                            });
                    if let Some(cell) = first_largest {
                        out[cell] += gradient;
                    }
                }
            }
        });
    gradients
}

/// The cells of a map that each part of a RoI covers.
struct Parts {
    ys: Vec<Range<usize>>,
    xs: Vec<Range<usize>>,
    map_width: usize,
}

impl Parts {
    /// None where the box is one that no picture has.
    fn of(map: &Map<'_>, bbox: BBox, options: RoiPoolOptions) -> Option<Self> {
        if !makes_sense(bbox) {
            return None;
        }
        let [_, height, width] = map.shape;
        let [rows, columns] = options.output;
        // `f32::round` goes half away from zero.
        let [x1, y1, x2, y2] = bbox.map(|side| (side * options.scale()).round() as isize);
        Some(Self {
            ys: along(y1, y2, rows, height),
            xs: along(x1, x2, columns, width),
            map_width: width,
        })
    }

    /// The flat indices of a part's cells, row by row.
    fn cells(&self, part: usize) -> impl Iterator<Item = usize> {
        let columns = self.xs.len();
        let (ys, xs) = (&self.ys[part / columns], &self.xs[part % columns]);
        let row = |y: usize| y * self.map_width;
        ys.clone()
            .flat_map(move |y| xs.clone().map(move |x| row(y) + x))
    }
}

/// The cells of a map's axis of `size` that each of `count` parts of a RoI covers.
fn along(start: isize, last: isize, count: usize, size: usize) -> Vec<Range<usize>> {
    let extent = (last - start + 1).max(1) as usize;
    let on_map = |cell: usize| (start + cell as isize).clamp(0, size as isize) as usize;
    let part = |p: usize| on_map(p * extent / count)..on_map(((p + 1) * extent).div_ceil(count));
    (0..count).map(part).collect()
}

/// [`roi_pool()`] in the compiler's hands.
pub(crate) struct RoiPool;

impl Operation for RoiPool {
    fn id(&self) -> &'static str {
        "fpn::roi_pool"
    }

    fn stage(&self) -> Option<Stage> {
        Some(Stage::BoxHead)
    }

    fn signature(&self, _inputs: usize) -> (Vec<ValueKind>, Vec<ValueKind>) {
        let inputs = [ValueKind::Floats, ValueKind::Floats, ValueKind::Integers];
        (inputs.to_vec(), vec![ValueKind::Floats])
    }

    fn maps(&self, inputs: usize) -> usize {
        inputs.min(1)
    }

    fn dtypes(&self) -> &'static [Dtypes] {
        roi_pool::KERNEL.dtypes
    }

    fn check(
        &self,
        scalars: &[ScalarIr],
        inputs: &[&Value],
        outputs: &[&Value],
    ) -> Result<(), String> {
        let options = RoiPoolOptions::from_scalars(scalars);
        options.check()?;
        one_picture(&inputs[..1])?;
        let [channels, ..] = inputs[0].map();
        let [height, width] = options.output;
        let [boxes, count, made] = [inputs[1], inputs[2], outputs[0]].map(|value| &*value.shape);
        match (boxes, count, made) {
            (&[rois, 4], [1], &[r, c, h, w]) if [r, c, h, w] == [rois, channels, height, width] => {
                Ok(())
            }
            _ => Err(format!(
                "it makes {made:?} from boxes {boxes:?} and a count {count:?}, where \
                 [R, {channels}, {height}, {width}] follows from [R, 4] and [1]"
            )),
        }
    }

    fn schedule(&self, arguments: Arguments<'_>, plan: &mut PlanBuilder<'_>) {
        let options = RoiPoolOptions::from_scalars(arguments.scalars);
        let [map, boxes, count] = arguments.inputs[..] else {
            unreachable!("RoIPool reads a map, boxes and their number")
        };
        let output = arguments.outputs[0];
        let params = roi_pool::Params {
            size: words(plan.size_of(map)),
            cells: words(options.output),
            rois: plan.shape(output)[0] as u32,
            blocks: blocks(plan.shape(output)[1]) as u32,
            scale: options.scale(),
            unused: 0,
        };
        let dispatch = params.dispatch(plan.dtypes(map, output));
        let operands = plan.operands([boxes, count, output, map]);
        plan.push(Draft::making("roi_pool", dispatch, operands, output));
    }

    #[cfg(feature = "verify")]
    fn replay(&self, call: &CustomOpIr, tensors: &mut Handles) {
        let rois = <Flex as RoiPoolOps>::roi_pool(
            tensors.get_float_tensor::<Flex>(&call.inputs[0]),
            tensors.get_float_tensor::<Flex>(&call.inputs[1]),
            tensors.get_int_tensor::<Flex>(&call.inputs[2]),
            RoiPoolOptions::from_scalars(&call.scalars),
        );
        tensors.register_float_tensor::<Flex>(&call.outputs[0].id, rois);
    }
}
