//! Anybody's Burn module on a GPU: captured, compiled to a plan for each shape of its inputs, and run.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use burn::module::Module;
use burn::tensor::Device;
use half::f16;
use image::RgbaImage;
use wgpu::PollType;

use super::Gpu;
use super::device::Count;
use super::memory::{Memory, Needs};
use super::profile::Profile;
use super::readback::{ReadBack, map, readable};
use super::session::Session;
use super::store::{Store, StoreError};
use crate::compile::{
    CaptureError, CapturedModel, CompileError, Precision, Source, Target, Tracer, compile_captured,
    trace,
};
use crate::error::{DetectError, GpuError};
use crate::kernels::Dtype;
use crate::plan::{Plan, TensorSlot};
use crate::results::{HostTensor, Reading};
use crate::stage::Stage;
use crate::transform::Transform;
use crate::weights::{Checkpoint, StoredTensor, WeightsError};

/// Shapes that are kept ready.
const MOST_SESSIONS: usize = 128;

/// Why a module does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// It cannot be compiled.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// A parameter cannot be read. What is wrong is told here, and so it is no source.
    #[error("the parameters: {0}")]
    Weights(WeightsError),
    /// A parameter of the module that is not given, or of another shape.
    #[error("parameter '{path}' {found}: expected shape {expected:?}")]
    Parameter {
        /// Its path in the module.
        path: String,
        /// What the module expects.
        expected: Vec<usize>,
        /// What is given.
        found: String,
    },
    /// An input whose values are not as many as its shape has.
    #[error("input '{name}' has {found} values: expected {expected}, as many as {shape:?} has")]
    Values {
        /// Its name.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
        /// Values of that.
        expected: usize,
        /// Values given.
        found: usize,
    },
    /// Two inputs of one name.
    #[error("input '{0}' is given twice")]
    Twice(String),
    /// A tensor of the plan that the device cannot bind.
    #[error("a tensor of {needed} bytes is needed, and {adapter} allows {allowed}")]
    TooLarge {
        /// Bytes of the largest tensor.
        needed: usize,
        /// Most bytes the device binds.
        allowed: usize,
        /// Name of the adapter.
        adapter: String,
    },
    /// The GPU cannot be used.
    #[error(transparent)]
    Gpu(#[from] GpuError),
}

impl From<StoreError> for NetworkError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Weights(error) => Self::Weights(error),
            StoreError::Gpu(error) => Self::Gpu(error),
        }
    }
}

impl From<DetectError> for NetworkError {
    fn from(error: DetectError) -> Self {
        match error {
            DetectError::Gpu(error) => Self::Gpu(error),
            // Nothing is looked into, and there are no candidates.
            other => Self::Gpu(GpuError::Fault(other.to_string())),
        }
    }
}

/// Names and shapes of inputs.
type Shapes = Vec<(String, Vec<usize>)>;

/// Records a module over inputs of some shapes.
type Trace = dyn Fn(Shapes) -> Result<CapturedModel, CaptureError> + Send + Sync;

/// A Burn module on a GPU. Each combination of input shapes has a plan, which is compiled when it first comes,
/// and runs in one submission; all share weights, pipelines and memory.
///
/// ```no_run
/// # use fpn_wgpu::{Checkpoint, HostTensor, Network, gpu::Gpu};
/// # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, activation::softmax}};
/// # fn run(gpu: std::sync::Arc<Gpu>, trained: &Linear) -> Result<(), Box<dyn std::error::Error>> {
/// let network = Network::new(
///     gpu,
///     |device| LinearConfig::new(3, 2).init(device),
///     |linear: &Linear, io| {
///         let x = io.input::<2>("x")?;
///         io.output("shares", softmax(linear.forward(x), 1))
///     },
///     Checkpoint::of(trained),
/// )?;
/// let x = HostTensor { shape: vec![1, 3], values: vec![1.0, 2.0, 3.0] };
/// let [(name, shares)] = &network.run(&[("x", &x)])?[..] else { unreachable!() };
/// # Ok(())
/// # }
/// ```
pub struct Network {
    gpu: Arc<Gpu>,
    trace: Box<Trace>,
    parameters: BTreeMap<String, StoredTensor>,
    target: Target,
    state: Mutex<State>,
}

/// What grows as new shapes come.
#[derive(Debug, Default)]
struct State {
    store: Store,
    memory: Option<Arc<Memory>>,
    sessions: HashMap<Shapes, Arc<Session>>,
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").finish_non_exhaustive()
    }
}

impl Network {
    /// A module that `init` makes and `forward` runs, taking its inputs from the [`Tracer`] by name and giving its
    /// outputs to it, with parameters by their paths in the module, in PyTorch's layout: those of a file, or
    /// of [a module](Checkpoint::of). `init` makes it on a device that records; what it fills its parameters
    /// with does not count.
    ///
    /// Values are stored and computed in 32 bits; [`with_precision`](Self::with_precision) changes that.
    ///
    /// # Errors
    /// If the device has failed.
    pub fn new<M: Module + 'static>(
        gpu: Arc<Gpu>,
        init: impl Fn(&Device) -> M + Send + Sync + 'static,
        forward: impl Fn(&M, &mut Tracer) -> Result<(), CaptureError> + Send + Sync + 'static,
        parameters: Checkpoint,
    ) -> Result<Self, NetworkError> {
        let target = gpu.target(None, Precision::F32)?;
        Ok(Self {
            gpu,
            trace: Box::new(move |shapes| trace(shapes, &init, &forward)),
            parameters: parameters.tensors,
            target,
            state: Mutex::default(),
        })
    }

    /// The same stored, or also multiplied, in 16 bits. Inputs and outputs are of 32 bits for the caller.
    ///
    /// # Errors
    /// If the adapter does not compute in 16 bits where that is asked for.
    pub fn with_precision(self, precision: Precision) -> Result<Self, NetworkError> {
        Ok(Self {
            target: self.gpu.target(None, precision)?,
            ..self
        })
    }

    /// The plan for inputs of some shapes.
    ///
    /// # Errors
    /// If the module cannot be compiled, or parameters are missing.
    pub fn plan(&self, shapes: &[(&str, &[usize])]) -> Result<Plan, NetworkError> {
        self.compiled(owned(shapes))
    }

    /// Make everything ready for inputs of some shapes, in slices with a `pause` between them.
    ///
    /// # Errors
    /// If the module cannot be compiled, parameters are missing, or the device has failed.
    pub async fn prepare(
        &self,
        shapes: &[(&str, &[usize])],
        pause: &impl AsyncFn(),
    ) -> Result<(), NetworkError> {
        self.ready(owned(shapes), pause).await.map(drop)
    }

    /// The steps for inputs of some shapes, and how long each takes over whatever values lie there: the medians of
    /// `runs`. Waits for the device, so not for browsers.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    ///
    /// # Panics
    /// If there is no run.
    pub fn profile(
        &self,
        shapes: &[(&str, &[usize])],
        runs: usize,
    ) -> Result<Profile, NetworkError> {
        let (session, memory) = pollster::block_on(self.ready(owned(shapes), &async || {}))?;
        let state = self.state();
        Ok(session.profile(&self.gpu, &state.store, &memory, runs)?)
    }

    /// Run it: what it gives back by name, in its order. Waits for the device, so not for browsers: there use
    /// [`compute`](Self::compute).
    ///
    /// # Errors
    /// If it cannot be compiled for these shapes, an input does not fit, or the device has failed.
    pub fn run(
        &self,
        inputs: &[(&str, &HostTensor)],
    ) -> Result<Vec<(String, HostTensor)>, NetworkError> {
        pollster::block_on(self.compute(inputs, &async || {}))
    }

    /// The same as a future. A browser tells by itself when the device is done; elsewhere this waits.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn compute(
        &self,
        inputs: &[(&str, &HostTensor)],
        pause: &impl AsyncFn(),
    ) -> Result<Vec<(String, HostTensor)>, NetworkError> {
        self.gpu.check()?;
        check_inputs(inputs)?;
        let shapes = inputs.iter();
        let shapes = shapes.map(|(name, tensor)| ((*name).to_owned(), tensor.shape.clone()));
        let (session, memory) = self.ready(shapes.collect(), pause).await?;
        let read_back = ReadBack::new(&session.plan, Reading::Everything);
        let bytes = read_back.bytes();
        let staging = memory.take_staging(&self.gpu, bytes)?;
        let (submission, mut mapped) = {
            // One thread at a time: what is written belongs to the submission that follows it.
            let _state = self.state();
            self.gpu.watched(|| {
                for (slot, name) in session.plan.inputs.iter().zip(&session.inputs) {
                    let given = inputs.iter().find(|(given, _)| given == name);
                    if let Some((_, tensor)) = given {
                        self.upload(&memory, slot, tensor);
                    }
                }
                let submission = session.submit(&self.gpu, &memory, |encoder| {
                    read_back.copy(&memory, &staging, encoder);
                });
                (submission, map(&staging, bytes))
            })
        };
        self.gpu.counters().add(Count::ReadBack);
        if cfg!(not(target_arch = "wasm32")) {
            self.gpu.poll(PollType::Wait {
                submission_index: Some(submission),
                timeout: None,
            })?;
        }
        readable(&self.gpu, &mut mapped).await?;
        let computed = read_back.read(&session.plan, &staging);
        self.gpu.watched(|| staging.unmap());
        memory.return_staging(staging);
        Ok(computed?.tensors)
    }

    /// The session for some shapes, and memory that is large enough.
    async fn ready(
        &self,
        shapes: Shapes,
        pause: &impl AsyncFn(),
    ) -> Result<(Arc<Session>, Arc<Memory>), NetworkError> {
        loop {
            if let Some(ready) = self.known(&shapes) {
                return Ok(ready);
            }
            let captured = self.captured(shapes.clone())?;
            let plan = self.planned(&captured)?;
            let limit = self.gpu.device.limits().max_storage_buffer_binding_size;
            let (needed, allowed) = (plan.largest_binding(), limit as usize);
            if needed > allowed {
                return Err(NetworkError::TooLarge {
                    needed,
                    allowed,
                    adapter: self.gpu.info().name.clone(),
                });
            }
            let missing = self.state().store.missing(&plan);
            let parameter = |path: &str| self.parameters[path].clone();
            let more = Store::new(&self.gpu, &missing, &parameter, pause).await?;
            let memory = self.memory(Needs::new(&plan, 0))?;
            let store = {
                let mut state = self.state();
                state.store.add(more);
                state.store.clone()
            };
            let mut session = Session::new(&self.gpu, plan, &store, &memory, pause).await?;
            session.inputs = captured
                .inputs
                .into_iter()
                .map(|input| input.name)
                .collect();
            self.gpu.guarded(|| session.warm_up(&self.gpu))?;
            let mut state = self.state();
            // Meanwhile somebody else may have needed larger buffers.
            if state
                .memory
                .as_ref()
                .is_some_and(|now| Arc::ptr_eq(now, &memory))
            {
                if state.sessions.len() >= MOST_SESSIONS {
                    state.sessions.clear();
                }
                state.sessions.insert(shapes.clone(), Arc::new(session));
            }
        }
    }

    fn known(&self, shapes: &Shapes) -> Option<(Arc<Session>, Arc<Memory>)> {
        let state = self.state();
        let session = state.sessions.get(shapes)?;
        Some((session.clone(), state.memory.clone()?))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic holds the lock")
    }

    /// The shared buffers, made larger where they are too small.
    fn memory(&self, needs: Needs) -> Result<Arc<Memory>, GpuError> {
        let mut state = self.state();
        let needs = match &state.memory {
            Some(memory) if memory.needs.union(&needs) == memory.needs => {
                return Ok(memory.clone());
            }
            Some(smaller) => smaller.needs.union(&needs),
            None => needs,
        };
        // The old buffers go before the new ones come; the sessions hold them too.
        state.memory = None;
        state.sessions.clear();
        let memory = Arc::new(self.gpu.guarded(|| Memory::new(&self.gpu, needs))?);
        state.memory = Some(memory.clone());
        Ok(memory)
    }

    fn compiled(&self, shapes: Shapes) -> Result<Plan, NetworkError> {
        self.planned(&self.captured(shapes)?)
    }

    fn captured(&self, shapes: Shapes) -> Result<CapturedModel, NetworkError> {
        let captured = (self.trace)(shapes).map_err(CompileError::from)?;
        for (path, expected) in &captured.shapes {
            let given = self.parameters.get(path).map(|tensor| &tensor.shape);
            if given != Some(expected) {
                return Err(NetworkError::Parameter {
                    path: path.clone(),
                    expected: expected.clone(),
                    found: match given {
                        Some(shape) => format!("has shape {shape:?}"),
                        None => "is missing".to_owned(),
                    },
                });
            }
        }
        Ok(captured)
    }

    fn planned(&self, captured: &CapturedModel) -> Result<Plan, NetworkError> {
        let stage = |_: &str| Stage::Backbone;
        Ok(compile_captured(
            captured,
            &stage,
            Source::Given,
            &self.target,
        )?)
    }

    /// Write an input where the plan expects it.
    fn upload(&self, memory: &Memory, slot: &TensorSlot, tensor: &HostTensor) {
        let layout = slot.layout();
        let mut stored = vec![0.0; 4 * layout.all_blocks()];
        for (place, value) in layout.places().zip(&tensor.values) {
            stored[place] = *value;
        }
        let bytes = match slot.dtype {
            Dtype::F32 => bytemuck::cast_slice(&stored).to_vec(),
            Dtype::F16 => {
                let halves: Vec<u16> = stored
                    .iter()
                    .map(|value| f16::from_f32(*value).to_bits())
                    .collect();
                bytemuck::cast_slice(&halves).to_vec()
            }
        };
        let arena = &memory.arenas[slot.range.arena];
        self.gpu
            .queue
            .write_buffer(arena, slot.range.offset as u64, &bytes);
    }
}

fn owned(shapes: &[(&str, &[usize])]) -> Shapes {
    let shapes = shapes.iter();
    shapes
        .map(|(name, shape)| ((*name).to_owned(), shape.to_vec()))
        .collect()
}

fn check_inputs(inputs: &[(&str, &HostTensor)]) -> Result<(), NetworkError> {
    for (index, (name, tensor)) in inputs.iter().enumerate() {
        let expected = tensor.shape.iter().product();
        if tensor.values.len() != expected {
            return Err(NetworkError::Values {
                name: (*name).to_owned(),
                shape: tensor.shape.clone(),
                expected,
                found: tensor.values.len(),
            });
        }
        if inputs[..index].iter().any(|(other, _)| other == name) {
            return Err(NetworkError::Twice((*name).to_owned()));
        }
    }
    Ok(())
}

impl HostTensor {
    /// A picture `[1, 3, H, W]` as a transform makes it a network's input: scaled, normalized, resized, padded.
    pub fn of_picture(picture: &RgbaImage, transform: &Transform) -> Self {
        let size = [picture.height() as usize, picture.width() as usize];
        let frame = transform.frame(size);
        let tensor = transform.apply(picture, &frame, &Device::flex());
        Self {
            shape: tensor.dims().to_vec(),
            values: tensor.into_data().iter::<f32>().collect(),
        }
    }
}
