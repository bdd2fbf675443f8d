//! Maximum over windows.

#[cfg(feature = "verify")]
mod checks;
#[cfg(feature = "verify")]
mod reference;

#[cfg(feature = "verify")]
pub use checks::{PoolShape, case};

use super::kernel::{shader, workgroups};
use super::params::params;
use super::{Dispatch, Dtypes, Kernel, Role};

params! {
    /// What the kernel is told.
    pub struct Params {
        /// Height and width of the input.
        in_size: [u32; 2],
        /// Height and width of the output.
        out_size: [u32; 2],
        /// Channel blocks.
        blocks: u32,
        /// Maps that are pooled alike.
        items: u32,
        /// Height and width of the window.
        kernel: [u32; 2],
        /// Its step, down and across.
        stride: [u32; 2],
        /// Cells from one of its taps to the next, down and across.
        dilation: [u32; 2],
        /// Cells added above and to the left.
        padding: [u32; 2],
    }
}

/// Of all dtypes.
pub static KERNEL: Kernel = Kernel::new(
    "max_pool",
    shader!("max_pool.wgsl"),
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
    /// An invocation makes a channel block of one pixel. Binds the map and the result.
    pub fn dispatch(&self, dtypes: Dtypes) -> Dispatch {
        let [height, width] = self.out_size;
        let invocations = (self.items * height * width * self.blocks) as usize;
        Dispatch::new(KERNEL.shader(dtypes), self, workgroups(invocations))
    }
}
