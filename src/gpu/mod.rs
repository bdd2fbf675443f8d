//! Running plans on a GPU: the only place that touches wgpu.

pub mod adapters;
mod device;
mod engine;
mod kernels;
mod maps;
mod memory;
mod pipelines;
mod probe;
mod profile;
pub mod roof;
mod session;
mod stopwatch;
mod store;
mod trunk;
mod tune;
mod winograd;

pub use device::{Counters, Gpu, GpuError};
pub use engine::{Engine, Pending};
pub use kernels::{BindingKind, Source, compose, source};
pub use maps::HostMap;
pub use probe::probe;
pub use profile::Profile;
#[cfg(test)]
pub(crate) use store::pack;
pub use trunk::Trunk;
pub use tune::{measurements, tune};
