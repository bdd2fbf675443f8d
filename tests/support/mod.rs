//! What the tests share: files of expected tensors, and comparing with them.

mod compare;
mod file;
mod gpu;

pub use compare::assert_close;
pub use file::{TensorFile, sample, shared};
pub use gpu::gpu;
