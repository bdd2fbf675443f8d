//! Greedy class-wise non-maximum suppression over the candidates, until enough are kept; the kept ones
//! in pixels of the original picture.

#[cfg(feature = "verify")]
mod checks;
#[cfg(feature = "verify")]
mod reference;

#[cfg(feature = "verify")]
pub use checks::{CandidatesShape, case};

use super::kernel::shader;
use super::params::params;
use super::{Dispatch, Dtypes, Kernel, Role};

params! {
    /// What the kernel is told.
    pub struct Params {
        /// Candidates that fit.
        capacity: u32,
        /// vec4 of each: its box first; score, label and level last.
        blocks: u32,
        /// Most that are kept.
        limit: u32,
        /// Overlap above which the weaker of a class falls.
        threshold: f32,
    }
}

/// In 32 bits.
pub static KERNEL: Kernel = Kernel::new(
    "select_detections",
    shader!("select_detections.wgsl"),
    Params::FIELDS,
    &[
        Role::Frame,
        Role::CandidatesIn,
        Role::WordsIn,
        Role::WordsOut,
        Role::Results,
    ],
    #[cfg(feature = "verify")]
    checks::CHECKS,
);

/// All variants.
pub fn kernels() -> Vec<&'static Kernel> {
    vec![&KERNEL]
}

impl Params {
    /// One workgroup takes all candidates. Binds the frame, the candidates and their number, a word of
    /// scratch for each, and the results.
    pub fn dispatch(&self) -> Dispatch {
        Dispatch::new(KERNEL.shader(Dtypes::F32), self, [1, 1, 1])
    }
}
