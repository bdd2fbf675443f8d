//! One adapter for all: ours and Burn's device on it.

use anyhow::{Context, Result};
use burn::tensor::Device;
use burn::tensor::wgpu::WgpuSetup;
use fpn_wgpu::gpu::{GpuError, adapters};
use serde::Serialize;
use wgpu::{
    Adapter, AdapterInfo, DeviceDescriptor, Features, Instance, InstanceDescriptor, MemoryHints,
};

use crate::Usage;

/// The adapter that `--device` means: `gpu` is the best, software included, another name a part of
/// an adapter's.
pub fn find(device: &str) -> Result<Adapter> {
    let found = match device {
        "gpu" => pollster::block_on(adapters::best()),
        name => pollster::block_on(adapters::by_name(name)),
    };
    found.map_err(|error| match error {
        GpuError::UnknownAdapter { name, known } => Usage(format!(
            "unknown device '{name}': expected gpu or a part of the name of one of: {}",
            known.join(", ")
        ))
        .into(),
        error => error.into(),
    })
}

/// Burn's device on the adapter, opened as Burn itself opens one: with all it offers, but for
/// features that are experiments.
pub fn burn_device(adapter: &Adapter) -> Result<Device> {
    let left_out = Features::MAPPABLE_PRIMARY_BUFFERS | Features::all_experimental_mask();
    let opened = adapter.request_device(&DeviceDescriptor {
        label: Some("burn-wgpu"),
        required_features: adapter.features() - left_out,
        required_limits: adapter.limits(),
        memory_hints: MemoryHints::MemoryUsage,
        ..DeviceDescriptor::default()
    });
    let (device, queue) = pollster::block_on(opened).context("burn-wgpu's device")?;
    let setup = WgpuSetup {
        // Burn keeps it, and asks it nothing.
        instance: Instance::new(InstanceDescriptor::new_without_display_handle_from_env()),
        adapter: adapter.clone(),
        device,
        queue,
        backend: adapter.get_info().backend,
    };
    let device = Device::wgpu_options().setup(setup).init();
    device.context("burn-wgpu's device")
}

/// An adapter in a report.
#[derive(Serialize)]
pub struct Described {
    name: String,
    device_type: String,
    backend: String,
    driver: String,
    driver_info: String,
}

impl Described {
    pub fn of(info: &AdapterInfo) -> Self {
        Self {
            name: info.name.clone(),
            device_type: format!("{:?}", info.device_type),
            backend: info.backend.to_string(),
            driver: info.driver.clone(),
            driver_info: info.driver_info.clone(),
        }
    }
}

impl std::fmt::Display for Described {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} ({}), {} {} on {}",
            self.name, self.device_type, self.driver, self.driver_info, self.backend
        )
    }
}
