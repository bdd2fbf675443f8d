//! RoIAlign in the compiler's hands.

#[cfg(feature = "verify")]
use burn_ir::CustomOpIr;
use burn_ir::ScalarIr;

use super::RoiAlignOptions;
#[cfg(feature = "verify")]
use super::{Flex, Levels, RoiAlignOps};
use crate::kernels::{Dtypes, blocks, roi_align, words};
#[cfg(feature = "verify")]
use crate::ops::flex::Handles;
use crate::ops::operation::{Arguments, Operation, one_picture};
use crate::plan::{Draft, PlanBuilder, Value, ValueKind};
use crate::stage::Stage;

/// Its inputs behind the levels: boxes and their number.
const ROIS: usize = 2;

/// [`roi_align`](super::roi_align) in the compiler's hands.
pub(crate) struct RoiAlign;

impl Operation for RoiAlign {
    fn id(&self) -> &'static str {
        "fpn::roi_align"
    }

    fn stage(&self) -> Option<Stage> {
        Some(Stage::BoxHead)
    }

    fn signature(&self, inputs: usize) -> (Vec<ValueKind>, Vec<ValueKind>) {
        let mut kinds = vec![ValueKind::Floats; inputs.saturating_sub(1)];
        kinds.push(ValueKind::Integers);
        (kinds, vec![ValueKind::Floats])
    }

    fn maps(&self, inputs: usize) -> usize {
        inputs.saturating_sub(ROIS)
    }

    fn dtypes(&self) -> &'static [Dtypes] {
        roi_align::DTYPES
    }

    fn check(
        &self,
        scalars: &[ScalarIr],
        inputs: &[&Value],
        outputs: &[&Value],
    ) -> Result<(), String> {
        let options = RoiAlignOptions::from_scalars(scalars);
        let (levels, rois) = inputs.split_at(inputs.len().saturating_sub(ROIS));
        options.check(levels.len())?;
        one_picture(levels)?;
        let channels = levels[0].map()[0];
        if let Some(level) = levels.iter().find(|level| level.map()[0] != channels) {
            return Err(format!(
                "it reads maps of {channels} and of {} channels",
                level.map()[0]
            ));
        }
        let [height, width] = options.output;
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
        let (levels, rois) = arguments.inputs.split_at(options.strides.len());
        let output = arguments.outputs[0];
        let [count, channels, rows, columns] = *plan.shape(output) else {
            unreachable!("RoIs are maps")
        };
        let [boxes, number, made] = plan.operands([rois[0], rois[1], output]);
        let last = options.strides.len() - 1;
        // A dispatch for as many levels as it may bind, which makes the RoIs that are theirs.
        for first in (0..levels.len()).step_by(roi_align::MAX_LEVELS) {
            let end = levels.len().min(first + roi_align::MAX_LEVELS);
            let bound: Vec<([usize; 2], usize)> = (first..end)
                .map(|level| (plan.size_of(levels[level]), options.strides[level]))
                .collect();
            let params = roi_align::Params {
                rois: count as u32,
                blocks: blocks(channels) as u32,
                sampling_ratio: options.sampling_ratio as u32,
                aligned: options.aligned.into(),
                cells: words([rows, columns]),
                canonical_size: options.canonical_size,
                canonical_level: options.canonical_level as f32,
                finest: options.first_level as f32,
                coarsest: (options.first_level + last) as f32,
                first: (options.first_level + first) as u32,
                epsilons: options.epsilons,
                ..roi_align::Params::over(&bound)
            };
            let dispatch = params.dispatch(bound.len(), plan.dtypes(levels[0], output));
            let mut operands = vec![boxes, number, made];
            operands.extend(levels[first..end].iter().map(|level| plan.operand(*level)));
            plan.push(match end == levels.len() {
                true => Draft::making("roi_align", dispatch, operands, output),
                false => Draft::step("roi_align", dispatch, operands, output),
            });
        }
    }

    #[cfg(feature = "verify")]
    fn replay(&self, call: &CustomOpIr, tensors: &mut Handles) {
        let (levels, rois) = call.inputs.split_at(call.inputs.len() - ROIS);
        let levels = levels.iter();
        let levels = levels.map(|level| tensors.get_float_tensor::<Flex>(level));
        let levels = Levels(levels.collect());
        let boxes = tensors.get_float_tensor::<Flex>(&rois[0]);
        let count = tensors.get_int_tensor::<Flex>(&rois[1]);
        let options = RoiAlignOptions::from_scalars(&call.scalars);
        let rois = <Flex as RoiAlignOps>::roi_align(levels, boxes, count, options);
        tensors.register_float_tensor::<Flex>(&call.outputs[0].id, rois);
    }
}
