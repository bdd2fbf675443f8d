//! The masks of detections: of each the one of its label, as torchvision's `maskrcnn_inference`.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Capture, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{DType, Int, Shape, Tensor};
#[cfg(feature = "verify")]
use burn_ir::CustomOpIr;
use burn_ir::ScalarIr;

use super::capture::record;
use super::flex;
#[cfg(feature = "verify")]
use super::flex::Handles;
use super::operation::{Arguments, Operation};
use super::roi_decode::sigmoid;
use crate::kernels::select_masks as kernel;
use crate::plan::{Draft, PlanBuilder, Value, ValueKind};
use crate::stage::Stage;

/// Logits `[D, K, H, W]` and labels `[D]`, each below K, → probabilities `[D, H · W]` that a pixel is of a detection's
/// object: the sigmoid of its label's logits.
pub fn select_masks(logits: Tensor<4>, labels: Tensor<1, Int>) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as MaskSelectOps>::select_masks(
        logits.into_dispatch(),
        labels.into_dispatch(),
    ))
}

/// Backends that can run [`select_masks()`].
#[backend_extension(Flex, Capture)]
pub trait MaskSelectOps: Backend {
    /// See [`select_masks()`].
    fn select_masks(logits: FloatTensor<Self>, labels: IntTensor<Self>) -> FloatTensor<Self>;
}

impl MaskSelectOps for Flex {
    fn select_masks(logits: FloatTensor<Self>, labels: IntTensor<Self>) -> FloatTensor<Self> {
        let [rois, _, height, width] = logits.shape().dims();
        let [logits, labels] = [logits, labels].map(flex::contiguous);
        let maps = flex::maps(&logits).into_iter();
        let masks = maps.zip(flex::values::<i32>(&labels));
        let probabilities = masks.flat_map(|(map, &label)| {
            let pixels = 0..map.cells();
            pixels.map(move |pixel| sigmoid(map.at(label as usize, pixel)))
        });
        let probabilities: Vec<f32> = probabilities.collect();
        flex::tensor(probabilities, [rois, height * width])
    }
}

impl MaskSelectOps for Capture {
    fn select_masks(logits: FloatTensor<Self>, labels: IntTensor<Self>) -> FloatTensor<Self> {
        let [rois, _, height, width] = logits.shape().dims();
        let outputs = [(Shape::from([rois, height * width]), DType::F32)];
        let [masks] = record(SelectMasks.id(), vec![logits, labels], Vec::new(), outputs);
        masks
    }
}

/// [`select_masks()`] in the compiler's hands.
pub(super) struct SelectMasks;

impl Operation for SelectMasks {
    fn id(&self) -> &'static str {
        "fpn::select_masks"
    }

    fn stage(&self) -> Option<Stage> {
        Some(Stage::Instances)
    }

    fn signature(&self, _inputs: usize) -> (Vec<ValueKind>, Vec<ValueKind>) {
        let inputs = vec![ValueKind::Floats, ValueKind::Integers];
        (inputs, vec![ValueKind::Floats])
    }

    fn check(
        &self,
        _scalars: &[ScalarIr],
        inputs: &[&Value],
        outputs: &[&Value],
    ) -> Result<(), String> {
        let shapes: Vec<&[usize]> = inputs.iter().map(|input| &*input.shape).collect();
        match shapes[..] {
            [&[rois, classes, height, width], &[labels]]
                if labels == rois && classes > 0 && *outputs[0].shape == [rois, height * width] =>
            {
                Ok(())
            }
            _ => Err(format!(
                "it reads logits and labels of {shapes:?}, where [D, K, H, W] and [D] are expected"
            )),
        }
    }

    fn schedule(&self, arguments: Arguments<'_>, plan: &mut PlanBuilder<'_>) {
        let (logits, labels) = (arguments.inputs[0], arguments.inputs[1]);
        let masks = arguments.outputs[0];
        let [classes, height, width] = plan.map(logits);
        let params = kernel::Params {
            rois: plan.items(logits) as u32,
            pixels: (height * width) as u32,
            classes: classes as u32,
            pitch: plan.pitch(logits) as u32,
        };
        let operands = plan.operands([logits, labels, masks]);
        plan.push(Draft::making("masks", params.dispatch(), operands, masks));
    }

    #[cfg(feature = "verify")]
    fn replay(&self, call: &CustomOpIr, tensors: &mut Handles) {
        let logits = tensors.get_float_tensor::<Flex>(&call.inputs[0]);
        let labels = tensors.get_int_tensor::<Flex>(&call.inputs[1]);
        let masks = <Flex as MaskSelectOps>::select_masks(logits, labels);
        tensors.register_float_tensor::<Flex>(&call.outputs[0].id, masks);
    }
}
