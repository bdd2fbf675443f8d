//! Attention within windows in the compiler's hands.

#[cfg(feature = "verify")]
use burn::backend::Flex;
#[cfg(feature = "verify")]
use burn_ir::CustomOpIr;
use burn_ir::ScalarIr;

#[cfg(feature = "verify")]
use super::WindowAttentionOps;
use super::{WindowAttentionOptions, Windows, seen};
use crate::kernels::{Dtypes, window_attention, words};
#[cfg(feature = "verify")]
use crate::ops::flex::Handles;
use crate::ops::operation::{Arguments, Operation, one_picture};
use crate::plan::{Draft, PlanBuilder, Value, ValueKind};

/// [`window_attention()`](super::window_attention()) in the compiler's hands.
pub(in crate::ops) struct WindowAttention;

impl Operation for WindowAttention {
    fn id(&self) -> &'static str {
        "fpn::window_attention"
    }

    fn signature(&self, _inputs: usize) -> (Vec<ValueKind>, Vec<ValueKind>) {
        (vec![ValueKind::Floats; 2], vec![ValueKind::Floats])
    }

    fn maps(&self, _inputs: usize) -> usize {
        // The biases are added to scores, which are not rounded.
        1
    }

    fn dtypes(&self) -> &'static [Dtypes] {
        window_attention::KERNEL.dtypes
    }

    fn check(
        &self,
        scalars: &[ScalarIr],
        inputs: &[&Value],
        outputs: &[&Value],
    ) -> Result<(), String> {
        let (options, _) = WindowAttentionOptions::from_scalars(scalars);
        one_picture(&inputs[..1])?;
        let [all, height, width] = inputs[0].map();
        let channels = all / 3;
        options.check(channels, [height, width])?;
        if !all.is_multiple_of(3) || !(channels / options.heads).is_multiple_of(4) {
            return Err(format!(
                "its {all} channels are no whole blocks of four for each of {} heads",
                options.heads
            ));
        }
        match inputs[1].shape[..] {
            [rows, heads] => options.check_bias([rows, heads])?,
            ref shape => return Err(format!("its biases are {shape:?}")),
        }
        let expected = seen([1, all, height, width]);
        match outputs[0].shape == expected {
            true => Ok(()),
            false => Err(format!(
                "it makes {:?} where {expected:?} follows",
                outputs[0].shape
            )),
        }
    }

    fn schedule(&self, arguments: Arguments<'_>, plan: &mut PlanBuilder<'_>) {
        let ([qkv, bias], [output]) = (arguments.inputs, arguments.outputs) else {
            unreachable!("the signature is checked")
        };
        let (options, scale) = WindowAttentionOptions::from_scalars(arguments.scalars);
        let [channels, height, width] = plan.map(*output);
        let (direction, first) = options.bias_rows();
        let [depth, keys] = [channels / options.heads, options.key_window()];
        let shift = match options.windows {
            Windows::Shifted(shift) => shift,
            Windows::Overlapping(_) => 0,
        };
        let [heads, window, key_window, shift, blocks] =
            words([options.heads, options.window, keys, shift, depth / 4]);
        let params = window_attention::Params {
            size: words([height, width]),
            heads,
            blocks,
            window,
            key_window,
            shift,
            scale,
            direction,
            first,
            unused: [0; 2],
        };
        let dispatch = params.dispatch(plan.dtypes(*qkv, *output));
        let operands = plan.operands([*qkv, *bias, *output]);
        let flop = 4 * (channels * height * width * keys * keys) as u64;
        let draft = Draft::making("window attention", dispatch, operands, *output);
        plan.push(draft.computing(flop));
    }

    #[cfg(feature = "verify")]
    fn replay(&self, call: &CustomOpIr, tensors: &mut Handles) {
        let [qkv, bias] = [0, 1].map(|index| tensors.get_float_tensor::<Flex>(&call.inputs[index]));
        let (options, scale) = WindowAttentionOptions::from_scalars(&call.scalars);
        let made = <Flex as WindowAttentionOps>::window_attention(qkv, bias, options, scale);
        tensors.register_float_tensor::<Flex>(&call.outputs[0].id, made);
    }
}
