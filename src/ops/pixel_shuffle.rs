//! PixelShuffle (Shi et al., 2016, <https://arxiv.org/abs/1609.05158>), as PyTorch's
//! `nn.PixelShuffle`: channels become resolution.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Capture, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{DType, Shape, Tensor};
#[cfg(feature = "verify")]
use burn_ir::CustomOpIr;
use burn_ir::ScalarIr;

use super::capture::{record, size};
use super::flex;
#[cfg(feature = "verify")]
use super::flex::Handles;
use super::operation::{Arguments, Extension, Operation, one_picture};
use crate::kernels::{Dtypes, blocks, pixel_shuffle, words};
use crate::plan::{Draft, PlanBuilder, Value, ValueKind};

/// `[N, C · r², H, W]` → `[N, C, H · r, W · r]`: channel `c · r² + i · r + j` of a cell becomes channel
/// `c` of row `i` and column `j` of the square in its place; `factor` is r. Captured, N is 1.
///
/// # Panics
/// If the channels are no multiple of r².
pub fn pixel_shuffle(map: Tensor<4>, factor: usize) -> Tensor<4> {
    let [_, channels, ..] = map.dims();
    assert!(
        factor > 0 && channels.is_multiple_of(factor * factor),
        "{channels} channels are no squares of {factor} by {factor}"
    );
    Tensor::from_dispatch(<Dispatch as PixelShuffleOps>::pixel_shuffle(
        map.into_dispatch(),
        factor,
    ))
}

/// Backends that can run [`pixel_shuffle()`].
#[backend_extension(Flex, Capture, Autodiff: cfg(feature = "train"))]
pub trait PixelShuffleOps: Backend {
    /// See [`pixel_shuffle()`].
    fn pixel_shuffle(map: FloatTensor<Self>, factor: usize) -> FloatTensor<Self>;
}

impl PixelShuffleOps for Flex {
    fn pixel_shuffle(map: FloatTensor<Self>, factor: usize) -> FloatTensor<Self> {
        let shape = shuffled(map.shape().dims(), factor);
        let map = flex::contiguous(map);
        let items = flex::maps(&map).into_iter();
        let values = items.flat_map(|item| shuffle(&item, factor)).collect();
        flex::tensor::<f32>(values, shape)
    }
}

impl PixelShuffleOps for Capture {
    fn pixel_shuffle(map: FloatTensor<Self>, factor: usize) -> FloatTensor<Self> {
        let shape = shuffled(map.shape().dims(), factor);
        let scalars = vec![ScalarIr::UInt(factor as u64)];
        let outputs = [(Shape::from(shape), DType::F32)];
        let [made] = record(PixelShuffle.id(), vec![map], scalars, outputs);
        made
    }
}

fn shuffled([items, channels, height, width]: [usize; 4], factor: usize) -> [usize; 4] {
    let square = factor * factor;
    [items, channels / square, height * factor, width * factor]
}

/// Where gradients are asked for.
#[cfg(feature = "train")]
mod gradient {
    use burn::backend::Autodiff;
    use burn::backend::TensorMetadata;
    use burn::backend::autodiff::checkpoint::base::Checkpointer;
    use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
    use burn::backend::autodiff::grads::Gradients;
    use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
    use burn::backend::tensor::FloatTensor;

    use super::PixelShuffleOps;

    #[derive(Debug)]
    struct Shuffle;

    impl<B: PixelShuffleOps> Backward<B, 1> for Shuffle {
        type State = usize;

        fn backward(
            self,
            ops: Ops<Self::State, 1>,
            gradients: &mut Gradients,
            _checkpointer: &mut Checkpointer,
        ) {
            let (gradient, factor) = (gradients.consume::<B>(&ops.node), ops.state);
            let [items, channels, height, width] = gradient.shape().dims();
            let (cells, square) = ([height / factor, width / factor], factor * factor);
            let shape = [items, channels, cells[0], factor, cells[1], factor];
            let gradient = B::float_reshape(gradient, shape.into());
            let gradient = B::float_permute(gradient, &[0, 1, 3, 5, 2, 4]);
            let shape = [items, channels * square, cells[0], cells[1]];
            let gradient = B::float_reshape(gradient, shape.into());
            let [node] = ops.parents;
            if let Some(node) = node {
                gradients.register::<B>(node.id, gradient);
            }
        }
    }

    impl<B: PixelShuffleOps, C: CheckpointStrategy> PixelShuffleOps for Autodiff<B, C> {
        fn pixel_shuffle(map: FloatTensor<Self>, factor: usize) -> FloatTensor<Self> {
            let nodes = [map.node()];
            let map = map.into_primitive();
            match Shuffle.prepare::<C>(nodes).compute_bound().stateful() {
                OpsKind::Tracked(prepared) => {
                    prepared.finish(factor, B::pixel_shuffle(map, factor))
                }
                OpsKind::UnTracked(prepared) => prepared.finish(B::pixel_shuffle(map, factor)),
            }
        }
    }
}

/// What the CPU engine does for [`pixel_shuffle()`]: the values of one map.
pub fn shuffle(map: &flex::Map<'_>, factor: usize) -> Vec<f32> {
    let [channels, height, width] = map.shape;
    let square = factor * factor;
    let mut values = Vec::with_capacity(map.values.len());
    for channel in 0..channels / square {
        for y in 0..height * factor {
            for x in 0..width * factor {
                let within = y % factor * factor + x % factor;
                let cell = y / factor * width + x / factor;
                values.push(map.at(channel * square + within, cell));
            }
        }
    }
    values
}

/// The factor of a captured operation, if it is [`pixel_shuffle()`]: a convolution can take it in.
pub fn factor(extension: &Extension) -> Option<usize> {
    let is_own = extension.operation.id() == PixelShuffle.id();
    is_own.then(|| size(extension.scalars[0]))
}

/// [`pixel_shuffle()`] in the compiler's hands.
pub(super) struct PixelShuffle;

impl Operation for PixelShuffle {
    fn id(&self) -> &'static str {
        "fpn::pixel_shuffle"
    }

    fn signature(&self, _inputs: usize) -> (Vec<ValueKind>, Vec<ValueKind>) {
        (vec![ValueKind::Floats], vec![ValueKind::Floats])
    }

    fn maps(&self, inputs: usize) -> usize {
        inputs
    }

    fn dtypes(&self) -> &'static [Dtypes] {
        pixel_shuffle::KERNEL.dtypes
    }

    fn check(
        &self,
        scalars: &[ScalarIr],
        inputs: &[&Value],
        outputs: &[&Value],
    ) -> Result<(), String> {
        one_picture(inputs)?;
        let factor = size(scalars[0]);
        let [channels, height, width] = inputs[0].map();
        if factor == 0 || !channels.is_multiple_of(factor * factor) {
            return Err(format!(
                "its {channels} channels are no squares of {factor} by {factor}"
            ));
        }
        let expected = shuffled([1, channels, height, width], factor);
        match outputs[0].shape == expected {
            true => Ok(()),
            false => Err(format!(
                "it makes {:?} where {expected:?} follows",
                outputs[0].shape
            )),
        }
    }

    fn schedule(&self, arguments: Arguments<'_>, plan: &mut PlanBuilder<'_>) {
        let (input, output) = (arguments.inputs[0], arguments.outputs[0]);
        let [in_channels, height, width] = plan.map(input);
        let [channels, ..] = plan.map(output);
        let params = pixel_shuffle::Params {
            in_size: words([height, width]),
            in_blocks: blocks(in_channels) as u32,
            out_blocks: blocks(channels) as u32,
            channels: channels as u32,
            factor: size(arguments.scalars[0]) as u32,
            unused: [0; 2],
        };
        let dispatch = params.dispatch(plan.dtypes(input, output));
        let operands = plan.operands([input, output]);
        plan.push(Draft::making("pixel_shuffle", dispatch, operands, output));
    }

    #[cfg(feature = "verify")]
    fn replay(&self, call: &CustomOpIr, tensors: &mut Handles) {
        let map = tensors.get_float_tensor::<Flex>(&call.inputs[0]);
        let made = <Flex as PixelShuffleOps>::pixel_shuffle(map, size(call.scalars[0]));
        tensors.register_float_tensor::<Flex>(&call.outputs[0].id, made);
    }
}
