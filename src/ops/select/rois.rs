//! The final selection of a detector that looks at its detections again: they come as RoIs too.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{
    Backend, Capture, Dispatch, ExtensionType, Flex, TensorMetadata, backend_extension,
};
use burn::tensor::{DType, Int, Shape, Tensor};
#[cfg(feature = "verify")]
use burn_ir::CustomOpIr;
use burn_ir::ScalarIr;

use super::{Place, SelectOptions, check_widths, schedule, select_kept};
use crate::ops::candidates::{self, CANDIDATES, Candidates, captured_shapes};
use crate::ops::capture::record;
use crate::ops::flex;
#[cfg(feature = "verify")]
use crate::ops::flex::Handles;
use crate::ops::operation::{Arguments, Operation};
use crate::plan::{PlanBuilder, Value, ValueKind};
use crate::stage::Stage;

/// What was selected, to be looked at again; in the detections' order.
pub struct Rois {
    /// `[D, 4]` in pixels of the resized picture.
    pub boxes: Tensor<2>,
    /// `[D]`, the model's labels.
    pub labels: Tensor<1, Int>,
    /// `[1]`, how many rows are meant.
    pub count: Tensor<1, Int>,
}

/// As [`select_detections`](super::select_detections()), and what was selected as RoIs.
pub fn select_rois(
    candidates: Candidates<Dispatch>,
    frame: Tensor<1>,
    options: SelectOptions,
) -> (Candidates<Dispatch>, Rois) {
    let selected =
        <Dispatch as SelectRoisOps>::select_rois(candidates, frame.into_dispatch(), options);
    let (detections, boxes, [labels, count]) = selected.into_parts();
    let rois = Rois {
        boxes: Tensor::from_dispatch(boxes),
        labels: Tensor::from_dispatch(labels),
        count: Tensor::from_dispatch(count),
    };
    (detections, rois)
}

/// Detections, as [`Candidates`] hold them, and RoIs, as [`Rois`] do.
#[derive(ExtensionType)]
pub struct Selected<B: Backend> {
    /// Of detections.
    pub rows: FloatTensor<B>,
    /// Of detections.
    pub scores: FloatTensor<B>,
    /// Of detections.
    pub labels: IntTensor<B>,
    /// Of detections.
    pub levels: IntTensor<B>,
    /// Of detections.
    pub count: IntTensor<B>,
    /// Of RoIs.
    pub roi_boxes: FloatTensor<B>,
    /// Of RoIs.
    pub roi_labels: IntTensor<B>,
    /// Of RoIs.
    pub roi_count: IntTensor<B>,
}

impl<B: Backend> Selected<B> {
    /// Detections and RoIs.
    fn of(
        detections: Candidates<B>,
        roi_boxes: FloatTensor<B>,
        [roi_labels, roi_count]: [IntTensor<B>; 2],
    ) -> Self {
        Self {
            rows: detections.rows,
            scores: detections.scores,
            labels: detections.labels,
            levels: detections.levels,
            count: detections.count,
            roi_boxes,
            roi_labels,
            roi_count,
        }
    }

    /// The detections; the RoIs' boxes; their labels and number.
    fn into_parts(self) -> (Candidates<B>, FloatTensor<B>, [IntTensor<B>; 2]) {
        let detections = Candidates {
            rows: self.rows,
            scores: self.scores,
            labels: self.labels,
            levels: self.levels,
            count: self.count,
        };
        (
            detections,
            self.roi_boxes,
            [self.roi_labels, self.roi_count],
        )
    }
}

/// Backends that can run [`select_rois()`].
#[backend_extension(Flex, Capture)]
pub trait SelectRoisOps: Backend {
    /// See [`select_rois()`].
    fn select_rois(
        #[extension_type] candidates: Candidates<Self>,
        frame: FloatTensor<Self>,
        options: SelectOptions,
    ) -> Selected<Self>;
}

impl SelectRoisOps for Flex {
    fn select_rois(
        candidates: Candidates<Self>,
        frame: FloatTensor<Self>,
        options: SelectOptions,
    ) -> Selected<Self> {
        let landmarks = candidates.rows.shape()[1] - 4;
        let frame = flex::contiguous(frame);
        let frame = flex::values::<f32>(&frame);
        let kept = select_kept(candidates.into_memory(), Place::of(frame), options);
        let boxes: Vec<f32> = kept.iter().flat_map(|(own, _)| own.bbox).collect();
        let labels: Vec<i32> = kept.iter().map(|(own, _)| own.label).collect();
        let number = kept.len();
        let restored: Vec<_> = kept.into_iter().map(|(_, restored)| restored).collect();
        Selected::of(
            Candidates::from_memory(&restored, landmarks),
            flex::tensor(boxes, [number, 4]),
            [
                flex::tensor(labels, [number]),
                flex::tensor(vec![number as i32], [1]),
            ],
        )
    }
}

impl SelectRoisOps for Capture {
    fn select_rois(
        candidates: Candidates<Self>,
        frame: FloatTensor<Self>,
        options: SelectOptions,
    ) -> Selected<Self> {
        let width = candidates.rows.shape()[1];
        let mut inputs = candidates.into_captured().to_vec();
        inputs.push(frame);
        let limit = options.limit;
        let [a, b, c, d, e] = captured_shapes(limit, width);
        let outputs = [
            a,
            b,
            c,
            d,
            e,
            (Shape::from([limit, 4]), DType::F32),
            (Shape::from([limit]), DType::I32),
            (Shape::from([1]), DType::I32),
        ];
        let [
            rows,
            scores,
            labels,
            levels,
            count,
            boxes,
            roi_labels,
            roi_count,
        ] = record(SelectRois.id(), inputs, options.to_scalars(), outputs);
        let detections = Candidates::from_captured([rows, scores, labels, levels, count]);
        Selected::of(detections, boxes, [roi_labels, roi_count])
    }
}

/// [`select_rois()`] in the compiler's hands.
pub(crate) struct SelectRois;

impl Operation for SelectRois {
    fn id(&self) -> &'static str {
        "fpn::select_rois"
    }

    fn stage(&self) -> Option<Stage> {
        Some(Stage::Selection)
    }

    fn signature(&self, _inputs: usize) -> (Vec<ValueKind>, Vec<ValueKind>) {
        let mut inputs = CANDIDATES.to_vec();
        inputs.push(ValueKind::Frame);
        let mut outputs = vec![ValueKind::Detections; CANDIDATES.len()];
        outputs.extend([ValueKind::Floats, ValueKind::Integers, ValueKind::Integers]);
        (inputs, outputs)
    }

    fn check(
        &self,
        _scalars: &[ScalarIr],
        inputs: &[&Value],
        outputs: &[&Value],
    ) -> Result<(), String> {
        let (detections, rois) = outputs.split_at(CANDIDATES.len());
        candidates::check(&inputs[..CANDIDATES.len()])?;
        candidates::check(detections)?;
        check_widths(inputs[0], detections[0])?;
        let shapes: Vec<&[usize]> = rois.iter().map(|roi| &*roi.shape).collect();
        let limit = detections[0].shape[0];
        match shapes[..] {
            [&[boxes, 4], &[labels], &[1]] if [boxes, labels] == [limit; 2] => Ok(()),
            _ => Err(format!(
                "it makes RoIs of {shapes:?}, where [{limit}, 4], [{limit}] and [1] are expected"
            )),
        }
    }

    fn schedule(&self, arguments: Arguments<'_>, plan: &mut PlanBuilder<'_>) {
        schedule(arguments, plan, &arguments.outputs[CANDIDATES.len()..]);
    }

    #[cfg(feature = "verify")]
    fn replay(&self, call: &CustomOpIr, tensors: &mut Handles) {
        let (candidates, frame) = call.inputs.split_at(CANDIDATES.len());
        let candidates = Candidates::read(candidates, tensors);
        let frame = tensors.get_float_tensor::<Flex>(&frame[0]);
        let options = SelectOptions::from_scalars(&call.scalars);
        let found = <Flex as SelectRoisOps>::select_rois(candidates, frame, options);
        let (detections, boxes, [labels, count]) = found.into_parts();
        let (of_detections, rois) = call.outputs.split_at(CANDIDATES.len());
        tensors.register_float_tensor::<Flex>(&rois[0].id, boxes);
        tensors.register_int_tensor::<Flex>(&rois[1].id, labels);
        tensors.register_int_tensor::<Flex>(&rois[2].id, count);
        detections.register(of_detections, tensors);
    }
}
