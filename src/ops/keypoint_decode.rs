//! The keypoints of detections: where their heat maps are highest, as torchvision's `heatmaps_to_keypoints`.

use std::array::from_fn;

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Capture, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{DType, Int, Shape, Tensor};
#[cfg(feature = "verify")]
use burn_ir::CustomOpIr;
use burn_ir::ScalarIr;
use rayon::prelude::*;

use super::capture::record;
#[cfg(feature = "verify")]
use super::flex::Handles;
use super::flex::{self, Map};
use super::operation::{Arguments, Operation};
use crate::boxes::BBox;
use crate::kernels::decode_keypoints as kernel;
use crate::plan::{Draft, PlanBuilder, Value, ValueKind};
use crate::stage::Stage;

/// Heat maps `[D, K, H, W]` and boxes `[D, 4]`, of which `count` `[1]` are meant, → `[D, 3K]`: x, y and score of each
/// keypoint, in the boxes' pixels.
///
/// A heat map is resized to the whole pixels that its box covers, bicubically (a = -0.75, pixels' centres at halves),
/// and the highest, of several the first, is the keypoint.
pub fn decode_keypoints(
    heat_maps: Tensor<4>,
    boxes: Tensor<2>,
    count: Tensor<1, Int>,
) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as KeypointDecodeOps>::decode_keypoints(
        heat_maps.into_dispatch(),
        boxes.into_dispatch(),
        count.into_dispatch(),
    ))
}

/// Backends that can run [`decode_keypoints()`].
#[backend_extension(Flex, Capture)]
pub trait KeypointDecodeOps: Backend {
    /// See [`decode_keypoints()`].
    fn decode_keypoints(
        heat_maps: FloatTensor<Self>,
        boxes: FloatTensor<Self>,
        count: IntTensor<Self>,
    ) -> FloatTensor<Self>;
}

impl KeypointDecodeOps for Flex {
    fn decode_keypoints(
        heat_maps: FloatTensor<Self>,
        boxes: FloatTensor<Self>,
        _count: IntTensor<Self>, // an eager tensor has exactly as many rows
    ) -> FloatTensor<Self> {
        let [rois, keypoints, ..] = heat_maps.shape().dims::<4>();
        let [heat_maps, boxes] = [heat_maps, boxes].map(flex::contiguous);
        let maps = flex::maps(&heat_maps);
        let boxes = flex::boxes(&boxes);
        let all = (0..rois * keypoints).into_par_iter();
        let found: Vec<[f32; 3]> = all
            .map(|index| {
                let (roi, keypoint) = (index / keypoints, index % keypoints);
                highest(&maps[roi], keypoint, boxes[roi])
            })
            .collect();
        let found: Vec<f32> = found.into_iter().flatten().collect();
        flex::tensor(found, [rois, 3 * keypoints])
    }
}

impl KeypointDecodeOps for Capture {
    fn decode_keypoints(
        heat_maps: FloatTensor<Self>,
        boxes: FloatTensor<Self>,
        count: IntTensor<Self>,
    ) -> FloatTensor<Self> {
        let [rois, keypoints, ..] = heat_maps.shape().dims::<4>();
        let outputs = [(Shape::from([rois, 3 * keypoints]), DType::F32)];
        let inputs = vec![heat_maps, boxes, count];
        let [found] = record(DecodeKeypoints.id(), inputs, Vec::new(), outputs);
        found
    }
}

/// x, y and score of the highest place of a channel of the map, laid over the box.
fn highest(map: &Map<'_>, channel: usize, bbox: BBox) -> [f32; 3] {
    let [_, height, width] = map.shape;
    let extent: [f32; 2] = from_fn(|k| (bbox[k + 2] - bbox[k]).max(1.0));
    let whole = extent.map(f32::ceil);
    let columns = taps(whole[0], width);
    let rows = taps(whole[1], height);
    let mut best = (f32::MIN, [0, 0]);
    for (y, (row_cells, row_weights)) in rows.iter().enumerate() {
        for (x, (cells, weights)) in columns.iter().enumerate() {
            let of_row = |row: usize| -> f32 {
                let values = cells.map(|column| map.at(channel, row * width + column));
                (0..4).fold(0.0, |sum, k| sum + values[k] * weights[k])
            };
            let values = row_cells.map(of_row);
            let value = (0..4).fold(0.0, |sum, k| sum + values[k] * row_weights[k]);
            if value > best.0 {
                best = (value, [x, y]);
            }
        }
    }
    let (score, place) = best;
    let point = |k: usize| bbox[k] + (place[k] as f32 + 0.5) * (extent[k] / whole[k]);
    [point(0), point(1), score]
}

/// For each of so many pixels the four cells around it, cut to the map, and what each counts: Keys' cubic,
/// a = -0.75.
fn taps(pixels: f32, cells: usize) -> Vec<([usize; 4], [f32; 4])> {
    let scale = cells as f32 / pixels;
    let near = |t: f32| (1.25 * t - 2.25) * t * t + 1.0;
    let far = |t: f32| ((-0.75 * t + 3.75) * t - 6.0) * t + 3.0;
    let of_pixel = |pixel: usize| {
        let place = (pixel as f32 + 0.5) * scale - 0.5;
        let t = place - place.floor();
        let first = place.floor() as isize - 1;
        let last = cells as isize - 1;
        let cell = |k: usize| (first + k as isize).clamp(0, last) as usize;
        let weights = [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)];
        (from_fn(cell), weights)
    };
    (0..pixels as usize).map(of_pixel).collect()
}

/// [`decode_keypoints()`] in the compiler's hands.
pub(super) struct DecodeKeypoints;

impl Operation for DecodeKeypoints {
    fn id(&self) -> &'static str {
        "fpn::decode_keypoints"
    }

    fn stage(&self) -> Option<Stage> {
        Some(Stage::Instances)
    }

    fn signature(&self, _inputs: usize) -> (Vec<ValueKind>, Vec<ValueKind>) {
        let inputs = vec![ValueKind::Floats, ValueKind::Floats, ValueKind::Integers];
        (inputs, vec![ValueKind::Floats])
    }

    fn check(
        &self,
        _scalars: &[ScalarIr],
        inputs: &[&Value],
        outputs: &[&Value],
    ) -> Result<(), String> {
        let shapes: Vec<&[usize]> = inputs.iter().map(|input| &*input.shape).collect();
        let [rois, keypoints, height, width] = match shapes[..] {
            [&[rois, keypoints, height, width], &[boxes, 4], &[1]] if boxes == rois => {
                [rois, keypoints, height, width]
            }
            _ => {
                return Err(format!(
                    "it reads heat maps, boxes and a count of {shapes:?}, where [D, K, H, W], [D, 4] and [1] \
                     are expected"
                ));
            }
        };
        if *outputs[0].shape != [rois, 3 * keypoints] {
            return Err(format!(
                "it makes other rows than [{rois}, {}]",
                3 * keypoints
            ));
        }
        match height * width <= kernel::MOST_CELLS {
            true => Ok(()),
            false => Err(format!(
                "it reads heat maps of {height}×{width} cells, where {} are the most",
                kernel::MOST_CELLS
            )),
        }
    }

    fn schedule(&self, arguments: Arguments<'_>, plan: &mut PlanBuilder<'_>) {
        let [heat_maps, boxes, count] = arguments.inputs[..] else {
            unreachable!("keypoints are decoded from three inputs")
        };
        let found = arguments.outputs[0];
        let [keypoints, height, width] = plan.map(heat_maps);
        let params = kernel::Params {
            size: [height as u32, width as u32],
            keypoints: keypoints as u32,
            pitch: plan.pitch(heat_maps) as u32,
            row: plan.pitch(found) as u32,
            ..Default::default()
        };
        let dispatch = params.dispatch(plan.items(heat_maps));
        let operands = plan.operands([heat_maps, boxes, count, found]);
        plan.push(Draft::making("keypoints", dispatch, operands, found));
    }

    #[cfg(feature = "verify")]
    fn replay(&self, call: &CustomOpIr, tensors: &mut Handles) {
        let heat_maps = tensors.get_float_tensor::<Flex>(&call.inputs[0]);
        let boxes = tensors.get_float_tensor::<Flex>(&call.inputs[1]);
        let count = tensors.get_int_tensor::<Flex>(&call.inputs[2]);
        let found = <Flex as KeypointDecodeOps>::decode_keypoints(heat_maps, boxes, count);
        tensors.register_float_tensor::<Flex>(&call.outputs[0].id, found);
    }
}
