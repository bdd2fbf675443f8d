//! RoIAlign in the compiler's hands.

#[cfg(feature = "verify")]
use burn_ir::CustomOpIr;
use burn_ir::ScalarIr;

use super::RoiAlignOptions;
#[cfg(feature = "verify")]
use super::{Flex, Levels4, RoiAlignOps};
use crate::kernels::{Dtypes, blocks, roi_align};
#[cfg(feature = "verify")]
use crate::ops::flex::Handles;
use crate::ops::operation::{Arguments, Operation, one_picture};
use crate::plan::{Draft, PlanBuilder, Value, ValueKind};
use crate::stage::Stage;

/// Maps it reads, P2…P5.
const LEVELS: usize = 4;

/// [`roi_align`](super::roi_align) in the compiler's hands.
pub(in crate::ops) struct RoiAlign;

impl Operation for RoiAlign {
    fn id(&self) -> &'static str {
        "fpn::roi_align"
    }

    fn stage(&self) -> Option<Stage> {
        Some(Stage::BoxHead)
    }

    fn signature(&self, _inputs: usize) -> (Vec<ValueKind>, Vec<ValueKind>) {
        let mut inputs = vec![ValueKind::Floats; LEVELS + 1];
        inputs.push(ValueKind::Integers);
        (inputs, vec![ValueKind::Floats])
    }

    fn maps(&self) -> usize {
        LEVELS
    }

    fn dtypes(&self) -> &'static [Dtypes] {
        roi_align::KERNEL.dtypes
    }

    fn check(
        &self,
        scalars: &[ScalarIr],
        inputs: &[&Value],
        outputs: &[&Value],
    ) -> Result<(), String> {
        let (levels, rois) = inputs.split_at(LEVELS);
        one_picture(levels)?;
        let channels = levels[0].map()[0];
        if let Some(level) = levels.iter().find(|level| level.map()[0] != channels) {
            return Err(format!(
                "it reads maps of {channels} and of {} channels",
                level.map()[0]
            ));
        }
        let [height, width] = RoiAlignOptions::from_scalars(scalars).output;
        let [boxes, count, made] = [rois[0], rois[1], outputs[0]].map(|value| &*value.shape);
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
        let options = RoiAlignOptions::from_scalars(arguments.scalars);
        let [p2, p3, p4, p5, boxes, count] = arguments.inputs[..] else {
            unreachable!("RoIAlign has six inputs")
        };
        let output = arguments.outputs[0];
        let [rois, channels, rows, columns] = *plan.shape(output) else {
            unreachable!("RoIs are maps")
        };
        let pair = |fine, coarse| {
            let ([h, w], [y, x]) = (plan.size_of(fine), plan.size_of(coarse));
            [h, w, y, x].map(|side| side as u32)
        };
        let params = roi_align::Params {
            sizes: [pair(p2, p3), pair(p4, p5)],
            rois: rois as u32,
            blocks: blocks(channels) as u32,
            sampling_ratio: options.sampling_ratio as u32,
            aligned: options.aligned.into(),
            cells: [rows as u32, columns as u32],
            canonical_size: options.canonical_size,
            unused: 0,
        };
        let dispatch = params.dispatch(plan.dtypes(p2, output));
        let operands = plan.operands([p2, p3, p4, p5, boxes, count, output]);
        plan.push(Draft::making("roi_align", dispatch, operands, output));
    }

    #[cfg(feature = "verify")]
    fn replay(&self, call: &CustomOpIr, tensors: &mut Handles) {
        let levels = Levels4::from_array(std::array::from_fn(|level| {
            tensors.get_float_tensor::<Flex>(&call.inputs[level])
        }));
        let boxes = tensors.get_float_tensor::<Flex>(&call.inputs[LEVELS]);
        let count = tensors.get_int_tensor::<Flex>(&call.inputs[LEVELS + 1]);
        let options = RoiAlignOptions::from_scalars(&call.scalars);
        let rois = <Flex as RoiAlignOps>::roi_align(levels, boxes, count, options);
        tensors.register_float_tensor::<Flex>(&call.outputs[0].id, rois);
    }
}
