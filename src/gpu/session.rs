//! A plan made ready on a device: everything that a frame needs is there before the first one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, BindingResource, Buffer, BufferBinding,
    BufferUsages, CommandEncoder, CommandEncoderDescriptor, ComputePass, ComputePassDescriptor,
    DeviceType, SubmissionIndex,
};

use super::Gpu;
use super::clock::Clock;
use super::device::Count;
use super::memory::{FRAME_BYTES, Memory, buffer};
use super::pipelines::CompiledKernel;
use super::profile::{Profile, medians};
use super::store::Store;
use super::timestamps::TimestampQueries;
use crate::error::GpuError;
use crate::plan::{Binding, HEADER_WORDS, Plan, Step};

/// Alignment of a uniform binding's offset in WebGPU.
const UNIFORM_ALIGNMENT: usize = 256;

/// What an access to memory takes where nothing else is there to be done meanwhile, in seconds. It is no
/// shorter on a large GPU, of which one workgroup has only one core.
const WAIT: f64 = 1e-6;

/// A plan with its pipelines and bind groups.
#[derive(Debug)]
pub(super) struct Session {
    pub plan: Plan,
    /// What a module calls the plan's inputs; a detector has only the picture.
    pub inputs: Vec<String>,
    /// Of all steps.
    params: Buffer,
    steps: Vec<(Arc<CompiledKernel>, BindGroup)>,
    /// The steps of each submission: one, but on slow adapters and on those that others share.
    submissions: Vec<std::ops::Range<usize>>,
    /// Where the parts of each frame are timed.
    clock: Option<Arc<Clock>>,
}

impl Session {
    /// A kernel and a step at a time, with a `pause` between them.
    ///
    /// # Errors
    /// If the GPU fails.
    pub async fn new(
        gpu: &Gpu,
        plan: Plan,
        store: &Store,
        memory: &Memory,
        pause: &impl AsyncFn(),
    ) -> Result<Self, GpuError> {
        gpu.compile(plan.steps.iter().map(|step| step.shader), pause)
            .await;
        let places = param_places(&plan);
        let params = gpu.guarded(|| {
            let params = params_buffer(gpu, &places);
            upload_params(gpu, &plan, &places, &params);
            params
        })?;
        let mut steps = Vec::with_capacity(plan.steps.len());
        for (index, step) in plan.steps.iter().enumerate() {
            let own = BindingResource::Buffer(BufferBinding {
                buffer: &params,
                offset: places[index] as u64,
                size: Some(
                    (step.params.len() as u64 * 4)
                        .try_into()
                        .expect("a step has parameters"),
                ),
            });
            let others = step.bindings.iter().map(|binding| match binding {
                Binding::Frame => memory.frame.as_entire_binding(),
                Binding::Picture => memory.picture.as_entire_binding(),
                Binding::Results => memory.results.as_entire_binding(),
                Binding::Constant(constant) => {
                    store.buffer(&plan.constants[*constant]).as_entire_binding()
                }
                Binding::Arena(range) => BindingResource::Buffer(BufferBinding {
                    buffer: &memory.arenas[range.arena],
                    offset: range.offset as u64,
                    size: Some((range.size as u64).try_into().expect("a value has bytes")),
                }),
            });
            let entries: Vec<BindGroupEntry> = std::iter::once(own)
                .chain(others)
                .zip(0..)
                .map(|(resource, binding)| BindGroupEntry { binding, resource })
                .collect();
            let made = gpu.guarded(|| {
                let kernel = gpu.kernel(step.shader);
                gpu.counters().add(Count::BindGroup);
                let group = gpu.device.create_bind_group(&BindGroupDescriptor {
                    label: Some(&step.name),
                    layout: &kernel.layout,
                    entries: &entries,
                });
                (kernel, group)
            })?;
            steps.push(made);
            pause().await;
        }
        Ok(Self {
            submissions: split(&plan, gpu.info().device_type, gpu.longest_submission()),
            inputs: Vec::new(),
            params,
            steps,
            clock: None,
            plan,
        })
    }

    /// Time the parts of each frame, as far as the device can.
    ///
    /// # Errors
    /// If the GPU fails.
    pub fn clocked(mut self, gpu: &Gpu) -> Result<Self, GpuError> {
        let clock = gpu.guarded(|| Clock::new(gpu, &self.plan, &self.submissions))?;
        self.clock = clock.map(Arc::new);
        Ok(self)
    }

    /// What times the parts of each frame, if they are timed.
    pub fn clock(&self) -> Option<&Clock> {
        self.clock.as_deref()
    }

    /// The same with the parameters of a plan that differs in nothing else; they are written where this one's are,
    /// which is not to be submitted any more.
    ///
    /// # Errors
    /// If the plan differs in anything else.
    pub fn with_params_of(&self, gpu: &Gpu, plan: Plan) -> Result<Self, GpuError> {
        let mut expected = plan.clone();
        let steps = expected.steps.iter_mut().zip(&self.plan.steps);
        let mut are_alike = true;
        for (step, own) in steps {
            are_alike &= step.params.len() == own.params.len();
            step.params.clone_from(&own.params);
        }
        if !are_alike || expected != self.plan {
            let told = "a plan differs from the one that it replaces in more than parameters";
            return Err(GpuError::Fault(told.to_owned()));
        }
        let places = param_places(&plan);
        gpu.watched(|| upload_params(gpu, &plan, &places, &self.params));
        Ok(Self {
            plan,
            inputs: self.inputs.clone(),
            params: self.params.clone(),
            steps: self.steps.clone(),
            submissions: self.submissions.clone(),
            clock: self.clock.clone(),
        })
    }

    /// Run every kernel once over as little as it takes.
    pub fn warm_up(&self, gpu: &Gpu) {
        let mut seen = Vec::new();
        let mut encoder = gpu
            .device
            .create_command_encoder(&CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor::default());
            for (step, (kernel, group)) in self.plan.steps.iter().zip(&self.steps) {
                if !seen.contains(&step.shader) {
                    seen.push(step.shader);
                    pass.set_pipeline(&kernel.pipeline);
                    pass.set_bind_group(0, group, &[]);
                    pass.dispatch_workgroups(1, 1, 1);
                }
            }
        }
        gpu.queue.submit([encoder.finish()]);
    }

    /// Send all steps `times` times over, in one submission, without a read-back.
    pub fn repeat(&self, gpu: &Gpu, times: usize) {
        gpu.watched(|| self.submit_all(gpu, times));
    }

    fn submit_all(&self, gpu: &Gpu, times: usize) {
        let mut encoder = gpu
            .device
            .create_command_encoder(&CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor::default());
            for _ in 0..times {
                self.dispatch_all(0..self.steps.len(), &mut pass);
            }
        }
        gpu.queue.submit([encoder.finish()]);
    }

    /// Send the plan's steps, and `copies` of what they leave behind.
    pub fn submit(
        &self,
        gpu: &Gpu,
        memory: &Memory,
        copies: impl FnOnce(&mut CommandEncoder),
    ) -> SubmissionIndex {
        let (last, others) = self.submissions.split_last().expect("a plan has steps");
        let mut pace = Pace::default();
        for steps in others {
            self.send(gpu, memory, steps, |_| {});
            pace.keep(gpu);
        }
        self.send(gpu, memory, last, copies)
    }

    /// Steps and copies in one submission.
    fn send(
        &self,
        gpu: &Gpu,
        memory: &Memory,
        steps: &std::ops::Range<usize>,
        copies: impl FnOnce(&mut CommandEncoder),
    ) -> SubmissionIndex {
        let mut encoder = gpu
            .device
            .create_command_encoder(&CommandEncoderDescriptor::default());
        if steps.start == 0 {
            clear_header(memory, &mut encoder);
        }
        match &self.clock {
            None => {
                let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor::default());
                self.dispatch_all(steps.clone(), &mut pass);
            }
            Some(clock) => {
                for (writes, steps) in clock.passes(steps) {
                    let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor {
                        label: None,
                        timestamp_writes: Some(writes),
                    });
                    self.dispatch_all(steps, &mut pass);
                }
            }
        }
        copies(&mut encoder);
        gpu.counters().add(Count::Submission);
        gpu.queue.submit([encoder.finish()])
    }

    fn dispatch_all(&self, steps: std::ops::Range<usize>, pass: &mut ComputePass<'_>) {
        for step in steps {
            self.dispatch(step, pass);
        }
    }

    fn dispatch(&self, step: usize, pass: &mut ComputePass<'_>) {
        let (kernel, group) = &self.steps[step];
        pass.set_pipeline(&kernel.pipeline);
        pass.set_bind_group(0, group, &[]);
        let [x, y, z] = self.plan.steps[step].workgroups;
        pass.dispatch_workgroups(x, y, z);
    }

    /// The steps, and how long each takes: the medians of `runs`.
    ///
    /// # Errors
    /// If the device has failed.
    ///
    /// # Panics
    /// If there is no run.
    pub fn profile(
        &self,
        gpu: &Gpu,
        store: &Store,
        memory: &Memory,
        runs: usize,
    ) -> Result<Profile, GpuError> {
        let step_seconds = match gpu.has_timestamps() {
            false => None,
            true => {
                let runs = (0..runs).map(|_| self.time_steps(gpu, memory));
                Some(medians(&runs.collect::<Result<Vec<_>, _>>()?))
            }
        };
        Ok(Profile {
            plan: self.plan.clone(),
            constant_bytes: store.bytes(),
            step_bytes: self.step_bytes(store, memory),
            step_seconds,
        })
    }

    /// The seconds that each step takes, each in a pass of its own, on a device that has timestamps.
    /// The results are left where they are.
    ///
    /// # Errors
    /// If the device has failed.
    fn time_steps(&self, gpu: &Gpu, memory: &Memory) -> Result<Vec<f64>, GpuError> {
        let mut seconds = Vec::with_capacity(self.steps.len());
        for submission in &self.submissions {
            for first in submission.clone().step_by(TimestampQueries::MOST_PASSES) {
                let steps = first..submission.end.min(first + TimestampQueries::MOST_PASSES);
                let timestamps = gpu.watched(|| self.submit_timed(gpu, memory, steps));
                seconds.extend(timestamps.read(gpu)?);
            }
        }
        Ok(seconds)
    }

    /// These steps in one submission, each in a pass that is timed.
    fn submit_timed(
        &self,
        gpu: &Gpu,
        memory: &Memory,
        steps: std::ops::Range<usize>,
    ) -> TimestampQueries {
        let timestamps = TimestampQueries::new(gpu, steps.len());
        let mut encoder = gpu
            .device
            .create_command_encoder(&CommandEncoderDescriptor::default());
        if steps.start == 0 {
            clear_header(memory, &mut encoder);
        }
        for (pass, step) in steps.enumerate() {
            let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor {
                label: Some(&self.plan.steps[step].name),
                timestamp_writes: Some(timestamps.writes(pass)),
            });
            self.dispatch(step, &mut pass);
        }
        timestamps.resolve(&mut encoder);
        gpu.queue.submit([encoder.finish()]);
        timestamps
    }

    /// Bytes that each step's bindings hold.
    fn step_bytes(&self, store: &Store, memory: &Memory) -> Vec<usize> {
        let bytes = |binding: &Binding| match binding {
            Binding::Frame => FRAME_BYTES,
            Binding::Picture => memory.needs.picture,
            Binding::Results => self.plan.results_bytes(),
            Binding::Constant(index) => store.buffer(&self.plan.constants[*index]).size() as usize,
            Binding::Arena(range) => range.size,
        };
        let steps = self.plan.steps.iter();
        steps
            .map(|step| step.bindings.iter().map(bytes).sum())
            .collect()
    }
}

/// How fast submissions follow each other on a device that other programs share: a queue does what it is given in order,
/// so that a window's frame would wait for all that was sent before it.
#[derive(Default)]
struct Pace {
    /// Whether what was sent last is done.
    last: Option<Arc<AtomicBool>>,
}

impl Pace {
    /// Between two looks at the device.
    #[cfg(not(target_arch = "wasm32"))]
    const BETWEEN: std::time::Duration = std::time::Duration::from_micros(200);

    /// After a submission: wait until the one before it is done, so that the device has no more than one to do
    /// before somebody else's turn. In browsers, where nothing may wait, nothing does.
    fn keep(&mut self, gpu: &Gpu) {
        if !gpu.is_shared() || cfg!(target_arch = "wasm32") {
            return;
        }
        let done = Arc::new(AtomicBool::new(false));
        let told = done.clone();
        gpu.queue
            .on_submitted_work_done(move || told.store(true, Ordering::Release));
        let Some(earlier) = self.last.replace(done) else {
            return;
        };
        // Whoever waits for the frame is told that the device is lost.
        #[cfg(not(target_arch = "wasm32"))]
        while !earlier.load(Ordering::Acquire) && gpu.look().is_ok() {
            std::thread::sleep(Self::BETWEEN);
        }
        #[cfg(target_arch = "wasm32")]
        drop(earlier);
    }
}

/// Nothing was found yet, and all is finite.
fn clear_header(memory: &Memory, encoder: &mut CommandEncoder) {
    let bytes = 4 * HEADER_WORDS as u64;
    encoder.clear_buffer(&memory.results, 0, Some(bytes));
}

/// Where each step's parameters begin, and where the last ones end.
fn param_places(plan: &Plan) -> Vec<usize> {
    let mut end = 0;
    let mut places = vec![0];
    for step in &plan.steps {
        end += (4 * step.params.len()).next_multiple_of(UNIFORM_ALIGNMENT);
        places.push(end);
    }
    places
}

/// A buffer for all steps' parameters.
fn params_buffer(gpu: &Gpu, places: &[usize]) -> Buffer {
    let bytes = places.last().copied().unwrap_or(0);
    let usage = BufferUsages::UNIFORM | BufferUsages::COPY_DST;
    buffer(gpu, "parameters", bytes, usage)
}

/// Write all steps' parameters where they lie.
fn upload_params(gpu: &Gpu, plan: &Plan, places: &[usize], params: &Buffer) {
    let mut words = vec![0_u32; places[plan.steps.len()] / 4];
    for (step, place) in plan.steps.iter().zip(places) {
        words[place / 4..][..step.params.len()].copy_from_slice(&step.params);
    }
    let bytes = bytemuck::cast_slice(&words);
    gpu.queue.write_buffer(params, 0, bytes);
}

/// An estimate of what a step takes at most, in seconds, on an adapter of this type. Software has no
/// watchdog to fear.
fn seconds_of(step: &Step, device_type: DeviceType) -> f64 {
    let flop_per_second = match device_type {
        DeviceType::DiscreteGpu => 1e12,
        DeviceType::IntegratedGpu | DeviceType::VirtualGpu | DeviceType::Other => 1e11,
        DeviceType::Cpu => return 0.0,
    };
    step.flop as f64 / flop_per_second + step.waits as f64 * WAIT
}

/// The steps of each submission, none of which should take longer than `longest`, in seconds, unless a single
/// step does.
fn split(plan: &Plan, device_type: DeviceType, longest: f64) -> Vec<std::ops::Range<usize>> {
    let mut submissions = Vec::new();
    let (mut start, mut seconds) = (0, 0.0);
    for (index, step) in plan.steps.iter().enumerate() {
        let own = seconds_of(step, device_type);
        if seconds + own > longest && index > start {
            submissions.push(start..index);
            (start, seconds) = (index, 0.0);
        }
        seconds += own;
    }
    submissions.push(start..plan.steps.len());
    submissions
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::{Target, compile};
    use crate::gpu::device::{OWN_DEVICE, SHARED_DEVICE};
    use crate::models::retinaface::MOBILENET025;
    use crate::models::{ModelConfig, Request};

    /// The steps of each submission for a picture of faces.
    fn submissions(
        size: [usize; 2],
        device_type: DeviceType,
        longest: f64,
    ) -> (Plan, Vec<Vec<String>>) {
        let transform = MOBILENET025.transform();
        let request = Request::of(MOBILENET025);
        let padded = transform.frame(size).padded;
        let config = ModelConfig::of(MOBILENET025);
        let plan = compile(&config, &transform, &request, padded, &Target::webgpu())
            .expect("it is known how to compute it");
        let ranges = split(&plan, device_type, longest);
        let names = |steps: &std::ops::Range<usize>| {
            let steps = plan.steps[steps.clone()].iter();
            steps.map(|step| step.name.clone()).collect()
        };
        let names = ranges.iter().map(names).collect();
        (plan, names)
    }

    #[test]
    fn a_selection_from_very_many_candidates_is_a_submission_of_its_own() {
        for device_type in [DeviceType::DiscreteGpu, DeviceType::IntegratedGpu] {
            let (plan, submissions) = submissions([3000, 4000], device_type, OWN_DEVICE);
            assert_eq!(submissions.concat().len(), plan.steps.len());
            let last = submissions.last().expect("there is one");
            assert_eq!(last, &["detections"], "{device_type:?}");
        }
    }

    #[test]
    fn a_frame_is_one_submission_where_nothing_takes_long() {
        let cases = [
            ([480, 640], DeviceType::IntegratedGpu),
            ([1080, 1920], DeviceType::DiscreteGpu),
            ([3000, 4000], DeviceType::Cpu),
        ];
        for (size, device_type) in cases {
            let (_, submissions) = submissions(size, device_type, OWN_DEVICE);
            assert_eq!(submissions.len(), 1, "{size:?} {device_type:?}");
        }
    }

    #[test]
    fn on_a_device_that_draws_a_window_no_submission_takes_long() {
        let device_type = DeviceType::IntegratedGpu;
        let (plan, submissions) = submissions([480, 640], device_type, SHARED_DEVICE);
        assert!(submissions.len() > 1);
        assert_eq!(submissions.concat().len(), plan.steps.len());
        let mut steps = plan.steps.iter();
        for names in submissions {
            let seconds = steps.by_ref().take(names.len());
            let seconds: f64 = seconds.map(|step| seconds_of(step, device_type)).sum();
            assert!(seconds <= SHARED_DEVICE || names.len() == 1, "{names:?}");
        }
    }
}
