//! The adapter that the tests compute on.

use std::sync::{Arc, OnceLock};

use fpn_wgpu::gpu::{Gpu, adapters};

/// This machine's best adapter, opened once; which driver it is of is chosen as Vulkan programs do
/// (`VK_ICD_FILENAMES`). A machine without any fails the test and says what to install.
pub fn gpu() -> Arc<Gpu> {
    static GPU: OnceLock<Arc<Gpu>> = OnceLock::new();
    GPU.get_or_init(open).clone()
}

/// The same adapter, opened anew: for tests that break it or count what it does.
pub fn open() -> Arc<Gpu> {
    let adapter = pollster::block_on(adapters::best()).unwrap_or_else(|error| panic!("{error}"));
    pollster::block_on(Gpu::open(&adapter)).unwrap_or_else(|error| panic!("{error}"))
}
