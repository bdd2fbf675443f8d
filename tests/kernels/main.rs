//! The GPU's kernels, one by one: against their CPU references on this machine's adapter, through the
//! translators of all backends, and as the plans of all models use them.
//!
//! `--nocapture` prints the largest differences.

#[path = "../adapter/mod.rs"]
mod adapter;

mod attention;
mod convolutions;
mod pictures;
mod plans;
mod references;
mod shaders;
