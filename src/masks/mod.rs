//! Masks: which of a picture's pixels belong to an object.

mod overlap;
mod paste;
mod polygon;
mod rle;
mod runs;
mod string;

#[cfg(feature = "train")]
pub(crate) use rle::RleFields;
pub use rle::{Rle, RleError};
