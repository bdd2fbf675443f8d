//! The operations Burn lacks, a file each: what it promises, its CPU twin (what the CPU engine runs
//! and what the GPU kernel is compared with), and how it is captured.
//!
//! Eagerly, an operation that selects returns as many rows as it found. Captured, it declares its
//! capacity and says in `count` how many rows are meant.

pub mod anchor_decode;
pub mod anchors;
pub mod boxes;
pub mod candidates;
pub mod levels;
pub mod proposals;
pub mod roi_align;
pub mod roi_decode;
pub mod select;

mod capture;
mod flex;

pub use flex::Map;
