//! The mean of each group of channels over a map, and one over its deviation, for each channel of the group.

#[cfg(feature = "verify")]
mod checks;
#[cfg(feature = "verify")]
mod reference;

#[cfg(feature = "verify")]
pub use checks::case;

use super::kernel::shader;
use super::params::params;
use super::{Dispatch, Dtype, Dtypes, Kernel, Role, blocks};

params! {
    /// What the kernel is told.
    pub struct Params {
        /// Pixels of the map.
        pixels: u32,
        /// Blocks of four channels of a pixel.
        blocks: u32,
        /// The same of a group.
        group_blocks: u32,
        /// What is added to the variance.
        epsilon: f32,
    }
}

/// Of all dtypes; the statistics are always of 32 bits.
pub static KERNEL: Kernel = Kernel::new(
    "group_statistics",
    shader!("group_statistics.wgsl"),
    Params::FIELDS,
    &[Role::MapIn, Role::MapOut, Role::MapOut],
    #[cfg(feature = "verify")]
    checks::CHECKS,
)
.with_dtypes(&[Dtypes::F32, Dtypes::stored(Dtype::F16, Dtype::F32)]);

/// All variants.
pub fn kernels() -> Vec<&'static Kernel> {
    vec![&KERNEL]
}

/// Of a map of so many pixels and channels, a multiple of 4 in each of `groups`; `epsilon` is added to the
/// variance, which is that of the population. A workgroup takes a group. Binds the map, the means and the
/// scales.
pub fn dispatch(
    [pixels, channels]: [usize; 2],
    groups: usize,
    epsilon: f32,
    dtypes: Dtypes,
) -> Dispatch {
    let blocks = blocks(channels);
    let params = Params {
        pixels: pixels as u32,
        blocks: blocks as u32,
        group_blocks: (blocks / groups) as u32,
        epsilon,
    };
    Dispatch::new(KERNEL.shader(dtypes), &params, [groups as u32, 1, 1])
}
