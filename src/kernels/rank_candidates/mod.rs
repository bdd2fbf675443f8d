//! The order of the candidates: best score first, ties to the earlier one.

#[cfg(feature = "verify")]
mod checks;
#[cfg(feature = "verify")]
mod reference;

#[cfg(feature = "verify")]
pub(super) use checks::shapes;
#[cfg(feature = "verify")]
pub use checks::{CandidatesShape, case};

use super::kernel::{shader, workgroups};
use super::params::params;
use super::{Dispatch, Dtypes, Kernel, Role};

params! {
    /// What the kernel is told.
    pub struct Params {
        /// Candidates that fit.
        capacity: u32,
        /// vec4 of each; its score opens the last.
        blocks: u32,
        /// Alignment.
        unused: [u32; 2],
    }
}

/// In 32 bits.
pub static KERNEL: Kernel = Kernel::new(
    "rank_candidates",
    shader!("rank_candidates.wgsl"),
    Params::FIELDS,
    &[Role::CandidatesIn, Role::WordsIn, Role::WordsOut],
    #[cfg(feature = "verify")]
    checks::CHECKS,
);

/// All variants.
pub fn kernels() -> Vec<&'static Kernel> {
    vec![&KERNEL]
}

impl Params {
    /// An invocation takes a candidate. Binds the candidates, their number and their order.
    pub fn dispatch(&self) -> Dispatch {
        let workgroups = workgroups(self.capacity as usize);
        Dispatch::new(KERNEL.shader(Dtypes::F32), self, workgroups)
    }
}
