//! Recording an operation of ours in a captured graph.

use burn::backend::{Capture, tensor::FloatTensor};
use burn::tensor::{DType, Shape};
use burn_ir::{CustomOpIr, OperationIr, ScalarIr, TensorIr};
use burn_router::RouterClient;

/// A tensor of a captured graph.
pub(super) type Captured = FloatTensor<Capture>;

/// Record `id` over `inputs`; one tensor for each of `outputs` comes back.
///
/// # Panics
/// If there are no inputs: the graph to record into is theirs.
pub(super) fn record<const N: usize>(
    id: &'static str,
    inputs: Vec<Captured>,
    scalars: Vec<ScalarIr>,
    outputs: [(Shape, DType); N],
) -> [Captured; N] {
    let client = inputs
        .first()
        .expect("an operation has inputs")
        .client
        .clone();
    let inputs: Vec<TensorIr> = inputs.into_iter().map(Captured::into_ir).collect();
    let outputs =
        outputs.map(|(shape, dtype)| TensorIr::uninit(client.create_empty_handle(), shape, dtype));
    let operation = CustomOpIr::with_scalars(id, &inputs, &outputs, scalars);
    client
        .register(OperationIr::Custom(operation))
        .try_into()
        .unwrap_or_else(|_| unreachable!("one tensor an output"))
}

/// A recorded size.
pub(super) fn size(scalar: ScalarIr) -> usize {
    scalar.elem::<u64>() as usize
}
