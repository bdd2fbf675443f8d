//! The compiler over graphs of small modules: what it refuses, and that what it takes computes what the
//! module does. No GPU: plans are interpreted by the kernels' CPU references.

#[path = "../seeded/mod.rs"]
mod seeded;

mod dense;
mod detectors;
mod graphs;
mod maps;
mod modules;
mod refused;
mod stages;
mod support;
mod tensors;
