//! Running plans on a GPU: the only place that touches wgpu.

pub mod adapters;
mod device;
mod engine;
mod faults;
mod memory;
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
pub use pipelines::{ShaderText, compose};
pub use probe::probe;
pub use profile::Profile;
pub use tune::{TuneError, measurements, tune};

pub use crate::error::GpuError;
