//! The chosen anchors of one level, decoded, clipped and put in order: best logit first, ties to the
//! earlier anchor.

#[cfg(feature = "verify")]
mod checks;
#[cfg(feature = "verify")]
mod reference;

#[cfg(feature = "verify")]
pub use checks::{ProposalsShape, case};

use super::kernel::{shader, workgroups};
use super::params::params;
use super::{Dispatch, Dtypes, Kernel, MAX_ANCHORS, Role};

params! {
    /// What the kernel is told.
    pub struct Params {
        /// The boxes of the cell at the origin, in pixels: `x1`, `y1`, `x2`, `y2`.
        anchors: [[f32; 4]; MAX_ANCHORS],
        /// Height and width of the level's maps.
        size: [u32; 2],
        /// Pixels between cells, down and across.
        stride: [u32; 2],
        /// Floats between the logits of a cell and those of the next.
        logit_pitch: u32,
        /// Floats between the deltas of a cell and those of the next.
        delta_pitch: u32,
        /// Slots of the level: at least as many as anchors were chosen.
        limit: u32,
        /// Slots of the levels before.
        first_slot: u32,
        /// A proposal's sides have at least as many pixels.
        min_side: f32,
        /// Of boxes: 0 where they are exclusive, 1 where they are inclusive.
        edges: u32,
        /// The logit that a proposal has at least.
        min_logit: f32,
        /// Alignment.
        unused: u32,
    }
}

/// In 32 bits.
pub static KERNEL: Kernel = Kernel::new(
    "decode_proposals",
    shader!("decode_proposals.wgsl"),
    Params::FIELDS,
    &[
        Role::Frame,
        Role::FloatsIn,
        Role::FloatsIn,
        Role::WordsIn,
        Role::FloatsOut,
        Role::WordsOut,
    ],
    #[cfg(feature = "verify")]
    checks::CHECKS,
);

/// All variants.
pub fn kernels() -> Vec<&'static Kernel> {
    vec![&KERNEL]
}

impl Params {
    /// An invocation fills a slot. Binds the frame, logits, deltas, where the chosen logits lie, and the
    /// boxes and keys of all levels' slots.
    pub fn dispatch(&self) -> Dispatch {
        let workgroups = workgroups(self.limit as usize);
        Dispatch::new(KERNEL.shader(Dtypes::F32), self, workgroups)
    }
}
