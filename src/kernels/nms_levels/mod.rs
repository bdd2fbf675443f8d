//! Greedy non-maximum suppression within each level; the key of a slot that falls becomes 0.

#[cfg(feature = "verify")]
mod checks;
#[cfg(feature = "verify")]
mod reference;

#[cfg(feature = "verify")]
pub use checks::case;

use super::kernel::shader;
use super::params::params;
use super::{Dispatch, Dtypes, Kernel, Role};

/// Most slots of a level: a bit for each is what a workgroup keeps in 4 KiB.
pub const MAX_SLOTS: usize = 32 * 1024;

params! {
    /// What the kernel is told.
    pub struct Params {
        /// Slots of a level, at most [`MAX_SLOTS`].
        limit: u32,
        /// Overlap above which the weaker falls.
        threshold: f32,
        /// Of boxes: 0 where they are exclusive, 1 where they are inclusive.
        edges: u32,
        /// Alignment.
        unused: u32,
    }
}

/// In 32 bits.
pub static KERNEL: Kernel = Kernel::new(
    "nms_levels",
    shader!("nms_levels.wgsl"),
    Params::FIELDS,
    &[Role::FloatsIn, Role::WordsInOut],
    #[cfg(feature = "verify")]
    checks::CHECKS,
);

/// All variants.
pub fn kernels() -> Vec<&'static Kernel> {
    vec![&KERNEL]
}

impl Params {
    /// A workgroup takes a level. Binds the boxes and keys of all levels' slots.
    pub fn dispatch(&self, levels: usize) -> Dispatch {
        let workgroups = [levels as u32, 1, 1];
        Dispatch::new(KERNEL.shader(Dtypes::F32), self, workgroups)
    }
}
