//! Running plans on a GPU: the only place that touches wgpu.

pub mod adapters;
mod device;
mod engine;
mod kernels;
mod maps;
mod memory;
mod probe;
mod session;
mod store;
mod trunk;

pub use device::{Counters, Gpu, GpuError};
pub use engine::{Engine, Pending};
pub use kernels::{BindingKind, Source, compose, source};
pub use maps::HostMap;
pub use probe::probe;
pub use trunk::Trunk;
