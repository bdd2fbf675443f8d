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
use super::flex::{self, Map};
use super::operation::{Arguments, Operation, one_picture};
use crate::boxes::{BBox, makes_sense};
use crate::kernels::{Dtypes, blocks, roi_pool, words};
use crate::plan::{Draft, PlanBuilder, Value, ValueKind};
use crate::stage::Stage;

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
/// - `map`: `[1, C, H, W]`;
/// - `boxes`: `[R, 4]` in pixels of the resized picture, corners inclusive; `count`: `[1]`, how many rows
///   are meant;
/// - returns `[R, C, output…]`.
///
/// A corner becomes a cell, halves rounded away from zero, and a RoI is at least a cell wide and high. Its
/// cell p of n, along each side, is the largest of the map's from `⌊p · size / n⌋` to before
/// `⌈(p + 1) · size / n⌉`, as far as they are on the map, and 0 where none is. A box that no picture has
/// is cropped as zeros: see [`makes_sense`]. It has no gradient.
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
#[backend_extension(Flex, Capture)]
pub trait RoiPoolOps: Backend {
    /// See [`roi_pool()`].
    fn roi_pool(
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
        _count: IntTensor<Self>, // an eager tensor has exactly as many rows
        options: RoiPoolOptions,
    ) -> FloatTensor<Self> {
        let [map, boxes] = [map, boxes].map(flex::contiguous);
        let map = flex::map(&map);
        let boxes = flex::boxes(&boxes);
        let [rows, columns] = options.output;
        let shape = [boxes.len(), map.shape[0], rows, columns];
        let size = shape[1..].iter().product::<usize>();
        let mut rois = vec![0.0; boxes.len() * size];
        rois.par_chunks_exact_mut(size.max(1))
            .zip(boxes)
            .for_each(|(out, &bbox)| pool(&map, bbox, options, out));
        flex::tensor(rois, shape)
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
}

/// What the CPU engine does for [`roi_pool()`]: one box; `out` is `[C, rows, columns]`.
pub fn pool(map: &Map<'_>, bbox: BBox, options: RoiPoolOptions, out: &mut [f32]) {
    out.fill(0.0);
    if !makes_sense(bbox) {
        return;
    }
    let [_, height, width] = map.shape;
    let [rows, columns] = options.output;
    // `f32::round` goes half away from zero.
    let [x1, y1, x2, y2] = bbox.map(|side| (side * options.scale()).round() as isize);
    let ys = parts(y1, y2, rows, height);
    let xs = parts(x1, x2, columns, width);
    let planes = map.values.chunks_exact(height * width);
    for (plane, out) in planes.zip(out.chunks_exact_mut(rows * columns)) {
        for (cell, out) in out.iter_mut().enumerate() {
            let (ys, xs) = (ys[cell / columns].clone(), xs[cell % columns].clone());
            let values = ys.flat_map(|y| &plane[y * width..][xs.clone()]);
            *out = values.copied().reduce(f32::max).unwrap_or_default();
        }
    }
}

/// The cells of a map's axis of `size` that each of `count` parts of a RoI covers.
fn parts(start: isize, last: isize, count: usize, size: usize) -> Vec<Range<usize>> {
    let extent = (last - start + 1).max(1) as usize;
    let on_map = |cell: usize| (start + cell as isize).clamp(0, size as isize) as usize;
    let part = |p: usize| on_map(p * extent / count)..on_map(((p + 1) * extent).div_ceil(count));
    (0..count).map(part).collect()
}

/// [`roi_pool()`] in the compiler's hands.
pub(super) struct RoiPool;

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
