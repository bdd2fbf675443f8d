//! What the tests share: files of expected tensors, and comparing with them.

mod compare;
mod file;

pub use compare::assert_close;
pub use file::{TensorFile, sample, shared};
