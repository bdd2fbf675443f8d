//! An open device: its limits, its kernels, and what went wrong on it.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use wgpu::{Adapter, AdapterInfo, Device, DeviceDescriptor, Features, Limits, PollType, Queue};

use super::adapters::is_software;
use super::faults::Faults;
use super::pipeline_cache::CachedPipelines;
use super::pipelines::{CompiledKernel, PipelineBuilder, ShaderText};
use crate::compile::{ConvTable, Precision, Target};
use crate::error::GpuError;
use crate::kernels::{Dtype, Shader};

/// How often costly things were done; what is done for each frame is not among them.
#[derive(Debug, Default)]
pub struct Counters {
    buffers: AtomicUsize,
    bind_groups: AtomicUsize,
    pipelines: AtomicUsize,
    submissions: AtomicUsize,
    read_backs: AtomicUsize,
}

/// Which count.
#[derive(Clone, Copy, Debug)]
pub(super) enum Count {
    Buffer,
    BindGroup,
    Pipeline,
    Submission,
    ReadBack,
}

impl Counters {
    pub(super) fn add(&self, count: Count) {
        let counter = match count {
            Count::Buffer => &self.buffers,
            Count::BindGroup => &self.bind_groups,
            Count::Pipeline => &self.pipelines,
            Count::Submission => &self.submissions,
            Count::ReadBack => &self.read_backs,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Buffers, bind groups and pipelines made so far.
    pub fn made(&self) -> [usize; 3] {
        [&self.buffers, &self.bind_groups, &self.pipelines].map(|n| n.load(Ordering::Relaxed))
    }

    /// Queue submissions and read-backs of frames so far.
    pub fn sent(&self) -> [usize; 2] {
        [&self.submissions, &self.read_backs].map(|n| n.load(Ordering::Relaxed))
    }
}

/// An open device with the kernels compiled for it.
#[derive(Debug)]
pub struct Gpu {
    pub(super) device: Device,
    pub(super) queue: Queue,
    info: AdapterInfo,
    kernels: Mutex<BTreeMap<Shader, Arc<CompiledKernel>>>,
    pipelines: Option<CachedPipelines>,
    faults: Faults,
    counters: Counters,
}

impl Gpu {
    /// Open an adapter. Larger buffers than WebGPU's defaults are taken where it has them, and so
    /// are timestamps.
    ///
    /// # Errors
    /// If the adapter is below WebGPU's default limits, or the driver refuses.
    pub async fn open(adapter: &Adapter) -> Result<Arc<Self>, GpuError> {
        Self::open_with(adapter, None).await
    }

    /// As [`open`](Self::open), with [`pipelines`](Self::pipelines) of an earlier run that need not be
    /// compiled again. Those of another adapter or driver are left aside, and damaged ones too.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_with(
        adapter: &Adapter,
        pipelines: Option<&[u8]>,
    ) -> Result<Arc<Self>, GpuError> {
        let info = adapter.get_info();
        let descriptor = Self::descriptor(adapter)?;
        let (device, queue) =
            adapter
                .request_device(&descriptor)
                .await
                .map_err(|error| GpuError::Open {
                    adapter: info.name.clone(),
                    reason: error.to_string(),
                })?;
        #[cfg(target_arch = "wasm32")]
        let info = browser_info(&device, info);
        let pipelines = CachedPipelines::open(&device, &info, pipelines);
        let faults = Faults::of_own(&device);
        Ok(Self::new(device, queue, info, pipelines, faults))
    }

    /// How a device is opened on an adapter: for programs that open one themselves, and share it by
    /// [`from_device`](Self::from_device).
    ///
    /// # Errors
    /// If the adapter is below WebGPU's default limits.
    pub fn descriptor(adapter: &Adapter) -> Result<DeviceDescriptor<'static>, GpuError> {
        let available = adapter.limits();
        let needed = needed_limits(&available);
        check_limits(&adapter.get_info().name, &needed, &available)?;
        let limits = Limits {
            max_buffer_size: available.max_buffer_size,
            max_storage_buffer_binding_size: available.max_storage_buffer_binding_size,
            ..needed
        };
        Ok(DeviceDescriptor {
            label: Some("fpn-wgpu"),
            required_features: adapter.features() & WANTED,
            required_limits: limits,
            ..DeviceDescriptor::default()
        })
    }

    /// Share a device that is already open, on the adapter of this `info`. Its error handlers stay the
    /// other program's, and are told nothing of what goes wrong in what is done here: that is reported by
    /// [`fault`](Self::fault) and by whatever is computed next. Of its features those are used that are
    /// used of an adapter: subgroups, timestamps, 16 bits, kept pipelines.
    ///
    /// # Errors
    /// If the device was opened with less than WebGPU's default limits, which
    /// [`DeviceDescriptor::default`] asks for.
    pub fn from_device(
        device: Device,
        queue: Queue,
        info: AdapterInfo,
    ) -> Result<Arc<Self>, GpuError> {
        Self::from_device_with(device, queue, info, None)
    }

    /// As [`from_device`](Self::from_device), with [`pipelines`](Self::pipelines) of an earlier run, as
    /// [`open_with`](Self::open_with) takes them. They are of use where the device has
    /// [`Features::PIPELINE_CACHE`].
    ///
    /// # Errors
    /// As [`from_device`](Self::from_device).
    pub fn from_device_with(
        device: Device,
        queue: Queue,
        info: AdapterInfo,
        pipelines: Option<&[u8]>,
    ) -> Result<Arc<Self>, GpuError> {
        let allowed = device.limits();
        check_limits(&info.name, &needed_limits(&allowed), &allowed)?;
        #[cfg(target_arch = "wasm32")]
        let info = browser_info(&device, info);
        let faults = Faults::of_shared(&device);
        let pipelines =
            faults.watched(&device, || CachedPipelines::open(&device, &info, pipelines));
        Ok(Self::new(device, queue, info, pipelines, faults))
    }

    fn new(
        device: Device,
        queue: Queue,
        info: AdapterInfo,
        pipelines: Option<CachedPipelines>,
        faults: Faults,
    ) -> Arc<Self> {
        Arc::new(Self {
            device,
            queue,
            info,
            kernels: Mutex::default(),
            pipelines,
            faults,
            counters: Counters::default(),
        })
    }

    /// The adapter's name, type and driver.
    pub fn info(&self) -> &AdapterInfo {
        &self.info
    }

    /// The device, to share it with other programs.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The device's queue.
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Whether the device tells when a pass begins and ends.
    pub fn has_timestamps(&self) -> bool {
        self.device.features().contains(Features::TIMESTAMP_QUERY)
    }

    /// What was made and sent so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What plans for this device are made for. Convolutions go by `table`, or else by the one that
    /// ships for adapters of this kind.
    ///
    /// # Errors
    /// If the device does not compute in this precision.
    pub fn target(
        &self,
        table: Option<ConvTable>,
        precision: Precision,
    ) -> Result<Target, GpuError> {
        if precision.product() == Dtype::F16 && !self.has_f16() {
            return Err(GpuError::Precision {
                adapter: self.info.name.clone(),
                precision: precision.name(),
            });
        }
        let most = self.device.limits().max_buffer_size;
        Ok(Target {
            precision,
            arena_limit: usize::try_from(most).unwrap_or(usize::MAX),
            subgroups: self.has_subgroups(),
            table: table.unwrap_or_else(|| match is_software(&self.info) {
                true => ConvTable::software(),
                false => ConvTable::default(),
            }),
        })
    }

    /// Whether the device runs a kernel with its dtypes.
    pub fn runs(&self, shader: Shader) -> bool {
        let multiplies = shader.dtypes.product == Dtype::F32 || self.has_f16();
        multiplies && (!shader.kernel.needs_subgroups || self.has_subgroups())
    }

    /// Whether the device computes in 16 bits.
    fn has_f16(&self) -> bool {
        self.device.features().contains(Features::SHADER_F16)
    }

    /// Whether invocations can share values in subgroups of at least eight.
    fn has_subgroups(&self) -> bool {
        self.device.features().contains(Features::SUBGROUP) && self.info.subgroup_min_size >= 8
    }

    /// The first error since the device was opened, after which nothing it computes can be trusted.
    pub fn fault(&self) -> Option<GpuError> {
        self.faults.first()
    }

    /// Make something on the device. Running out of memory here spoils only what was to be made.
    ///
    /// # Errors
    /// If memory ran out, or a limit was passed. A browser tells only later, as a fault.
    pub(super) fn guarded<T>(&self, make: impl FnOnce() -> T) -> Result<T, GpuError> {
        #[cfg(not(target_arch = "wasm32"))]
        match super::faults::scoped(&self.device, make) {
            (_, Some(error)) => Err(self.faults.cause(&self.device, error)),
            (made, None) => Ok(made),
        }
        #[cfg(target_arch = "wasm32")]
        Ok(self.watched(make))
    }

    /// Do something with the device that is not [`guarded`](Self::guarded), and waits for nothing. What
    /// goes wrong is a fault; nothing of it reaches those whose device is shared.
    pub(super) fn watched<T>(&self, work: impl FnOnce() -> T) -> T {
        self.faults.watched(&self.device, work)
    }

    /// Whether another program opened the device, and uses it too.
    pub(super) fn is_shared(&self) -> bool {
        self.faults.is_shared
    }

    /// Longest that a submission may take, in seconds.
    pub(super) fn longest_submission(&self) -> f64 {
        match self.is_shared() {
            true => SHARED_DEVICE,
            false => OWN_DEVICE,
        }
    }

    /// # Errors
    /// If the device is lost or has failed. Takes some time on one that is shared.
    pub(super) fn check_alive(&self) -> Result<(), GpuError> {
        self.faults.notice_loss(&self.device);
        self.check()
    }

    /// Wait until all that was sent is done. Not for browsers, where nothing may wait.
    ///
    /// # Errors
    /// If the device is lost.
    pub fn wait(&self) -> Result<(), GpuError> {
        self.poll(PollType::wait_indefinitely())
    }

    /// Look whether anything that was sent is done, without waiting: what is waited for by
    /// [`Pending::finish`](crate::Pending::finish) is told. For programs whose windows are drawn on the same device,
    /// which would stand still while somebody waits.
    ///
    /// # Errors
    /// If the device is lost or has failed.
    pub fn look(&self) -> Result<(), GpuError> {
        self.poll(PollType::Poll)
    }

    /// Wait for the device, or only look at it.
    ///
    /// # Errors
    /// If it is lost; wgpu then panics in native programs.
    pub(super) fn poll(&self, poll: PollType) -> Result<(), GpuError> {
        let polled = catch_unwind(AssertUnwindSafe(|| self.device.poll(poll)));
        match polled {
            Ok(Ok(_)) => self.check()?,
            _ => self.check_alive()?,
        }
        match polled {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(GpuError::Lost(error.to_string())),
            Err(_) => Err(GpuError::Lost("waiting for it failed".to_owned())),
        }
    }

    /// Until everything that was sent is done.
    ///
    /// # Errors
    /// If the device has failed by then.
    pub(super) async fn idle(&self) -> Result<(), GpuError> {
        #[cfg(not(target_arch = "wasm32"))]
        self.poll(PollType::wait_indefinitely())?;
        #[cfg(target_arch = "wasm32")]
        {
            let (sender, receiver) = futures_channel::oneshot::channel();
            self.queue
                .on_submitted_work_done(move || sender.send(()).unwrap_or(()));
            // A lost device may never tell.
            receiver.await.ok();
        }
        self.check_alive()
    }

    /// # Errors
    /// The device's fault, if there is one.
    pub(super) fn check(&self) -> Result<(), GpuError> {
        self.fault().map_or(Ok(()), Err)
    }

    /// Everything that the driver has compiled, for [`open_with`](Self::open_with); none where that is
    /// nothing new since then, or the driver does not give it.
    pub fn pipelines(&self) -> Option<Vec<u8>> {
        self.pipelines.as_ref()?.compiled(&self.info)
    }

    /// A kernel, compiled when it is first asked for.
    pub(super) fn kernel(&self, shader: Shader) -> Arc<CompiledKernel> {
        let known = self.kernels().get(&shader).cloned();
        known.unwrap_or_else(|| {
            pollster::block_on(self.compile([shader], &async || {}));
            self.kernels()[&shader].clone()
        })
    }

    /// Compile the kernels that are not yet: at once, or in browsers one after the other, in slices
    /// with a `pause` between them.
    pub(super) async fn compile(
        &self,
        shaders: impl IntoIterator<Item = Shader>,
        pause: &impl AsyncFn(),
    ) {
        let mut shaders: BTreeSet<Shader> = shaders.into_iter().collect();
        shaders.retain(|shader| !self.kernels().contains_key(shader));
        if shaders.is_empty() {
            return;
        }
        let keep = |shader: Shader, compiled: CompiledKernel| {
            self.counters.add(Count::Pipeline);
            self.kernels().insert(shader, Arc::new(compiled));
        };
        let cache = self.pipelines.as_ref().map(|pipelines| &pipelines.cache);
        #[cfg(not(target_arch = "wasm32"))]
        {
            use rayon::prelude::*;
            let at_once = || async || {};
            shaders.into_par_iter().for_each_init(
                || pollster::block_on(PipelineBuilder::new(&at_once())),
                |builder, shader| {
                    let (source, pause) = (ShaderText::from(shader), at_once());
                    let build = builder.build(self, &source, cache, &pause);
                    keep(shader, pollster::block_on(build));
                },
            );
            pause().await;
        }
        #[cfg(target_arch = "wasm32")]
        {
            let mut builder = PipelineBuilder::new(pause).await;
            for shader in shaders {
                let source = ShaderText::from(shader);
                let compiled = builder.build(self, &source, cache, pause).await;
                keep(shader, compiled);
                pause().await;
            }
        }
    }

    fn kernels(&self) -> MutexGuard<'_, BTreeMap<Shader, Arc<CompiledKernel>>> {
        self.kernels.lock().expect("no panic holds the lock")
    }
}

/// Longest that a submission to a device of our own may take, in seconds: Windows resets a device after two.
pub(super) const OWN_DEVICE: f64 = 1.0;

/// The same of one that other programs share: a window draws in between, and should not miss a frame.
pub(super) const SHARED_DEVICE: f64 = 0.008;

/// Features that are used where an adapter has them.
const WANTED: Features = Features::SUBGROUP
    .union(Features::TIMESTAMP_QUERY)
    .union(Features::PIPELINE_CACHE)
    .union(Features::SHADER_F16);

/// What a browser tells of an adapter: its description, or else its vendor and architecture. It does not
/// tell its type, but Chromium's software adapter goes by its name.
#[cfg(target_arch = "wasm32")]
fn browser_info(device: &Device, info: AdapterInfo) -> AdapterInfo {
    let told = device.as_webgpu().map(|device| device.adapter_info());
    let name = match told {
        Some(told) if info.name.is_empty() => {
            let parts = [told.vendor(), told.architecture()];
            let known = parts.into_iter().filter(|part| !part.is_empty());
            known.collect::<Vec<_>>().join(" ")
        }
        _ => info.name.clone(),
    };
    let device_type = match name.to_lowercase().contains("swiftshader") {
        true => wgpu::DeviceType::Cpu,
        false => info.device_type,
    };
    AdapterInfo {
        name,
        device_type,
        ..info
    }
}

/// WebGPU's default limits, but for those of textures, which are not used.
fn needed_limits(available: &Limits) -> Limits {
    Limits::default().using_resolution(available.clone())
}

fn check_limits(adapter: &str, needed: &Limits, available: &Limits) -> Result<(), GpuError> {
    let mut failure = None;
    needed.check_limits_with_fail_fn(available, true, |limit, needed, found| {
        failure.get_or_insert(GpuError::Limit {
            adapter: adapter.to_owned(),
            limit: limit.to_owned(),
            needed,
            found,
        });
    });
    failure.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adapter_below_the_default_limits_is_named_with_the_limit() {
        let needed = Limits::default();
        assert_eq!(check_limits("good", &needed, &needed), Ok(()));
        let weak = Limits {
            max_storage_buffers_per_shader_stage: 4,
            ..Limits::default()
        };
        let error = check_limits("weak", &needed, &weak)
            .unwrap_err()
            .to_string();
        let expected = "adapter weak allows max_storage_buffers_per_shader_stage 4, fewer than the 8 that are needed";
        assert_eq!(error, expected);
    }
}
