//! The best proposals of all levels, in order: best logit first, ties to the finer level and the
//! earlier slot.

#[cfg(feature = "verify")]
mod checks;
#[cfg(feature = "verify")]
mod reference;

#[cfg(feature = "verify")]
pub use checks::case;

use super::kernel::{shader, workgroups};
use super::params::params;
use super::{Dispatch, Dtypes, Kernel, Role};

params! {
    /// What the kernel is told.
    pub struct Params {
        /// Slots of all levels.
        slots: u32,
        /// Slots of each.
        slots_a_level: u32,
        /// Most proposals that are kept, at most as many as slots.
        limit: u32,
        /// Number of the first level: 2 for P2.
        first_level: u32,
    }
}

/// In 32 bits.
pub static KERNEL: Kernel = Kernel::new(
    "merge_proposals",
    shader!("merge_proposals.wgsl"),
    Params::FIELDS,
    &[
        Role::FloatsIn,
        Role::WordsIn,
        Role::FloatsOut,
        Role::WordsOut,
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
    /// An invocation takes a slot. Binds the slots' boxes and keys, then the proposals, their levels
    /// and their number.
    pub fn dispatch(&self) -> Dispatch {
        let workgroups = workgroups(self.slots as usize);
        Dispatch::new(KERNEL.shader(Dtypes::F32), self, workgroups)
    }
}
