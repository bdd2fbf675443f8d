//! Recording a module's forward pass as a graph of operations, without its weights.

use std::collections::{BTreeMap, BTreeSet};

use burn::backend::capture::{CaptureScope, CompletedCaptureScope};
use burn::backend::{BackendTensor, Capture, DispatchKindConversion, DispatchTensor};
use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};
use burn_ir::{GraphIr, TensorId};
use burn_router::{RouterClient, RouterTensor};

use super::graph::GraphOutput;
use crate::models::parameters;
use crate::models::{Checked, Model, ModelConfig, Outputs, Request};

/// Burn could not record the forward pass.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the model cannot be captured: {0}")]
pub struct CaptureError(String);

/// A forward pass as a graph.
#[derive(Clone, Debug)]
pub struct CapturedModel {
    /// The operations in order. Inputs: the picture `[1, 3, H, W]` and the frame `[4]`.
    pub graph: GraphIr,
    /// Which tensors are parameters, by path in the module. A graph holds no values of theirs.
    pub parameters: BTreeMap<TensorId, String>,
    /// The parameters that are weights of linear layers, which Burn keeps as `[in, out]`.
    pub linear: BTreeSet<TensorId>,
    /// The picture.
    pub image: TensorId,
    /// Its shape.
    pub image_shape: Vec<usize>,
    /// The picture's sizes.
    pub frame: Option<TensorId>,
    /// What the module gives back.
    pub outputs: Vec<GraphOutput<TensorId>>,
    /// Maps and rows in which NaN and infinities are looked for.
    pub checked: Vec<TensorId>,
}

/// Record `config`'s forward pass over an input of `padded` height and width.
///
/// # Errors
/// If Burn finds the recorded graph inconsistent.
pub fn capture(
    config: &ModelConfig,
    padded: [usize; 2],
    request: &Request,
) -> Result<CapturedModel, CaptureError> {
    record(
        padded,
        |device| Model::new(config, device),
        |model, image, frame| model.forward(image, frame, request),
    )
}

/// Record a module's forward pass over a picture `[1, 3, H, W]` of some height and width, and the
/// picture's sizes as [`Frame::tensor`](crate::transform::Frame::tensor) gives them.
///
/// `init` makes the module on the capture device, so nothing of a checkpoint is copied.
///
/// # Errors
/// If Burn finds the recorded graph inconsistent.
pub fn record<M: Module>(
    [height, width]: [usize; 2],
    init: impl FnOnce(&Device) -> M,
    forward: impl FnOnce(&M, Tensor<4>, Tensor<1>) -> Outputs,
) -> Result<CapturedModel, CaptureError> {
    record_over([1, 3, height, width], init, forward)
}

/// As [`record`], over maps of any shape.
///
/// # Errors
/// As [`record`].
pub fn record_over<M: Module>(
    shape: [usize; 4],
    init: impl FnOnce(&Device) -> M,
    forward: impl FnOnce(&M, Tensor<4>, Tensor<1>) -> Outputs,
) -> Result<CapturedModel, CaptureError> {
    let device = Device::capture();
    let host = Device::flex();
    // What comes from outside the scope is an input; what is made inside would be a constant.
    let frame = Tensor::<1>::zeros([4], &host);
    let mut captured = CapturedModel {
        graph: GraphIr::new(Vec::new()),
        parameters: BTreeMap::new(),
        linear: BTreeSet::new(),
        image: TensorId::new(0),
        image_shape: shape.to_vec(),
        frame: None,
        outputs: Vec::new(),
        checked: Vec::new(),
    };
    let body = |scope: CaptureScope| -> CompletedCaptureScope {
        let module = init(&device);
        let frame = frame.to_device(&device);
        let image = input(shape, &frame);
        let inputs = [image.clone().into_dispatch(), frame.clone().into_dispatch()].map(id);
        [captured.image, _] = inputs;
        captured.frame = Some(inputs[1]);
        let outputs = forward(&module, image, frame);
        parameters::for_each(&module, |parameter| {
            let tensor = id(parameter.tensor());
            captured.parameters.insert(tensor, parameter.path.clone());
            if parameter.is_transposed {
                captured.linear.insert(tensor);
            }
        });
        (captured.outputs, captured.checked) = given_back(outputs);
        let outputs = captured.outputs.iter().flat_map(GraphOutput::values);
        // One tensor may be several outputs.
        let outputs: BTreeSet<TensorId> = outputs.copied().collect();
        scope.complete(inputs, outputs)
    };
    let recorded = device.capture_scope(body);
    captured.graph = recorded
        .map_err(|error| CaptureError(error.to_string()))?
        .graph;
    Ok(captured)
}

/// Outputs by their tensors' identity.
fn given_back(outputs: Outputs) -> (Vec<GraphOutput<TensorId>>, Vec<TensorId>) {
    let maps = outputs.maps.into_iter();
    let mut given: Vec<GraphOutput<_>> = maps
        .map(|(info, map)| GraphOutput::Map(info, id(map.into_dispatch())))
        .collect();
    given.extend(outputs.proposals.map(|proposals| {
        GraphOutput::Proposals([
            id(proposals.boxes.into_dispatch()),
            id(proposals.levels.into_dispatch()),
            id(proposals.count.into_dispatch()),
        ])
    }));
    let detections = outputs.detections;
    given.extend(detections.map(|found| GraphOutput::Detections(id(found.rows))));
    let checked = outputs.checked.into_iter().map(|checked| match checked {
        Checked::Map(map) => id(map.into_dispatch()),
        Checked::Rows(rows) => id(rows.into_dispatch()),
    });
    (given, checked.collect())
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
fn id(tensor: DispatchTensor) -> TensorId {
    let tensor = <DispatchTensor as DispatchKindConversion<Capture>>::try_into_backend(tensor)
        .expect("the tensor lives on the capture device");
    match tensor {
        BackendTensor::Float(tensor) | BackendTensor::Int(tensor) => tensor.id(),
        _ => unreachable!("detectors compute with floats and integers"),
    }
}
