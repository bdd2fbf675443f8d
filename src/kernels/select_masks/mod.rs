//! Of each RoI's masks that of its label, as probabilities.

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
        /// RoIs that fit.
        rois: u32,
        /// Pixels of a mask.
        pixels: u32,
        /// Masks of a RoI.
        classes: u32,
        /// Floats between the logits of a pixel and those of the next.
        pitch: u32,
    }
}

/// In 32 bits.
pub static KERNEL: Kernel = Kernel::new(
    "select_masks",
    shader!("select_masks.wgsl"),
    Params::FIELDS,
    &[Role::FloatsIn, Role::WordsIn, Role::FloatsOut],
    #[cfg(feature = "verify")]
    checks::CHECKS,
);

/// All variants.
pub fn kernels() -> Vec<&'static Kernel> {
    vec![&KERNEL]
}

impl Params {
    /// An invocation makes four pixels. Binds the logits, the labels and the masks.
    pub fn dispatch(&self) -> Dispatch {
        let invocations = self.rois as usize * self.pixels.div_ceil(4) as usize;
        Dispatch::new(KERNEL.shader(Dtypes::F32), self, workgroups(invocations))
    }
}
