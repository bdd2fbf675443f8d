//! A model on a GPU: pictures in, candidates out, plans made for each size as it comes.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use image::RgbaImage;
use web_time::Instant;
use wgpu::{Buffer, PollType, SubmissionIndex};

use super::Gpu;
use super::device::Count;
use super::kept::{KeptMaps, Ring, kept_bytes};
use super::memory::{Memory, Needs};
use super::profile::Profile;
use super::readback::{Mapped, ReadBack, map, readable};
use super::session::Session;
use super::store::Store;
use crate::compile::{CompileError, ConvTable, Precision, Target, compile_in_slices};
use crate::error::{BuildError, DetectError, GpuError};
use crate::kernels::FrameUniform;
use crate::models::{ModelConfig, Request};
use crate::plan::{MapKind, Plan};
use crate::results::{Computed, Reading};
use crate::transform::{Frame, Transform};
use crate::weights::{self, Checkpoint};

/// Sizes that are kept ready; torchvision's detectors see 71.
const MOST_SESSIONS: usize = 128;

/// Input that plans are made for when a model is loaded, in pixels: small, but of every step.
const FIRST_INPUT: [usize; 2] = [64, 64];

/// A model with its weights on a device.
#[derive(Debug)]
pub struct GpuEngine {
    gpu: Arc<Gpu>,
    config: ModelConfig,
    transform: Transform,
    request: Request,
    target: Target,
    store: Store,
    compile_time: Duration,
    /// Whether the parts of each frame are timed.
    clocked: bool,
    state: Mutex<State>,
}

/// What changes when a picture of a new size comes.
#[derive(Debug, Default)]
struct State {
    memory: Option<Arc<Memory>>,
    /// Of frames that keep their maps.
    ring: Ring,
    sessions: HashMap<[usize; 2], Arc<Session>>,
}

/// What a frame is computed with, while nobody else may.
type Ready<'a> = (MutexGuard<'a, State>, Arc<Session>, Arc<Memory>);

impl State {
    /// What a frame needs, if it is there.
    fn ready(&self, frame: &Frame) -> Option<(Arc<Session>, Arc<Memory>)> {
        let session = self.sessions.get(&frame.padded)?;
        let memory = self.memory.as_ref()?;
        let needs = Needs::new(&session.plan, frame.picture_bytes());
        let covers = memory.needs.union(&needs) == memory.needs;
        covers.then(|| (session.clone(), memory.clone()))
    }
}

impl GpuEngine {
    /// Upload a model's weights, compile its kernels, and run each once, so that the driver has
    /// compiled them too: in slices of some milliseconds, with a `pause` between them.
    ///
    /// # Errors
    /// If the checkpoint does not fit, the model uses something that cannot be compiled, or the GPU
    /// fails.
    pub async fn new(
        gpu: Arc<Gpu>,
        config: ModelConfig,
        transform: Transform,
        request: Request,
        checkpoint: &Checkpoint,
        (table, precision): (Option<ConvTable>, Precision),
        pause: &impl AsyncFn(),
    ) -> Result<Self, BuildError> {
        weights::check_fit(&config, checkpoint)?;
        let target = gpu.target(table, precision)?;
        pause().await;
        let started = Instant::now();
        let plan = compile_in_slices(&config, &transform, &request, FIRST_INPUT, &target, pause);
        let plan = plan.await?;
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
        let parameter = |path: &str| weights::parameter(&config, checkpoint, path);
        let store = Store::new(&gpu, &plan.constants, &parameter, pause).await?;
        let started = Instant::now();
        let needs = Needs::new(&plan, FIRST_INPUT[0] * FIRST_INPUT[1] * 4);
        let memory = gpu.guarded(|| Memory::new(&gpu, needs))?;
        gpu.compile(target.shaders(&plan), pause).await;
        let session = Session::new(&gpu, plan, &store, &memory, pause).await?;
        gpu.guarded(|| session.warm_up(&gpu))?;
        gpu.idle().await?;
        Ok(Self {
            gpu,
            config,
            transform,
            request,
            target,
            store,
            compile_time: planned + started.elapsed(),
            clocked: false,
            state: Mutex::default(),
        })
    }

    /// Time the parts of each frame by the device's clock, or do not.
    pub(crate) fn clocked(self, clocked: bool) -> Self {
        Self { clocked, ..self }
    }

    /// The device.
    pub fn gpu(&self) -> &Arc<Gpu> {
        &self.gpu
    }

    /// Bytes of the device's memory that weights, and what pictures so far needed, take.
    pub fn bytes(&self) -> usize {
        let memory = self.state().memory.clone();
        self.store.bytes() + memory.map_or(0, |memory| memory.needs.bytes())
    }

    /// What the model is asked for.
    pub(crate) fn request(&self) -> &Request {
        &self.request
    }

    /// How long planning and the making of pipelines took when the model was loaded. A driver may
    /// still be busy with them afterwards: see [`Gpu::wait`].
    pub fn compile_time(&self) -> Duration {
        self.compile_time
    }

    /// Select detections by another overlap from the next frame on: sizes that were seen before are planned
    /// anew, and keep all that was made for them but the parameters of their steps.
    ///
    /// # Errors
    /// If the GPU failed, or a plan differs in more than that.
    pub fn set_nms_threshold(&mut self, threshold: f32) -> Result<(), BuildError> {
        self.request.set_nms_threshold(threshold);
        // Of those that fail here, none is left that selects as before.
        let sessions = std::mem::take(&mut self.state().sessions);
        for (padded, session) in sessions {
            let plan = pollster::block_on(self.compiled(padded, &async || {}))?;
            let session = session.with_params_of(&self.gpu, plan)?;
            self.state().sessions.insert(padded, Arc::new(session));
        }
        Ok(())
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
        let frame = self.frame(picture);
        let (_state, session, memory) = self.ready(&frame)?;
        self.gpu.watched(|| self.upload(&memory, picture, &frame));
        Ok(session.profile(&self.gpu, &self.store, &memory, runs)?)
    }

    /// Send a picture. Two frames can be in flight: one is uploaded while the other is computed and
    /// read back. What is not to be read stays on the device.
    ///
    /// # Errors
    /// If the size does not fit the device, or what is to be read is more than one buffer holds, or the
    /// device has failed.
    pub fn start(&self, picture: &RgbaImage, reading: &Reading) -> Result<Submitted, DetectError> {
        let (submitted, _) = self.send(picture, reading, None)?;
        Ok(submitted)
    }

    /// Send a picture, read detections back alone, and keep maps of these kinds on the device for somebody who draws
    /// there. Nothing is made for a frame of a size that was seen before, but for the three buffers that frames take
    /// turns in.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_keeping(
        &self,
        picture: &RgbaImage,
        kinds: &BTreeSet<MapKind>,
    ) -> Result<(Submitted, Option<KeptMaps>), DetectError> {
        self.send(picture, &Reading::Detections, Some(kinds))
    }

    fn send(
        &self,
        picture: &RgbaImage,
        reading: &Reading,
        keeps: Option<&BTreeSet<MapKind>>,
    ) -> Result<(Submitted, Option<KeptMaps>), DetectError> {
        self.gpu.check()?;
        let frame = self.frame(picture);
        // One thread at a time: what is written below belongs to the submission that follows it.
        let (mut state, session, memory) = self.ready(&frame)?;
        let read_back = ReadBack::new(&session.plan, reading.clone());
        let stamps = session.clock().map(|clock| clock.place(read_back.bytes()));
        let bytes = stamps
            .as_ref()
            .map_or(read_back.bytes(), |stamps| stamps.end);
        self.check_fits(&frame, bytes, self.gpu.device.limits().max_buffer_size)?;
        let kept = match keeps {
            None => None,
            Some(kinds) => {
                let bytes = kept_bytes(&session.plan, kinds);
                self.check_fits(&frame, bytes, binding_limit(&self.gpu) as u64)?;
                let ring = &mut state.ring;
                Some(ring.place(&self.gpu, &session.plan, kinds, &frame)?)
            }
        };
        let staging = memory.take_staging(&self.gpu, bytes)?;
        let (submission, mapped) = self.gpu.watched(|| {
            self.upload(&memory, picture, &frame);
            let submission = session.submit(&self.gpu, &memory, |encoder| {
                read_back.copy(&memory, &staging, encoder);
                if let (Some(clock), Some(stamps)) = (session.clock(), &stamps) {
                    clock.copy(&staging, stamps, encoder);
                }
                if let Some(kept) = &kept {
                    kept.copy(&memory, encoder);
                }
            });
            (submission, map(&staging, bytes))
        });
        self.gpu.check()?;
        self.gpu.counters().add(Count::ReadBack);
        let submitted = Submitted {
            gpu: self.gpu.clone(),
            mapped,
            staging,
            read_back,
            session,
            memory,
            submission,
        };
        Ok((submitted, kept))
    }

    /// The session for a frame's size, with memory large enough for it; nobody else writes there
    /// while the state is held.
    fn ready(&self, frame: &Frame) -> Result<Ready<'_>, DetectError> {
        loop {
            let state = self.state();
            if let Some((session, memory)) = state.ready(frame) {
                return Ok((state, session, memory));
            }
            drop(state);
            pollster::block_on(self.prepare(frame, &async || {}))?;
        }
    }

    fn frame(&self, picture: &RgbaImage) -> Frame {
        let size = [picture.height(), picture.width()];
        self.transform.frame(size.map(|side| side as usize))
    }

    fn upload(&self, memory: &Memory, picture: &RgbaImage, frame: &Frame) {
        let queue = &self.gpu.queue;
        queue.write_buffer(&memory.picture, 0, picture.as_raw());
        let sizes =
            FrameUniform::new(frame.original, frame.resized, frame.ratio).shifted(frame.shift);
        queue.write_buffer(&memory.frame, 0, bytemuck::bytes_of(&sizes));
    }

    /// Make everything ready for pictures of a frame's size, in slices with a `pause` between them.
    ///
    /// # Errors
    /// If the size does not fit the device, or the device has failed.
    pub async fn prepare(&self, frame: &Frame, pause: &impl AsyncFn()) -> Result<(), DetectError> {
        self.check_picture(frame)?;
        loop {
            if self.state().ready(frame).is_some() {
                return Ok(());
            }
            let known = self.state().sessions.get(&frame.padded).cloned();
            let plan = match known {
                Some(session) => session.plan.clone(),
                None => self.plan(frame, pause).await?,
            };
            let memory = self.memory(Needs::new(&plan, frame.picture_bytes()))?;
            let session = Session::new(&self.gpu, plan, &self.store, &memory, pause).await?;
            let session = match self.clocked {
                true => session.clocked(&self.gpu)?,
                false => session,
            };
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
                state.sessions.insert(frame.padded, Arc::new(session));
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic holds the lock")
    }

    /// The shared buffers, made larger where they are too small for `needs`.
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
        (state.memory, state.sessions) = (None, HashMap::new());
        let memory = self.gpu.guarded(|| Memory::new(&self.gpu, needs))?;
        let memory = Arc::new(memory);
        state.memory = Some(memory.clone());
        Ok(memory)
    }

    /// # Errors
    /// If the picture cannot be bound.
    fn check_picture(&self, frame: &Frame) -> Result<(), DetectError> {
        let bytes = frame.picture_bytes();
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

    /// # Errors
    /// If no buffer can be as large as what a frame leaves.
    fn check_fits(&self, frame: &Frame, needed: usize, allowed: u64) -> Result<(), DetectError> {
        let [height, width] = frame.padded;
        match needed as u64 > allowed {
            true => Err(DetectError::MapsTooLarge {
                width,
                height,
                needed,
                allowed,
                adapter: self.gpu.info().name.clone(),
            }),
            false => Ok(()),
        }
    }

    /// The plan for a frame's size.
    async fn plan(&self, frame: &Frame, pause: &impl AsyncFn()) -> Result<Plan, DetectError> {
        let plan = self.compiled(frame.padded, pause).await?;
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

    /// The plan for an input of `padded` height and width, whether it fits or not.
    async fn compiled(
        &self,
        padded: [usize; 2],
        pause: &impl AsyncFn(),
    ) -> Result<Plan, CompileError> {
        compile_in_slices(
            &self.config,
            &self.transform,
            &self.request,
            padded,
            &self.target,
            pause,
        )
        .await
    }

    /// The longest side of a picture like this one whose plan fits.
    fn largest_side(&self, frame: &Frame, allowed: usize) -> Result<usize, CompileError> {
        let multiple = self.transform.multiple;
        let long = frame.resized[0].max(frame.resized[1]);
        let (mut fits, mut too_large) = (0, long);
        while too_large - fits > 1 {
            let side = (fits + too_large) / 2;
            let shrunk = |pixels: usize| (pixels * side / long).max(1).next_multiple_of(multiple);
            let plan = self.compiled(frame.resized.map(shrunk), &async || {});
            match pollster::block_on(plan)?.largest_binding() <= allowed {
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

/// A frame on its way.
#[must_use = "a frame's results are lost unless it is waited for"]
pub struct Submitted {
    gpu: Arc<Gpu>,
    session: Arc<Session>,
    memory: Arc<Memory>,
    read_back: ReadBack,
    staging: Buffer,
    mapped: Mapped,
    submission: SubmissionIndex,
}

impl Submitted {
    /// Wait for the results. Not for browsers, where nothing may wait: there use
    /// [`finish`](Self::finish).
    ///
    /// # Errors
    /// If the device failed, or a value was not finite.
    pub fn wait(self) -> Result<Computed, DetectError> {
        self.gpu.poll(PollType::Wait {
            submission_index: Some(self.submission.clone()),
            timeout: None,
        })?;
        // Another thread's poll may be the one that tells.
        pollster::block_on(self.finish())
    }

    /// The results when they are there. A browser tells by itself; elsewhere somebody has to poll
    /// the device.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub async fn finish(mut self) -> Result<Computed, DetectError> {
        readable(&self.gpu, &mut self.mapped).await?;
        let computed = self.read();
        self.gpu.watched(|| self.staging.unmap());
        self.memory.return_staging(self.staging);
        computed
    }

    /// What the buffer, which can be read by now, says.
    fn read(&self) -> Result<Computed, DetectError> {
        let computed = self.read_back.read(&self.session.plan, &self.staging)?;
        let parts = match self.session.clock() {
            None => Vec::new(),
            Some(clock) => clock.read(&self.gpu, &self.staging, self.read_back.bytes())?,
        };
        Ok(Computed { parts, ..computed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::retinaface::MOBILENET025;

    /// A capacity follows from the thresholds, so that no plan has too little room: this one is altered to
    /// have some for three candidates.
    #[test]
    fn more_candidates_than_fit_are_an_error_not_a_silent_cut() {
        let gpu = crate::gpu::open_best();
        let config = ModelConfig::of(MOBILENET025);
        let transform = MOBILENET025.transform();
        let mut request = Request::of(MOBILENET025);
        // Every anchor is a candidate.
        let selection = request.selection.as_mut().expect("it finds faces");
        selection.score_threshold = 0.0;
        let checkpoint = weights::seeded(&config, 1);
        let at_once = async || {};
        let engine = GpuEngine::new(
            gpu,
            config,
            transform,
            request,
            &checkpoint,
            (None, Precision::F32),
            &at_once,
        );
        let engine = pollster::block_on(engine).expect("seeded weights fit");
        let picture = weights::picture(1, 96, 64);
        let frame = transform.frame([64, 96]);
        let computed = || engine.start(&picture, &Reading::Detections)?.wait();
        let whole = computed().expect("all candidates fit");
        assert!(!whole.detections.is_empty());

        let (state, session, memory) = engine.ready(&frame).expect("it was computed");
        drop(state);
        let mut plan = session.plan.clone();
        for step in &mut plan.steps {
            let fields = step.shader.kernel.params;
            if let Some((_, first, _)) = fields.iter().find(|(name, ..)| *name == "capacity") {
                step.params[first / 4] = 3;
            }
        }
        let cramped = Session::new(&engine.gpu, plan, &engine.store, &memory, &at_once);
        let cramped = pollster::block_on(cramped).expect("the GPU works");
        let replace = |session: Arc<Session>| {
            engine.state().sessions.insert(frame.padded, session);
        };
        replace(Arc::new(cramped));
        // Two anchors a cell of three levels.
        let found = 2 * (8 * 12 + 4 * 6 + 2 * 3);
        let told = format!("{found} candidates were found where only 3 can be");
        let expected = DetectError::Gpu(GpuError::Fault(told));
        assert_eq!(computed(), Err(expected));

        // It was that frame's fault, not the device's.
        replace(session);
        assert_eq!(computed(), Ok(whole));
    }
}
