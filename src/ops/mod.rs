//! The operations Burn lacks, a file each: what it promises, what the CPU engine does (and the GPU's
//! kernels are compared with), how it is captured, and how it is scheduled.
//!
//! Eagerly, an operation that selects returns as many rows as it found. Captured, it declares its
//! capacity and says in `count` how many rows are meant.

pub mod anchor_decode;
pub mod anchors;
pub mod candidates;
pub mod dense_decode;
pub mod group_statistics;
pub mod keypoint_decode;
pub mod levels;
pub mod mask_select;
pub mod pixel_shuffle;
pub mod proposals;
pub mod roi_align;
pub mod roi_decode;
pub mod roi_pool;
pub mod select;
pub mod window_attention;

mod capture;
mod flex;
mod operation;

#[cfg(feature = "verify")]
pub use flex::Handles;
pub use flex::Map;
pub use operation::{Arguments, Extension, Operation};

/// All operations of ours.
pub const ALL: &[&dyn Operation] = &[
    &proposals::SelectProposals,
    &roi_align::RoiAlign,
    &roi_pool::RoiPool,
    &roi_decode::DecodeRois,
    &anchor_decode::DecodeAnchors,
    &dense_decode::DecodeDense,
    &select::SelectDetections,
    &select::SelectRois,
    &mask_select::SelectMasks,
    &keypoint_decode::DecodeKeypoints,
    &pixel_shuffle::PixelShuffle,
    &group_statistics::GroupStatistics,
    &window_attention::WindowAttention,
];

/// The operation of this name.
pub fn by_id(id: &str) -> Option<&'static dyn Operation> {
    ALL.iter().copied().find(|operation| operation.id() == id)
}
