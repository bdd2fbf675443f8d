//! Where each RoI's heat maps are highest, as wide and high as the RoI.

#[cfg(feature = "verify")]
mod checks;
#[cfg(feature = "verify")]
mod reference;

#[cfg(feature = "verify")]
pub use checks::case;

use super::kernel::shader;
use super::params::params;
use super::{Dispatch, Dtypes, Kernel, Role};

/// Most cells of a heat map: a workgroup keeps one.
pub const MOST_CELLS: usize = 56 * 56;

params! {
    /// What the kernel is told.
    pub struct Params {
        /// Height and width of a heat map.
        size: [u32; 2],
        /// Heat maps of a RoI.
        keypoints: u32,
        /// Floats between a cell and the next.
        pitch: u32,
        /// Floats of a RoI that is made.
        row: u32,
        /// Alignment.
        unused_a: u32,
        /// Alignment.
        unused_b: u32,
        /// Alignment.
        unused_c: u32,
    }
}

/// In 32 bits.
pub static KERNEL: Kernel = Kernel::new(
    "decode_keypoints",
    shader!("decode_keypoints.wgsl"),
    Params::FIELDS,
    &[
        Role::FloatsIn,
        Role::FloatsIn,
        Role::WordsIn,
        Role::FloatsOut,
    ],
    #[cfg(feature = "verify")]
    checks::CHECKS,
);

/// All variants.
pub fn kernels() -> Vec<&'static Kernel> {
    vec![&KERNEL]
}

impl Params {
    /// A workgroup takes a heat map of one of `rois` RoIs at most. Binds the heat maps, the boxes, their number and
    /// the keypoints.
    pub fn dispatch(&self, rois: usize) -> Dispatch {
        let workgroups = [self.keypoints, rois as u32, 1];
        Dispatch::new(KERNEL.shader(Dtypes::F32), self, workgroups)
    }
}
