//! Training: its parts against PyTorch's and torchvision's, the gradients of our operations against
//! finite differences, and one step of whole models against those of the systems they come from.
#![cfg(feature = "train")]

#[path = "../ops/attention.rs"]
mod attention_case;
#[path = "../ops/random.rs"]
mod random;
#[allow(dead_code, unused_imports)] // other test programs use the rest
#[path = "../support/mod.rs"]
mod support;

mod attention;
#[cfg(feature = "train-gpu")]
mod gpu;
mod losses;
mod resume;
mod roi_align;
mod roi_pool;
mod step;
mod targets;

use burn::tensor::Tensor;
use support::TensorFile;

/// Inputs and outputs of the parts of training.
fn golden() -> TensorFile {
    TensorFile::golden("train")
}

fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.to_data().try_to_vec().expect("f32")
}
