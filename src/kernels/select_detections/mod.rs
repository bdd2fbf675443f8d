//! Greedy class-wise non-maximum suppression over the candidates, until enough are kept; the kept ones
//! in pixels of the original picture, and where they are looked at again, of the resized one too.

#[cfg(feature = "verify")]
mod checks;
#[cfg(feature = "verify")]
mod reference;

use std::borrow::Cow;
use std::sync::LazyLock;

#[cfg(feature = "verify")]
pub use checks::{CandidatesShape, case};

use super::kernel::shader;
use super::params::params;
use super::{Def, Dispatch, Dtypes, Kernel, Role};

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

const ROLES: [Role; 9] = [
    Role::Frame,
    Role::CandidatesIn,
    Role::WordsIn,
    Role::Scratch,
    Role::Scratch,
    Role::Results,
    Role::FloatsOut,
    Role::WordsOut,
    Role::WordsOut,
];

/// Of those the results' and what comes before.
const WITHOUT_ROIS: usize = 6;

/// Without RoIs, and with them.
static KERNELS: LazyLock<[Kernel; 2]> = LazyLock::new(|| {
    let mut with_rois = record("select_detections, with RoIs", &ROLES);
    with_rois.defs = Cow::Borrowed(&[("ROIS", Def::Flag)]);
    [
        record("select_detections", &ROLES[..WITHOUT_ROIS]),
        with_rois,
    ]
});

const fn record(name: &'static str, roles: &'static [Role]) -> Kernel {
    Kernel::new(
        name,
        shader!("select_detections.wgsl"),
        Params::FIELDS,
        roles,
        #[cfg(feature = "verify")]
        checks::CHECKS,
    )
}

/// All variants.
pub fn kernels() -> Vec<&'static Kernel> {
    KERNELS.iter().collect()
}

impl Params {
    /// One workgroup takes all candidates. Binds the frame, the candidates and their number, scratch of as
    /// many [words](Self::scratch), and the results; with RoIs their boxes, labels and number too.
    pub fn dispatch(&self, with_rois: bool) -> Dispatch {
        let kernel = &KERNELS[usize::from(with_rois)];
        Dispatch::new(kernel.shader(Dtypes::F32), self, [1, 1, 1])
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
