//! Every (RoI, class) pair but the background's that scores enough, decoded and clipped, in the order
//! of RoI and class.

#[cfg(feature = "verify")]
mod checks;
#[cfg(feature = "verify")]
mod reference;

#[cfg(feature = "verify")]
pub use checks::{RoisShape, case};

use super::kernel::shader;
use super::params::params;
use super::{Dispatch, Dtypes, Kernel, Role};

/// vec4 of a candidate: its box; its score, label and level.
pub const BLOCKS: usize = 2;

params! {
    /// What the kernel is told.
    pub struct Params {
        /// Of the box coder: deltas are divided by them.
        weights: [f32; 4],
        /// Classes, background included.
        classes: u32,
        /// Floats between the logits of a RoI and those of the next.
        logit_pitch: u32,
        /// Floats between the deltas of a RoI and those of the next.
        delta_pitch: u32,
        /// Candidates that fit.
        capacity: u32,
        /// A candidate scores more.
        score_threshold: f32,
        /// A candidate's sides have at least as many pixels.
        min_side: f32,
        /// Floats from one class's deltas to the next's; 0 where all have the same.
        delta_step: u32,
        /// Of boxes: 0 where they are exclusive, 1 where they are inclusive.
        edges: u32,
        /// The first class that is not the background, which is the first or the last of all.
        first_class: u32,
        /// Alignment.
        unused_a: u32,
        /// Alignment.
        unused_b: u32,
        /// Alignment.
        unused_c: u32,
    }
}

/// In 32 bits.
pub static KERNEL: Kernel = Kernel::new(
    "decode_rois",
    shader!("decode_rois.wgsl"),
    Params::FIELDS,
    &[
        Role::Frame,
        Role::FloatsIn,
        Role::FloatsIn,
        Role::FloatsIn,
        Role::WordsIn,
        Role::WordsIn,
        Role::CandidatesOut,
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
    /// One workgroup takes all RoIs. Binds the frame, logits, deltas, the proposals, their levels and
    /// their number, then the candidates and their number.
    pub fn dispatch(&self) -> Dispatch {
        Dispatch::new(KERNEL.shader(Dtypes::F32), self, [1, 1, 1])
    }
}
