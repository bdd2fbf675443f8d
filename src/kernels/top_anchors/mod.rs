//! Where the highest logits of one level's anchors lie, ties to the earlier anchor, in no order.

#[cfg(feature = "verify")]
mod checks;
#[cfg(feature = "verify")]
mod reference;

#[cfg(feature = "verify")]
pub use checks::case;

use super::kernel::shader;
use super::params::params;
use super::{Dispatch, Dtypes, Kernel, Role};

params! {
    /// What the kernel is told.
    pub struct Params {
        /// Cells of the level.
        cells: u32,
        /// Anchors of a cell.
        anchors: u32,
        /// Floats between the logits of a cell and those of the next.
        pitch: u32,
        /// Most anchors that are chosen.
        limit: u32,
    }
}

/// In 32 bits.
pub static KERNEL: Kernel = Kernel::new(
    "top_anchors",
    shader!("top_anchors.wgsl"),
    Params::FIELDS,
    &[Role::FloatsIn, Role::SetOut],
    #[cfg(feature = "verify")]
    checks::CHECKS,
);

/// All variants.
pub fn kernels() -> Vec<&'static Kernel> {
    vec![&KERNEL]
}

impl Params {
    /// One workgroup takes the level. Binds the logits and what is chosen.
    pub fn dispatch(&self) -> Dispatch {
        Dispatch::new(KERNEL.shader(Dtypes::F32), self, [1, 1, 1])
    }

    /// At most: eight looks at an invocation's share of the logits, four at a time, and one that chooses.
    pub fn waits(&self) -> u64 {
        let anchors = u64::from(self.cells) * u64::from(self.anchors);
        anchors.div_ceil(4 * 256) * (8 + 1)
    }
}
