//! The device that draws the window: the detector may share it.

use std::sync::Arc;

use eframe::egui_wgpu::{RenderState, WgpuSetup, WgpuSetupCreateNew};
use eframe::wgpu::{Adapter, DeviceDescriptor, Limits, Surface};
use fpn_wgpu::gpu::{Gpu, adapters};

/// The best adapter that can draw in the window, opened as a detector needs it.
pub fn setup() -> WgpuSetup {
    let mut setup = WgpuSetupCreateNew::without_display_handle();
    setup.instance_descriptor.backends &= adapters::BACKENDS;
    setup.native_adapter_selector = Some(Arc::new(best));
    setup.device_descriptor = Arc::new(descriptor);
    WgpuSetup::CreateNew(setup)
}

fn best(all: &[Adapter], surface: Option<&Surface<'_>>) -> Result<Adapter, String> {
    let draws =
        |adapter: &Adapter| surface.is_none_or(|surface| adapter.is_surface_supported(surface));
    let mut all = adapters::best_first(all.to_vec()).into_iter();
    all.find(draws).ok_or_else(|| {
        "no adapter can draw here: install a Vulkan driver, on Debian the package mesa-vulkan-drivers".to_owned()
    })
}

fn descriptor(adapter: &Adapter) -> DeviceDescriptor<'static> {
    Gpu::descriptor(adapter).unwrap_or_else(|_| DeviceDescriptor {
        label: Some("window"),
        // It is enough for the window, but for heat maps; the detector has another adapter, or the CPU.
        required_limits: Limits::downlevel_webgl2_defaults().using_resolution(adapter.limits()),
        ..DeviceDescriptor::default()
    })
}

/// The window's device, for a detector to share; none if it cannot run one.
pub fn shared(window: &RenderState) -> Option<Arc<Gpu>> {
    let info = window.adapter.get_info();
    Gpu::from_device(window.device.clone(), window.queue.clone(), info).ok()
}
