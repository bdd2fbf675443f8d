//! A captured graph run eagerly by Burn, operation by operation: what each of its tensors holds.

use std::collections::BTreeMap;

use burn::backend::{Flex, TensorMetadata};
use burn::tensor::TensorData;
use burn_ir::{BaseOperationIr, HandleKind, OperationIr, TensorId, TensorIr, TensorStatus};
use burn_router::{CustomOpRegistry, TensorInterpreter};

use crate::compile::CapturedModel;
use crate::ops;
use crate::weights::{StoredTensor, WeightsError};

/// The values of a captured graph's tensors of floats, row-major, by identity.
pub type Replay = BTreeMap<TensorId, Vec<f32>>;

/// Run a captured graph over its inputs, in order, and a picture's sizes `[6]` where it reads them, with
/// parameters as they are in PyTorch's layout.
///
/// # Errors
/// If a parameter cannot be read.
pub fn replay(
    captured: &CapturedModel,
    parameter: &dyn Fn(&str) -> StoredTensor,
    inputs: Vec<TensorData>,
    frame: Option<TensorData>,
) -> Result<Replay, WeightsError> {
    let mut registry = CustomOpRegistry::<Flex>::new();
    for operation in ops::ALL {
        registry.register(operation.id(), move |tensors, call, _| {
            operation.replay(call, tensors);
        });
    }
    let mut interpreter = TensorInterpreter::<Flex>::with_custom_ops(Default::default(), registry);
    let mut known = Vec::new();
    let inputs = captured.inputs.iter().map(|input| input.tensor).zip(inputs);
    let made = captured.values.iter().map(|(id, data)| (*id, data.clone()));
    let made = made.filter(|(id, _)| !captured.parameters.contains_key(id));
    for (id, data) in made
        .chain(inputs)
        .chain(captured.frame.into_iter().zip(frame))
    {
        known.push(id);
        interpreter.register_tensor_data_id(id, data);
    }
    for (&id, path) in &captured.parameters {
        known.push(id);
        let stored = parameter(path);
        let values = stored.read()?;
        let data = match (captured.linear.contains(&id), &stored.shape[..]) {
            (true, &[outputs, inputs]) => {
                let transposed = (0..inputs * outputs)
                    .map(|index| values[index % outputs * inputs + index / outputs]);
                TensorData::new(transposed.collect::<Vec<f32>>(), [inputs, outputs])
            }
            _ => TensorData::new(values, stored.shape.clone()),
        };
        interpreter.register_tensor_data_id(id, data);
    }
    let mut replay = Replay::new();
    for operation in &captured.graph.operations {
        // What would make first values of parameters, or the inputs.
        if operation.outputs().any(|tensor| known.contains(&tensor.id)) {
            continue;
        }
        let operation = of_rows_found(operation, &mut interpreter);
        interpreter.register_op(operation.clone());
        for output in operation.outputs().filter(|tensor| tensor.dtype.is_float()) {
            replay.insert(output.id, values(&mut interpreter, output));
        }
    }
    Ok(replay)
}

/// The operation where fewer rows were found than the graph has room for: Burn recorded a flatten's shape.
fn of_rows_found(
    operation: &OperationIr,
    interpreter: &mut TensorInterpreter<Flex>,
) -> OperationIr {
    let mut operation = operation.clone();
    if let OperationIr::BaseFloat(BaseOperationIr::Reshape(reshape)) = &mut operation {
        let recorded = reshape.input.shape[0];
        let HandleKind::Float(input) = interpreter.get_tensor_handle(&kept(&reshape.input)) else {
            unreachable!("the tensor is one of floats")
        };
        let found = input.shape()[0];
        if found != recorded && reshape.out.shape[0] == recorded {
            reshape.out.shape[0] = found;
        }
    }
    operation
}

/// The tensor, to be read and not used up.
fn kept(tensor: &TensorIr) -> TensorIr {
    TensorIr {
        status: TensorStatus::ReadOnly,
        ..tensor.clone()
    }
}

fn values(interpreter: &mut TensorInterpreter<Flex>, tensor: &TensorIr) -> Vec<f32> {
    let HandleKind::Float(tensor) = interpreter.get_tensor_handle(&kept(tensor)) else {
        unreachable!("the tensor is one of floats")
    };
    let tensor = tensor.to_contiguous();
    tensor
        .as_slice()
        .expect("the tensor is contiguous")
        .to_vec()
}
