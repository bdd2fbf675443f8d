//! A model on a GPU: pictures in, candidates out, plans made for each size as it comes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use futures_channel::oneshot::{Receiver, channel};
use image::RgbaImage;
use wgpu::{
    Buffer, BufferAsyncError, CommandEncoderDescriptor, MapMode, PollType, SubmissionIndex,
};

use super::device::Count;
use super::memory::{FRAME_BYTES, Memory, Needs, staging};
use super::session::Session;
use super::store::Store;
use super::{Gpu, GpuError};
use crate::builder::BuildError;
use crate::compile::{CompileError, compile};
use crate::detector::{Computed, DetectError};
use crate::models::{ModelConfig, Selection};
use crate::ops::candidates::Candidate;
use crate::plan::{MapSlot, Plan, Results};
use crate::transform::{Frame, Transform};
use crate::weights::{self, Checkpoint};

/// Input that plans are made for when a model is loaded, in pixels: small, but of every step.
const FIRST_INPUT: [usize; 2] = [64, 64];

/// A model with its weights on a device.
#[derive(Debug)]
pub struct Engine {
    gpu: Arc<Gpu>,
    config: ModelConfig,
    transform: Transform,
    selection: Selection,
    store: Store,
    state: Mutex<State>,
}

/// What changes when a picture of a new size comes.
#[derive(Debug, Default)]
struct State {
    memory: Option<Arc<Memory>>,
    sessions: HashMap<[usize; 2], Arc<Session>>,
}

impl Engine {
    /// Upload a model's weights, compile its kernels, and run each once, so that the driver has
    /// compiled them too.
    ///
    /// # Errors
    /// If the checkpoint does not fit, the model uses something that cannot be compiled, or the GPU
    /// fails.
    pub fn new(
        gpu: Arc<Gpu>,
        config: ModelConfig,
        transform: Transform,
        selection: Selection,
        checkpoint: &Checkpoint,
    ) -> Result<Self, BuildError> {
        weights::check_fit(&config, checkpoint)?;
        let plan = compile(
            &config,
            &transform,
            selection,
            FIRST_INPUT,
            arena_limit(&gpu),
        )?;
        let read = |path: &str| weights::read(&config, checkpoint, path);
        let store = Store::new(&gpu, &plan, &read)?;
        let memory = Memory::new(&gpu, Needs::new(&plan, FIRST_INPUT[0] * FIRST_INPUT[1] * 4));
        Session::new(&gpu, plan, &store, &memory).warm_up(&gpu);
        gpu.check()?;
        Ok(Self {
            gpu,
            config,
            transform,
            selection,
            store,
            state: Mutex::default(),
        })
    }

    /// The device.
    pub fn gpu(&self) -> &Arc<Gpu> {
        &self.gpu
    }

    /// Send a picture; `frame` is the transform's for its size. Two frames can be in flight: the
    /// picture of one is uploaded and the results of another read while a third is computed.
    ///
    /// # Errors
    /// If the size does not fit the device, or the device has failed.
    pub fn start(
        &self,
        picture: &RgbaImage,
        frame: &Frame,
        pyramid: bool,
    ) -> Result<Pending, DetectError> {
        self.gpu.check()?;
        // One thread at a time: what is written below belongs to the submission that follows it.
        let mut state = self.state.lock().expect("no panic holds the lock");
        let (session, memory) = self.session(&mut state, frame, picture.as_raw().len())?;
        self.gpu
            .queue
            .write_buffer(&memory.picture, 0, picture.as_raw());
        self.gpu
            .queue
            .write_buffer(&memory.frame, 0, &frame_bytes(frame));
        let staging = memory.take_staging(&self.gpu);
        let mut submission = session.submit(&self.gpu, &memory, &staging);
        let levels = match pyramid {
            true => {
                let (levels, copied) = self.copy_pyramid(&session.plan, &memory);
                submission = copied;
                levels
            }
            false => Vec::new(),
        };
        self.gpu.check()?;
        self.gpu.counters().add(Count::ReadBack);
        Ok(Pending {
            gpu: self.gpu.clone(),
            results: session.plan.results,
            mapped: map(&staging),
            staging,
            memory,
            submission,
            levels,
        })
    }

    /// The session for a frame's size, with memory large enough for it.
    fn session(
        &self,
        state: &mut State,
        frame: &Frame,
        picture: usize,
    ) -> Result<(Arc<Session>, Arc<Memory>), DetectError> {
        let known = state.sessions.get(&frame.padded).cloned();
        let plan = match &known {
            Some(session) => &session.plan,
            None => &self.plan(frame)?,
        };
        let needs = Needs::new(plan, picture);
        let memory = match &state.memory {
            Some(memory) if memory.needs.union(&needs) == memory.needs => memory.clone(),
            smaller => {
                let needs = smaller
                    .as_ref()
                    .map_or(needs.clone(), |memory| memory.needs.union(&needs));
                // The old buffers go before the new ones come; sessions hold the old ones too.
                let plan = plan.clone();
                state.sessions.clear();
                state.memory = None;
                let memory = Arc::new(Memory::new(&self.gpu, needs));
                state.memory = Some(memory.clone());
                let session = Arc::new(Session::new(&self.gpu, plan, &self.store, &memory));
                self.gpu.check()?;
                state.sessions.insert(frame.padded, session.clone());
                return Ok((session, memory));
            }
        };
        let session = match known {
            Some(session) => session,
            None => {
                let session = Session::new(&self.gpu, plan.clone(), &self.store, &memory);
                state
                    .sessions
                    .entry(frame.padded)
                    .or_insert(Arc::new(session))
                    .clone()
            }
        };
        Ok((session, memory))
    }

    /// The plan for a frame's size.
    fn plan(&self, frame: &Frame) -> Result<Plan, DetectError> {
        let plan = self.plan_for(frame.padded)?;
        let allowed = binding_limit(&self.gpu);
        let needed = largest_binding(&plan);
        if needed <= allowed {
            return Ok(plan);
        }
        let [height, width] = frame.padded;
        Err(DetectError::DoesNotFit {
            width,
            height,
            needed,
            allowed,
            adapter: self.gpu.info().name.clone(),
            largest: self.largest_side(frame, allowed)?,
        })
    }

    fn plan_for(&self, padded: [usize; 2]) -> Result<Plan, CompileError> {
        compile(
            &self.config,
            &self.transform,
            self.selection,
            padded,
            arena_limit(&self.gpu),
        )
    }

    /// The longest side of a picture like this one whose plan fits.
    fn largest_side(&self, frame: &Frame, allowed: usize) -> Result<usize, CompileError> {
        let multiple = self.transform.multiple;
        let long = frame.resized[0].max(frame.resized[1]);
        let (mut fits, mut too_large) = (0, long);
        while too_large - fits > 1 {
            let side = (fits + too_large) / 2;
            let shrunk = |pixels: usize| (pixels * side / long).max(1).next_multiple_of(multiple);
            match largest_binding(&self.plan_for(frame.resized.map(shrunk))?) <= allowed {
                true => fits = side,
                false => too_large = side,
            }
        }
        Ok(fits)
    }

    /// Copy the pyramid's levels out of the activations, behind the frame that was just sent.
    fn copy_pyramid(
        &self,
        plan: &Plan,
        memory: &Memory,
    ) -> (Vec<(MapSlot, Buffer)>, SubmissionIndex) {
        let mut encoder = self
            .gpu
            .device
            .create_command_encoder(&CommandEncoderDescriptor::default());
        let levels = plan.pyramid.iter().map(|slot| {
            let copy = staging(&self.gpu, slot.range.size);
            let (offset, size) = (slot.range.offset as u64, slot.range.size as u64);
            encoder.copy_buffer_to_buffer(&memory.arenas[slot.range.arena], offset, &copy, 0, size);
            (*slot, copy)
        });
        let levels = levels.collect();
        self.gpu.counters().add(Count::Submission);
        (levels, self.gpu.queue.submit([encoder.finish()]))
    }
}

/// Largest buffer for activations: one binding each lies within it.
fn arena_limit(gpu: &Gpu) -> usize {
    gpu.device.limits().max_buffer_size as usize
}

fn binding_limit(gpu: &Gpu) -> usize {
    gpu.device.limits().max_storage_buffer_binding_size as usize
}

fn largest_binding(plan: &Plan) -> usize {
    use crate::plan::Binding;
    let bindings = plan.steps.iter().flat_map(|step| &step.bindings);
    let sizes = bindings.filter_map(|binding| match binding {
        Binding::Arena(range) => Some(range.size),
        _ => None,
    });
    sizes.max().unwrap_or(0)
}

/// The sizes as `shaders/shared/frame.wgsl` has them.
fn frame_bytes(frame: &Frame) -> [u8; FRAME_BYTES] {
    let [original, resized] = [frame.original, frame.resized];
    let ratio = frame.ratio().map(f32::to_bits);
    let words = [
        original[0] as u32,
        original[1] as u32,
        resized[0] as u32,
        resized[1] as u32,
        ratio[0],
        ratio[1],
        0,
        0,
    ];
    bytemuck::cast(words)
}

type Mapped = Receiver<Result<(), BufferAsyncError>>;

/// Ask for a buffer to become readable.
fn map(buffer: &Buffer) -> Mapped {
    let (sender, receiver) = channel();
    buffer.map_async(MapMode::Read, .., move |result| {
        // Nobody waits for a frame that was given up.
        sender.send(result).ok();
    });
    receiver
}

/// A frame on its way.
#[must_use = "a frame's results are lost unless it is waited for"]
pub struct Pending {
    gpu: Arc<Gpu>,
    memory: Arc<Memory>,
    results: Results,
    staging: Buffer,
    mapped: Mapped,
    submission: SubmissionIndex,
    levels: Vec<(MapSlot, Buffer)>,
}

impl Pending {
    /// Wait for the results. Not for browsers, where nothing may wait: there use
    /// [`finish`](Self::finish).
    ///
    /// # Errors
    /// If the device failed, or a value was not finite.
    pub fn wait(mut self) -> Result<Computed, DetectError> {
        let poll = PollType::Wait {
            submission_index: Some(self.submission.clone()),
            timeout: None,
        };
        let polled = self.gpu.device.poll(poll);
        self.gpu.check()?;
        polled.map_err(|error| GpuError::Lost(error.to_string()))?;
        let mapped = self.mapped.try_recv().ok().flatten();
        self.read(mapped)
    }

    /// The results when they are there.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub async fn finish(mut self) -> Result<Computed, DetectError> {
        let mapped = (&mut self.mapped).await.ok();
        self.read(mapped)
    }

    fn read(self, mapped: Option<Result<(), BufferAsyncError>>) -> Result<Computed, DetectError> {
        if !matches!(mapped, Some(Ok(()))) {
            self.gpu.check()?;
            return Err(GpuError::Lost("its results cannot be read".to_owned()).into());
        }
        let bytes = self.results.bytes() as u64;
        let words: Vec<u32> = {
            let view = self.staging.slice(..bytes).get_mapped_range();
            let view = view.map_err(|error| GpuError::Fault(error.to_string()))?;
            bytemuck::pod_collect_to_vec(&view)
        };
        self.staging.unmap();
        let pyramid = self
            .levels
            .iter()
            .map(|(slot, copy)| self.level(slot, copy));
        let pyramid = pyramid.collect::<Result<Vec<_>, GpuError>>()?;
        self.memory.return_staging(self.staging);
        let [_, not_finite, ..] = words[..] else {
            unreachable!("the results have a header")
        };
        match not_finite {
            0 => Ok(Computed {
                detections: detections(self.results, &words),
                pyramid,
            }),
            _ => Err(DetectError::NotFinite),
        }
    }

    /// A level `[C, H, W]`, from memory's order.
    fn level(&self, slot: &MapSlot, copy: &Buffer) -> Result<([usize; 3], Vec<f32>), GpuError> {
        let fault = |error: &dyn std::fmt::Display| GpuError::Fault(error.to_string());
        let mut mapped = map(copy);
        self.gpu
            .device
            .poll(PollType::wait_indefinitely())
            .map_err(|error| fault(&error))?;
        match mapped.try_recv() {
            Ok(Some(Ok(()))) => {}
            _ => return Err(GpuError::Lost("the pyramid cannot be read".to_owned())),
        }
        let view = copy
            .slice(..slot.range.size as u64)
            .get_mapped_range()
            .map_err(|error| fault(&error))?;
        let stored: Vec<f32> = bytemuck::pod_collect_to_vec(&view);
        let [channels, height, width] = slot.shape;
        let (cells, pitch) = (height * width, channels.next_multiple_of(4));
        let mut values = Vec::with_capacity(channels * cells);
        for channel in 0..channels {
            values.extend((0..cells).map(|cell| stored[cell * pitch + channel]));
        }
        Ok((slot.shape, values))
    }
}

/// The detections in a read-back.
fn detections(results: Results, words: &[u32]) -> Vec<Candidate> {
    let count = words[0] as usize;
    let width = results.quads * 4;
    let rows = words[4..].chunks_exact(width).take(count);
    rows.map(|row| {
        let value = |index: usize| f32::from_bits(row[index]);
        let tags = width - 4;
        Candidate {
            bbox: [0, 1, 2, 3].map(value),
            landmarks: (4..4 + results.landmarks).map(value).collect(),
            score: value(tags),
            label: value(tags + 1) as i32,
            level: value(tags + 2) as i32,
        }
    })
    .collect()
}
