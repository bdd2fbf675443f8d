//! Object detectors with feature pyramids: PyTorch's checkpoints in, PyTorch's boxes out, without
//! Python.
//!
//! [`Detector`] is the way in. Behind it a [model](models) is a Burn module, filled from a
//! [checkpoint](weights); [`transform`] prepares pictures, and [`ops`] holds what detection needs
//! beyond Burn's own operations.
#![warn(missing_docs)]

#[cfg(feature = "annotate")]
pub mod annotate;
pub mod boxes;
mod builder;
mod class_names;
pub mod compile;
mod cpu;
pub mod data;
mod detections;
mod detector;
mod error;
#[cfg(feature = "train")]
pub mod eval;
pub mod gpu;
pub mod inspection;
pub mod kernels;
pub mod masks;
pub mod models;
pub mod ops;
pub mod plan;
mod report;
mod results;
mod stage;
mod summary;
#[cfg(feature = "train")]
pub mod train;
pub mod transform;
mod upsampling;
#[cfg(feature = "verify")]
pub mod verify;
#[cfg(feature = "video")]
pub mod video;
pub mod weights;

pub use builder::DetectorBuilder;
pub use detections::{Detection, Detections, FeatureMap};
pub use detector::{Detector, Pending};
pub use error::{BuildError, DetectError};
pub use gpu::{Network, NetworkError};
pub use inspection::Inspection;
pub use report::{FrameReport, Picture, Report, VideoReport};
pub use results::{Computed, HostMap, HostTensor, Proposal, Reading};
pub use summary::{Layer, ModuleCall, Summary};
pub use weights::Checkpoint;
