//! From a module to a graph.

mod capture;

pub use capture::{CaptureError, CapturedModel, capture};
