//! The page in a real browser, against the same library outside.

#[path = "../support/mod.rs"]
mod support;

mod errors;
mod parity;
mod pictures;
mod viewer;
