//! A model on a GPU: pictures in, candidates out, plans made for each size as it comes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use image::RgbaImage;
use web_time::Instant;
use wgpu::{Buffer, BufferAsyncError, PollType, SubmissionIndex};

use super::device::Count;
use super::maps::{self, Mapped, map};
use super::memory::{FRAME_BYTES, Memory, Needs};
use super::profile::{Profile, medians};
use super::session::Session;
use super::store::Store;
use super::{Gpu, GpuError};
use crate::builder::BuildError;
use crate::compile::{CompileError, ConvTable, Precision, Target, compile};
use crate::detector::{Computed, DetectError};
use crate::models::{ModelConfig, Selection};
use crate::ops::candidates::Candidate;
use crate::plan::{MapSlot, Plan, Results};
use crate::transform::{Frame, Transform};
use crate::weights::{self, Checkpoint};

/// Sizes that are kept ready; torchvision's detectors see 71.
const MOST_SESSIONS: usize = 128;

/// Input that plans are made for when a model is loaded, in pixels: small, but of every step.
const FIRST_INPUT: [usize; 2] = [64, 64];

/// A model with its weights on a device.
#[derive(Debug)]
pub struct Engine {
    gpu: Arc<Gpu>,
    config: ModelConfig,
    transform: Transform,
    selection: Selection,
    target: Target,
    store: Store,
    compile_time: Duration,
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
        table: Option<ConvTable>,
        precision: Precision,
    ) -> Result<Self, BuildError> {
        weights::check_fit(&config, checkpoint)?;
        let target = gpu.target(table, precision)?;
        let started = Instant::now();
        let plan = compile(&config, &transform, selection, FIRST_INPUT, &target)?;
        let (needed, found) = (plan.largest_binding(), binding_limit(&gpu));
        if needed > found {
            return Err(BuildError::Gpu(GpuError::Limit {
                adapter: gpu.info().name.clone(),
                limit: "max_storage_buffer_binding_size".to_owned(),
                needed: needed as u64,
                found: found as u64,
            }));
        }
        let planned = started.elapsed();
        let read = |path: &str| weights::read(&config, checkpoint, path);
        let store = gpu.guarded(|| Store::new(&gpu, &plan, &read))??;
        let started = Instant::now();
        let needs = Needs::new(&plan, FIRST_INPUT[0] * FIRST_INPUT[1] * 4);
        gpu.guarded(|| {
            let memory = Memory::new(&gpu, needs);
            Session::new(&gpu, plan, &store, &memory).warm_up(&gpu);
        })?;
        gpu.check()?;
        Ok(Self {
            gpu,
            config,
            transform,
            selection,
            target,
            store,
            compile_time: planned + started.elapsed(),
            state: Mutex::default(),
        })
    }

    /// The device.
    pub fn gpu(&self) -> &Arc<Gpu> {
        &self.gpu
    }

    /// How long planning and the making of pipelines took when the model was loaded. A driver may
    /// still be busy with them afterwards: see [`Gpu::wait`].
    pub fn compile_time(&self) -> Duration {
        self.compile_time
    }

    /// The steps for a picture of this size, and how long each takes: the medians of `runs`. Waits
    /// for the device, so not for browsers.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    ///
    /// # Panics
    /// If there is no run.
    pub fn profile(&self, picture: &RgbaImage, runs: usize) -> Result<Profile, DetectError> {
        self.gpu.check()?;
        let size = [picture.height() as usize, picture.width() as usize];
        let frame = self.transform.frame(size);
        let mut state = self.state.lock().expect("no panic holds the lock");
        let (session, memory) = self.session(&mut state, &frame, picture.as_raw().len())?;
        self.upload(&memory, picture, &frame);
        let step_seconds = match self.gpu.has_timestamps() {
            false => None,
            true => {
                let runs = (0..runs).map(|_| session.time_steps(&self.gpu, &memory));
                Some(medians(&runs.collect::<Result<Vec<_>, _>>()?))
            }
        };
        Ok(Profile {
            plan: session.plan.clone(),
            constant_bytes: self.store.bytes(),
            step_bytes: session.step_bytes(&self.store, &memory),
            step_seconds,
        })
    }

    /// Send a picture; `frame` is the transform's for its size. Two frames can be in flight: one is
    /// uploaded while the other is computed and read back.
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
        self.upload(&memory, picture, frame);
        let staging = memory.take_staging(&self.gpu);
        let mut submission = session.submit(&self.gpu, &memory, &staging);
        let levels = match pyramid {
            true => {
                let (levels, copied) = maps::copy(&self.gpu, &memory, &session.plan.pyramid);
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

    fn upload(&self, memory: &Memory, picture: &RgbaImage, frame: &Frame) {
        let queue = &self.gpu.queue;
        queue.write_buffer(&memory.picture, 0, picture.as_raw());
        queue.write_buffer(&memory.frame, 0, &frame_bytes(frame));
    }

    /// The session for a frame's size, with memory large enough for it.
    fn session(
        &self,
        state: &mut State,
        frame: &Frame,
        picture: usize,
    ) -> Result<(Arc<Session>, Arc<Memory>), DetectError> {
        self.check_picture(frame, picture)?;
        let covers = |memory: &Memory, plan: &Plan| {
            memory.needs.union(&Needs::new(plan, picture)) == memory.needs
        };
        let known = state.sessions.get(&frame.padded);
        if let (Some(session), Some(memory)) = (known, &state.memory)
            && covers(memory, &session.plan)
        {
            return Ok((session.clone(), memory.clone()));
        }

        let plan = match known {
            Some(session) => session.plan.clone(),
            None => self.plan(frame)?,
        };
        let memory = match &state.memory {
            Some(memory) if covers(memory, &plan) => memory.clone(),
            smaller => {
                let needs = Needs::new(&plan, picture);
                let needs = smaller
                    .as_ref()
                    .map_or(needs.clone(), |memory| memory.needs.union(&needs));
                // The old buffers go before the new ones come; the sessions hold them too.
                *state = State::default();
                let memory = self.gpu.guarded(|| Memory::new(&self.gpu, needs))?;
                let memory = Arc::new(memory);
                state.memory = Some(memory.clone());
                memory
            }
        };
        if state.sessions.len() >= MOST_SESSIONS {
            state.sessions.clear();
        }
        let session = self
            .gpu
            .guarded(|| Session::new(&self.gpu, plan, &self.store, &memory))?;
        let session = Arc::new(session);
        state.sessions.insert(frame.padded, session.clone());
        Ok((session, memory))
    }

    /// # Errors
    /// If a picture of so many bytes cannot be bound.
    fn check_picture(&self, frame: &Frame, bytes: usize) -> Result<(), DetectError> {
        let allowed = binding_limit(&self.gpu).min(self.target.arena_limit);
        match bytes > allowed {
            true => Err(DetectError::PictureTooLarge {
                width: frame.original[1],
                height: frame.original[0],
                needed: bytes,
                allowed,
                adapter: self.gpu.info().name.clone(),
            }),
            false => Ok(()),
        }
    }

    /// The plan for a frame's size.
    fn plan(&self, frame: &Frame) -> Result<Plan, DetectError> {
        let plan = self.plan_for(frame.padded)?;
        let allowed = binding_limit(&self.gpu);
        let needed = plan.largest_binding();
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
            &self.target,
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
            match self.plan_for(frame.resized.map(shrunk))?.largest_binding() <= allowed {
                true => fits = side,
                false => too_large = side,
            }
        }
        Ok(fits)
    }
}

fn binding_limit(gpu: &Gpu) -> usize {
    let limit = gpu.device.limits().max_storage_buffer_binding_size;
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// The sizes as `shaders/shared/frame.wgsl` has them.
pub(super) fn frame_bytes(frame: &Frame) -> [u8; FRAME_BYTES] {
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
        self.gpu.poll(PollType::Wait {
            submission_index: Some(self.submission.clone()),
            timeout: None,
        })?;
        // Another thread's poll may be the one that tells.
        let mapped = pollster::block_on(&mut self.mapped).ok();
        self.read(mapped)
    }

    /// The results when they are there. A browser tells by itself; elsewhere somebody has to poll
    /// the device.
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
            .map(|(slot, copy)| maps::read(&self.gpu, slot, copy));
        let pyramid = pyramid.collect::<Result<Vec<_>, GpuError>>()?;
        self.memory.return_staging(self.staging);
        let [_, not_finite, found, fit, ..] = words[..] else {
            unreachable!("the results have a header")
        };
        if not_finite != 0 {
            return Err(DetectError::NotFinite);
        }
        if found > fit {
            let told = format!("{found} candidates were found where only {fit} can be");
            return Err(GpuError::Fault(told).into());
        }
        Ok(Computed {
            detections: detections(self.results, &words),
            pyramid,
        })
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
