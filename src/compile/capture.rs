//! Recording a module's forward pass as a graph of operations, without its weights.

use std::collections::{BTreeMap, BTreeSet};

use burn::backend::capture::{CaptureScope, CompletedCaptureScope};
use burn::backend::{BackendTensor, Capture, DispatchKindConversion, DispatchTensor};
use burn::module::Module;
use burn::tensor::{DType, Device, Tensor, TensorData};
use burn_ir::{GraphIr, TensorId};
use burn_router::{RouterClient, RouterTensor};

use super::graph::GraphOutput;
use crate::models::parameters;
use crate::models::{Checked, Model, ModelConfig, Outputs, Request};
use crate::results::HostTensor;

/// The module's forward pass cannot be recorded.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CaptureError {
    /// Burn finds the recorded graph inconsistent.
    #[error("the model cannot be captured: {0}")]
    Graph(String),
    /// The module asks for an input that is not given.
    #[error("the module reads the input '{name}', which is not given: there are {given}")]
    NoInput {
        /// Its name.
        name: String,
        /// The names of those that are.
        given: String,
    },
    /// The module takes an input for a tensor of another rank.
    #[error(
        "the input '{name}' has shape {shape:?}, where the module expects {expected} dimensions"
    )]
    Rank {
        /// Its name.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
        /// Dimensions that the module expects.
        expected: usize,
    },
    /// An input without values.
    #[error("the input '{name}' has shape {shape:?}: expected at least one value")]
    Empty {
        /// Its name.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// The module takes an input twice.
    #[error("the module takes the input '{0}' twice")]
    Twice(String),
    /// An input that the module does not take.
    #[error("the module takes no input '{0}'")]
    Unread(String),
    /// Two outputs have one name.
    #[error("the module gives back two tensors by the name '{0}'")]
    SameName(String),
}

/// A forward pass as a graph.
#[derive(Clone, Debug)]
pub struct CapturedModel {
    /// The operations in order.
    pub graph: GraphIr,
    /// Which tensors are parameters, by path in the module. A graph holds no values of theirs.
    pub parameters: BTreeMap<TensorId, String>,
    /// The parameters that are weights of linear layers, which Burn keeps as `[in, out]`.
    pub linear: BTreeSet<TensorId>,
    /// The shape of each parameter by its path, in PyTorch's layout.
    pub shapes: BTreeMap<String, Vec<usize>>,
    /// Values of the tensors that the module makes without computing.
    pub values: BTreeMap<TensorId, TensorData>,
    /// What is given from outside; a detector's is the picture, `[1, 3, H, W]`.
    pub inputs: Vec<CapturedInput>,
    /// The picture's sizes, `[6]`.
    pub frame: Option<TensorId>,
    /// What the module gives back.
    pub outputs: Vec<GraphOutput<TensorId>>,
    /// Maps and rows in which NaN and infinities are looked for.
    pub checked: Vec<TensorId>,
}

/// A tensor that is given from outside.
#[derive(Clone, Debug, PartialEq)]
pub struct CapturedInput {
    /// What it is called.
    pub name: String,
    /// Its identity.
    pub tensor: TensorId,
    /// Its shape.
    pub shape: Vec<usize>,
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

/// Record a module's forward pass over a picture `[1, 3, H, W]` of `padded` height and width, and the
/// picture's sizes as [`Frame::tensor`](crate::transform::Frame::tensor) gives them.
///
/// `init` makes the module on the capture device, so nothing of a checkpoint is copied.
///
/// # Errors
/// If Burn finds the recorded graph inconsistent.
pub fn record<M: Module>(
    padded: [usize; 2],
    init: impl FnOnce(&Device) -> M,
    forward: impl FnOnce(&M, Tensor<4>, Tensor<1>) -> Outputs,
) -> Result<CapturedModel, CaptureError> {
    let picture = ("image".to_owned(), vec![1, 3, padded[0], padded[1]]);
    trace([picture], init, |module, tracer| {
        let image = tracer.take("image")?;
        let sizes = tracer.sizes();
        let outputs = forward(module, image, sizes);
        (tracer.outputs, tracer.checked) = given_back(outputs);
        Ok(())
    })
}

/// Record a module's forward pass over inputs of some names and shapes. `forward` takes them from the tracer and
/// gives it what the module makes.
///
/// `init` makes the module on the capture device, so nothing of a checkpoint is copied.
///
/// # Errors
/// If `forward` fails, an input is empty, two outputs have one name, or Burn finds the recorded graph
/// inconsistent.
pub fn trace<M: Module>(
    shapes: impl IntoIterator<Item = (String, Vec<usize>)>,
    init: impl FnOnce(&Device) -> M,
    forward: impl FnOnce(&M, &mut Tracer) -> Result<(), CaptureError>,
) -> Result<CapturedModel, CaptureError> {
    // There can only be so many in a process.
    thread_local!(static DEVICE: Device = Device::capture());
    let device = DEVICE.with(Device::clone);
    let host = Device::flex();
    // What comes from outside the scope is an input; what is made inside would be a constant.
    let frame = Tensor::<1>::zeros([6], &host);
    let mut captured = CapturedModel {
        graph: GraphIr::new(Vec::new()),
        parameters: BTreeMap::new(),
        linear: BTreeSet::new(),
        shapes: BTreeMap::new(),
        values: BTreeMap::new(),
        inputs: Vec::new(),
        frame: None,
        outputs: Vec::new(),
        checked: Vec::new(),
    };
    let mut failure = None;
    let body = |scope: CaptureScope| -> CompletedCaptureScope {
        let module = init(&device);
        let shapes = shapes.into_iter().collect();
        let mut tracer = Tracer::new(Mode::Records(frame.to_device(&device)), shapes);
        failure = forward(&module, &mut tracer)
            .and_then(|()| tracer.all_taken())
            .err();
        parameters::for_each(&module, |parameter| {
            let tensor = id(parameter.tensor());
            if parameter.is_transposed {
                captured.linear.insert(tensor);
            }
            captured.parameters.insert(tensor, parameter.path.clone());
            captured.shapes.insert(parameter.path, parameter.shape);
        });
        captured.frame = tracer.frame;
        captured.inputs = tracer.inputs;
        (captured.outputs, captured.checked) = (tracer.outputs, tracer.checked);
        let inputs = captured.inputs.iter().map(|input| input.tensor);
        let inputs: Vec<TensorId> = inputs.chain(captured.frame).collect();
        let outputs = captured.outputs.iter().flat_map(GraphOutput::values);
        // One tensor may be several outputs, and an input one.
        let outputs: BTreeSet<TensorId> = outputs.copied().collect();
        scope.complete(inputs, outputs)
    };
    let recorded = device.capture_scope(body);
    if let Some(failure) = failure {
        return Err(failure);
    }
    let recorded = recorded.map_err(|error| CaptureError::Graph(error.to_string()))?;
    (captured.graph, captured.values) = (recorded.graph, recorded.values);
    Ok(captured)
}

/// Run a module as it is, on a device of Burn's, by what would record it.
///
/// # Errors
/// If `forward` fails, an input is empty or not taken, or two outputs have one name.
pub fn run_eagerly<M: Module>(
    inputs: &[(&str, &HostTensor)],
    module: &M,
    forward: impl FnOnce(&M, &mut Tracer) -> Result<(), CaptureError>,
    device: &Device,
) -> Result<Vec<(String, HostTensor)>, CaptureError> {
    let inputs = inputs.iter();
    let inputs: BTreeMap<String, HostTensor> = inputs
        .map(|(name, tensor)| ((*name).to_owned(), (*tensor).clone()))
        .collect();
    let shapes = inputs.iter();
    let shapes = shapes.map(|(name, tensor)| (name.clone(), tensor.shape.clone()));
    let shapes = shapes.collect();
    let mut tracer = Tracer::new(Mode::Runs(inputs, device.clone()), shapes);
    forward(module, &mut tracer)?;
    tracer.all_taken()?;
    Ok(tracer.made)
}

/// What a tracer's module does.
#[derive(Debug)]
enum Mode {
    /// It is recorded, into the graph of this tensor.
    Records(Tensor<1>),
    /// It runs, over these inputs and on this device.
    Runs(BTreeMap<String, HostTensor>, Device),
}

/// Where a module has its inputs from, and leaves its outputs.
#[derive(Debug)]
pub struct Tracer {
    mode: Mode,
    shapes: BTreeMap<String, Vec<usize>>,
    frame: Option<TensorId>,
    inputs: Vec<CapturedInput>,
    outputs: Vec<GraphOutput<TensorId>>,
    checked: Vec<TensorId>,
    taken: Vec<String>,
    /// Outputs that are recorded: what nobody holds, Burn lets others overwrite.
    kept: Vec<DispatchTensor>,
    made: Vec<(String, HostTensor)>,
}

impl Tracer {
    fn new(mode: Mode, shapes: BTreeMap<String, Vec<usize>>) -> Self {
        Self {
            mode,
            shapes,
            frame: None,
            inputs: Vec::new(),
            outputs: Vec::new(),
            checked: Vec::new(),
            taken: Vec::new(),
            kept: Vec::new(),
            made: Vec::new(),
        }
    }

    /// The input of this name.
    ///
    /// # Errors
    /// If there is none, or it is of another rank or without values.
    pub fn input<const D: usize>(&mut self, name: &str) -> Result<Tensor<D>, CaptureError> {
        let tensor = self.take::<D>(name)?;
        if matches!(self.mode, Mode::Records(_)) {
            // Burn knows of no input that nothing reads.
            let _ = tensor
                .clone()
                .reshape([1, tensor.shape().num_elements(), 1]);
        }
        Ok(tensor)
    }

    /// The input of this name, which is read.
    fn take<const D: usize>(&mut self, name: &str) -> Result<Tensor<D>, CaptureError> {
        let name = name.to_owned();
        let Some(shape) = self.shapes.get(&name).cloned() else {
            let given: Vec<&str> = self.shapes.keys().map(String::as_str).collect();
            let given = match given.is_empty() {
                true => "none".to_owned(),
                false => given.join(", "),
            };
            return Err(CaptureError::NoInput { name, given });
        };
        if shape.contains(&0) {
            return Err(CaptureError::Empty { name, shape });
        }
        let Ok(dims) = <[usize; D]>::try_from(shape.clone()) else {
            let expected = D;
            return Err(CaptureError::Rank {
                name,
                shape,
                expected,
            });
        };
        if self.taken.contains(&name) {
            return Err(CaptureError::Twice(name));
        }
        self.taken.push(name.clone());
        match &self.mode {
            Mode::Records(other) => {
                let tensor = input(dims, other);
                self.inputs.push(CapturedInput {
                    name,
                    tensor: id(tensor.clone().into_dispatch()),
                    shape,
                });
                Ok(tensor)
            }
            Mode::Runs(given, device) => {
                let values = given[&name].values.clone();
                Ok(Tensor::from_data(TensorData::new(values, shape), device))
            }
        }
    }

    /// Give a tensor back by this name.
    ///
    /// # Errors
    /// If another has that name.
    pub fn output<const D: usize>(
        &mut self,
        name: &str,
        tensor: Tensor<D>,
    ) -> Result<(), CaptureError> {
        let name = name.to_owned();
        let is_it = |output: &GraphOutput<_>| matches!(output, GraphOutput::Tensor(other, _) if *other == name);
        let is_made = self.made.iter().any(|(other, _)| *other == name);
        if is_made || self.outputs.iter().any(is_it) {
            return Err(CaptureError::SameName(name));
        }
        match self.mode {
            Mode::Records(_) => {
                let tensor = tensor.into_dispatch();
                self.outputs
                    .push(GraphOutput::Tensor(name, id(tensor.clone())));
                self.kept.push(tensor);
            }
            Mode::Runs(..) => {
                let shape = tensor.dims().to_vec();
                let values = tensor.into_data().iter::<f32>().collect();
                self.made.push((name, HostTensor { shape, values }));
            }
        }
        Ok(())
    }

    fn all_taken(&self) -> Result<(), CaptureError> {
        match self.shapes.keys().find(|name| !self.taken.contains(name)) {
            Some(name) => Err(CaptureError::Unread(name.clone())),
            None => Ok(()),
        }
    }

    /// The picture's sizes.
    ///
    /// # Panics
    /// If the module runs and is not recorded.
    fn sizes(&mut self) -> Tensor<1> {
        let Mode::Records(sizes) = &self.mode else {
            unreachable!("detectors run by themselves")
        };
        self.frame = Some(id(sizes.clone().into_dispatch()));
        sizes.clone()
    }
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
    let instances = outputs.instances;
    given.extend(
        instances.map(|(kind, rows)| GraphOutput::Instances(kind, id(rows.into_dispatch()))),
    );
    let rows = outputs.rows.into_iter();
    given.extend(
        rows.map(|(name, rows)| GraphOutput::Tensor(name.to_owned(), id(rows.into_dispatch()))),
    );
    let checked = outputs.checked.into_iter().map(|checked| match checked {
        Checked::Map(map) => id(map.into_dispatch()),
        Checked::Rows(rows) => id(rows.into_dispatch()),
    });
    (given, checked.collect())
}

/// A tensor of the graph that is given from outside, and so has no values.
fn input<const D: usize>(shape: [usize; D], other: &Tensor<1>) -> Tensor<D> {
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
        BackendTensor::Bool(tensor) => tensor.id(),
        _ => unreachable!("nothing is quantized while it is recorded"),
    }
}
