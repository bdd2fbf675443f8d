//! Single operations on the CPU engine, ours and those we rely on Burn for: against PyTorch's
//! results, against the ONNX project's test vectors, at the edges, and against what they promise.

#[allow(dead_code, unused_imports)] // other test programs use the rest
#[path = "../support/mod.rs"]
mod support;

mod attention;
mod boxes;
mod edges;
mod layers;
mod onnx;
mod pictures;
mod pixel_shuffle;
mod properties;
mod random;
mod roi_align;
mod roi_pool;
mod window_attention;

use support::TensorFile;

/// Inputs and outputs of PyTorch's and torchvision's operations.
fn golden() -> TensorFile {
    TensorFile::golden("ops")
}
