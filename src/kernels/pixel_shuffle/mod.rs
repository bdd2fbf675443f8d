//! PixelShuffle: each cell's channels become a square of cells with fewer channels.

#[cfg(feature = "verify")]
mod checks;
#[cfg(feature = "verify")]
mod reference;

#[cfg(feature = "verify")]
pub use checks::{ShuffleShape, case};

use super::kernel::{shader, workgroups};
use super::params::params;
use super::{Dispatch, Dtypes, Kernel, Role};

params! {
    /// What the kernel is told.
    pub struct Params {
        /// Height and width of the input.
        in_size: [u32; 2],
        /// Channel blocks of the input.
        in_blocks: u32,
        /// Channel blocks of the output.
        out_blocks: u32,
        /// Channels of the output.
        channels: u32,
        /// Cells along a side of the square that a cell becomes.
        factor: u32,
        /// Alignment.
        unused: [u32; 2],
    }
}

/// Of all dtypes.
pub static KERNEL: Kernel = Kernel::new(
    "pixel_shuffle",
    shader!("pixel_shuffle.wgsl"),
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
        let [height, width] = self.in_size.map(|side| side * self.factor);
        let invocations = (height * width * self.out_blocks) as usize;
        Dispatch::new(KERNEL.shader(dtypes), self, workgroups(invocations))
    }
}
