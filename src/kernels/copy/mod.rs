//! A copy of a map. One buffer must not be bound twice in a dispatch, so an operation that reads one
//! map twice reads a copy.

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
        /// Channel blocks of the whole map.
        blocks: u32,
        /// Alignment.
        unused_a: u32,
        /// Alignment.
        unused_b: u32,
        /// Alignment.
        unused_c: u32,
    }
}

/// Of all dtypes: blocks are copied as they are stored.
pub static KERNEL: Kernel = Kernel::new(
    "copy",
    shader!("copy.wgsl"),
    Params::FIELDS,
    &[Role::MapIn, Role::MapOut],
    #[cfg(feature = "verify")]
    checks::CHECKS,
)
.with_dtypes(Dtypes::MAPS);

/// All variants.
pub fn kernels() -> Vec<&'static Kernel> {
    vec![&KERNEL]
}

impl Params {
    /// Of a map of so many channel blocks in all.
    pub fn new(blocks: usize) -> Self {
        Self {
            blocks: blocks as u32,
            ..Self::default()
        }
    }

    /// An invocation copies a channel block of one pixel. Binds the map and the copy.
    pub fn dispatch(&self, dtypes: Dtypes) -> Dispatch {
        let invocations = self.blocks as usize;
        Dispatch::new(KERNEL.shader(dtypes), self, workgroups(invocations))
    }
}
