//! Recording a model's forward pass as a graph of operations, without its weights.

use std::collections::BTreeMap;

use burn::backend::capture::{CaptureScope, CompletedCaptureScope};
use burn::backend::{BackendTensor, Capture, DispatchKindConversion, DispatchTensor};
use burn::tensor::{DType, Device, Tensor};
use burn_ir::{GraphIr, TensorId};
use burn_router::{RouterClient, RouterTensor};

use crate::models::parameters;
use crate::models::{Model, ModelConfig, Selection};

/// Burn could not record the forward pass.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the model cannot be captured: {0}")]
pub struct CaptureError(String);

/// A forward pass as a graph.
#[derive(Clone, Debug)]
pub struct CapturedModel {
    /// The operations in order. Inputs: the picture `[1, 3, H, W]` and the frame `[4]`. Outputs:
    /// the detections' rows, scores, labels, levels and count.
    pub graph: GraphIr,
    /// Which tensors are parameters, by path in the module. A graph holds no values of theirs.
    pub parameters: BTreeMap<TensorId, String>,
    /// The pyramid's levels, finest first.
    pub pyramid: Vec<TensorId>,
}

/// Record `config`'s forward pass over an input of `padded` height and width.
///
/// The module is a fresh one on the capture device, so nothing of a checkpoint is copied.
///
/// # Errors
/// If Burn finds the recorded graph inconsistent.
pub fn capture(
    config: &ModelConfig,
    padded: [usize; 2],
    selection: Selection,
) -> Result<CapturedModel, CaptureError> {
    let device = Device::capture();
    let host = Device::flex();
    // What comes from outside the scope is an input; what is made inside would be a constant.
    let frame = Tensor::<1>::zeros([4], &host);
    let mut names = BTreeMap::new();
    let mut pyramid = Vec::new();
    let record = |scope: CaptureScope| -> CompletedCaptureScope {
        let model = Model::new(config, &device);
        let frame = frame.to_device(&device);
        let image = input([1, 3, padded[0], padded[1]], &frame);
        let inputs = [image.clone().into_dispatch(), frame.clone().into_dispatch()].map(id);
        let output = model.forward(image, frame, selection);
        parameters::for_each(&model, |parameter| {
            names.insert(id(parameter.tensor()), parameter.path.clone());
        });
        pyramid = output
            .pyramid
            .into_iter()
            .map(|level| id(level.into_dispatch()))
            .collect();
        let found = output.detections;
        let outputs = [
            found.rows,
            found.scores,
            found.labels,
            found.levels,
            found.count,
        ]
        .map(id);
        scope.complete(inputs, outputs)
    };
    let captured = device
        .capture_scope(record)
        .map_err(|error| CaptureError(error.to_string()))?;
    Ok(CapturedModel {
        graph: captured.graph,
        parameters: names,
        pyramid,
    })
}

/// A tensor of the graph that is given from outside, and so has no values.
fn input(shape: [usize; 4], other: &Tensor<1>) -> Tensor<4> {
    let other = other.clone().try_into_primitive::<Capture>();
    let client = other
        .expect("the tensor lives on the capture device")
        .client
        .clone();
    let id = client.create_empty_handle();
    Tensor::from_primitive::<Capture>(RouterTensor::new(id, shape.into(), DType::F32, client))
}

/// The identity of a tensor of the graph.
pub(super) fn id(tensor: DispatchTensor) -> TensorId {
    let tensor = <DispatchTensor as DispatchKindConversion<Capture>>::try_into_backend(tensor)
        .expect("the tensor lives on the capture device");
    match tensor {
        BackendTensor::Float(tensor) | BackendTensor::Int(tensor) => tensor.id(),
        _ => unreachable!("detectors compute with floats and integers"),
    }
}
