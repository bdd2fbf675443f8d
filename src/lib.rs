//! Object detectors with feature pyramids: PyTorch's checkpoints in, PyTorch's boxes out, without
//! Python.
//!
//! [`Detector`] is the way in. Behind it a [model](models) is a Burn module, filled from a
//! [checkpoint](weights); [`transform`] prepares pictures, and [`ops`] holds what detection needs
//! beyond Burn's own operations.
#![warn(missing_docs)]

pub mod compile;
mod detections;
mod detector;
pub mod models;
pub mod ops;
mod summary;
pub mod transform;
pub mod weights;

pub use detections::{Detection, Detections, PyramidLevel};
pub use detector::{BuildError, DetectError, Detector, DetectorBuilder};
pub use summary::{Layer, Summary};
