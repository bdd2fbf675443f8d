//! Object detectors with feature pyramids: PyTorch's checkpoints in, PyTorch's boxes out, without
//! Python.
//!
//! [`Detector`] is the way in. Behind it a [model](models) is a Burn module, filled from a
//! [checkpoint](weights); [`transform`] prepares pictures, and [`ops`] holds what detection needs
//! beyond Burn's own operations.
#![warn(missing_docs)]

mod builder;
pub mod compile;
mod cpu;
pub mod data;
mod detections;
mod detector;
pub mod gpu;
pub mod models;
pub mod ops;
pub mod plan;
mod report;
mod summary;
pub mod transform;
pub mod twins;
pub mod verify;
pub mod weights;

pub use builder::{BuildError, DetectorBuilder};
pub use detections::{Detection, Detections, PyramidLevel};
pub use detector::{Computed, DetectError, Detector, Pending};
pub use report::{Picture, Report};
pub use summary::{Layer, Summary};
