//! Running plans on a GPU: the only place that touches wgpu.

pub mod adapters;
mod clock;
mod device;
mod engine;
mod faults;
mod kept;
mod memory;
mod network;
pub mod peaks;
mod pipeline_cache;
mod pipelines;
mod probe;
mod profile;
mod readback;
mod session;
mod store;
mod timestamps;
mod tune;

pub use device::{Counters, Gpu};
pub use engine::{GpuEngine, Submitted};
pub use kept::{KeptMap, KeptMaps};
pub use network::{Network, NetworkError};
pub use pipelines::{ShaderText, compose};
pub use probe::probe;
pub use profile::Profile;
pub use tune::{TuneError, measurements, tune};

pub use crate::error::GpuError;

/// This machine's best adapter, for unit tests: one without any fails the test and says what to install.
#[cfg(test)]
pub(crate) fn open_best() -> std::sync::Arc<Gpu> {
    let adapter = pollster::block_on(adapters::best()).unwrap_or_else(|error| panic!("{error}"));
    pollster::block_on(Gpu::open(&adapter)).unwrap_or_else(|error| panic!("{error}"))
}
