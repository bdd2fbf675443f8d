//! Raises the results' second word where a map holds NaN or an infinity.

#[cfg(feature = "verify")]
mod checks;
#[cfg(feature = "verify")]
mod reference;

#[cfg(feature = "verify")]
pub use checks::case;

use super::kernel::shader;
use super::params::params;
use super::{Dispatch, Dtype, Dtypes, Kernel, Role};

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

/// Over maps of either dtype.
pub static KERNEL: Kernel = Kernel::new(
    "check_finite",
    shader!("check_finite.wgsl"),
    Params::FIELDS,
    &[Role::MapIn, Role::Results],
    #[cfg(feature = "verify")]
    checks::CHECKS,
)
.with_dtypes(&[Dtypes::F32, Dtypes::stored(Dtype::F16, Dtype::F32)]);

/// Enough to keep a device busy; each walks through the map.
const WORKGROUPS: [u32; 3] = [64, 1, 1];

/// All variants.
pub fn kernels() -> Vec<&'static Kernel> {
    vec![&KERNEL]
}

impl Params {
    /// Of a map stored as `dtype`. Binds the map and the results.
    pub fn dispatch(&self, dtype: Dtype) -> Dispatch {
        let shader = KERNEL.shader(Dtypes::stored(dtype, Dtype::F32));
        Dispatch::new(shader, self, WORKGROUPS)
    }
}
