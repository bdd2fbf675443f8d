//! Burn's own device on a GPU.

use burn::tensor::Device;
use burn::tensor::wgpu::WgpuSetup;
use wgpu::{Adapter, DeviceDescriptor, Features, Instance, InstanceDescriptor, MemoryHints};

use crate::gpu::GpuError;

/// burn-wgpu's device on an adapter, to train on. It is opened as Burn itself opens one: with all that
/// the adapter offers, but for features that are experiments.
///
/// # Errors
/// If the driver refuses.
pub fn gpu_device(adapter: &Adapter) -> Result<Device, GpuError> {
    let refused = |reason: String| GpuError::Open {
        adapter: adapter.get_info().name,
        reason,
    };
    let left_out = Features::MAPPABLE_PRIMARY_BUFFERS | Features::all_experimental_mask();
    let opened = adapter.request_device(&DeviceDescriptor {
        label: Some("burn-wgpu"),
        required_features: adapter.features() - left_out,
        required_limits: adapter.limits(),
        memory_hints: MemoryHints::MemoryUsage,
        ..DeviceDescriptor::default()
    });
    let (device, queue) = pollster::block_on(opened).map_err(|error| refused(error.to_string()))?;
    let setup = WgpuSetup {
        // Burn keeps it, and asks it nothing.
        instance: Instance::new(InstanceDescriptor::new_without_display_handle_from_env()),
        adapter: adapter.clone(),
        device,
        queue,
        backend: adapter.get_info().backend,
    };
    let device = Device::wgpu_options().setup(setup).init();
    device.map_err(|error| refused(error.to_string()))
}
