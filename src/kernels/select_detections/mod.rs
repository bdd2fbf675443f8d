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

/// Most candidates that are sorted at a time. Where there are more, at least half as many are.
const BATCH: u64 = 1024;

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
        /// Of boxes: 0 where they are exclusive, 1 where they are inclusive.
        edges: u32,
        /// 1 where boxes overlap as they do in the original picture, else 0.
        is_restored: u32,
        /// Alignment.
        unused: [u32; 2],
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
        Role::Scratch,
        Role::Scratch,
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
    /// One workgroup takes all candidates. Binds the frame, the candidates and their number, scratch of as
    /// many [words](Self::scratch), and the results.
    pub fn dispatch(&self) -> Dispatch {
        Dispatch::new(KERNEL.shader(Dtypes::F32), self, [1, 1, 1])
    }

    /// Words of scratch: a key for each candidate, by sixteens, and one for each that is kept.
    pub fn scratch(&self) -> [usize; 2] {
        [
            self.capacity.next_multiple_of(16) as usize,
            self.limit as usize,
        ]
    }

    /// At most: for each batch eight looks at an invocation's share of the keys, sixteen at a time, one
    /// that takes the batch out, one at the keys of the rest and one at their boxes; then what is kept.
    pub fn waits(&self) -> u64 {
        let [capacity, limit] = [self.capacity, self.limit].map(u64::from);
        let batches = capacity.div_ceil(BATCH / 2).min(limit);
        batches * capacity.div_ceil(16 * 256) * (8 + 1 + 2) + limit
    }
}
