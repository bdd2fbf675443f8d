//! Which adapters there are, and which one is meant by a name.

use wgpu::{Adapter, AdapterInfo, Backends, DeviceType, Instance, InstanceDescriptor};

use super::GpuError;

/// Vulkan, Metal, DX12 and WebGPU: what other programs in the same build may want of OpenGL has too little for a
/// detector.
pub const BACKENDS: Backends = Backends::PRIMARY;

/// The adapters of this machine, best first: discrete before integrated before virtual ones, software
/// last.
pub async fn adapters() -> Vec<Adapter> {
    let told = InstanceDescriptor::new_without_display_handle_from_env();
    let instance = Instance::new(InstanceDescriptor {
        backends: told.backends & BACKENDS,
        ..told
    });
    best_first(instance.enumerate_adapters(BACKENDS).await)
}

/// Adapters in the order of [`adapters`].
pub fn best_first(mut adapters: Vec<Adapter>) -> Vec<Adapter> {
    adapters.sort_by_key(|adapter| rank(&adapter.get_info()));
    adapters
}

fn rank(info: &AdapterInfo) -> usize {
    match info.device_type {
        DeviceType::DiscreteGpu => 0,
        DeviceType::IntegratedGpu => 1,
        DeviceType::VirtualGpu => 2,
        DeviceType::Other => 3,
        DeviceType::Cpu => 4,
    }
}

/// Whether an adapter computes on the CPU (llvmpipe, SwiftShader, WARP).
pub fn is_software(info: &AdapterInfo) -> bool {
    info.device_type == DeviceType::Cpu
}

/// What `auto` takes: the best adapter that is a GPU, if there is one.
pub async fn best_gpu() -> Option<Adapter> {
    adapters()
        .await
        .into_iter()
        .find(|adapter| !is_software(&adapter.get_info()))
}

/// The best adapter, software included.
///
/// # Errors
/// If there is none.
pub async fn best() -> Result<Adapter, GpuError> {
    adapters()
        .await
        .into_iter()
        .next()
        .ok_or(GpuError::NoAdapter)
}

/// The best adapter whose name contains `name`, whatever the case of letters.
///
/// # Errors
/// If none does; the error lists the names there are.
pub async fn by_name(name: &str) -> Result<Adapter, GpuError> {
    let adapters = adapters().await;
    let wanted = name.to_lowercase();
    let names = adapters
        .iter()
        .map(|adapter| adapter.get_info().name)
        .collect();
    adapters
        .into_iter()
        .find(|adapter| adapter.get_info().name.to_lowercase().contains(&wanted))
        .ok_or_else(|| GpuError::UnknownAdapter {
            name: name.to_owned(),
            known: names,
        })
}
