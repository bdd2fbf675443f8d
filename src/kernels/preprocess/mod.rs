//! From an 8-bit RGBA picture to the network's input.

#[cfg(feature = "verify")]
mod checks;
#[cfg(feature = "verify")]
mod reference;

#[cfg(feature = "verify")]
pub use checks::{PreprocessShape, case};

use super::kernel::{shader, workgroups};
use super::params::params;
use super::{Dispatch, Dtype, Dtypes, Kernel, Role};

params! {
    /// What the kernel is told.
    pub struct Params {
        /// Height and width of the input that is made.
        padded: [u32; 2],
        /// What bytes are divided by.
        divisor: f32,
        /// Alignment.
        unused: u32,
        /// What is subtracted then: red, green, blue, unused.
        mean: [f32; 4],
        /// What is divided by in the end: red, green, blue, unused.
        deviation: [f32; 4],
    }
}

/// The picture is always of bytes; the input may be stored in 16 bits.
pub static KERNEL: Kernel = Kernel::new(
    "preprocess",
    shader!("preprocess.wgsl"),
    Params::FIELDS,
    &[Role::Frame, Role::Picture, Role::MapOut],
    #[cfg(feature = "verify")]
    checks::CHECKS,
)
.with_dtypes(&[Dtypes::F32, Dtypes::stored(Dtype::F32, Dtype::F16)]);

/// All variants.
pub fn kernels() -> Vec<&'static Kernel> {
    vec![&KERNEL]
}

impl Params {
    /// An invocation makes one pixel. Binds the frame, the picture and the result.
    pub fn dispatch(&self, dtypes: Dtypes) -> Dispatch {
        let [height, width] = self.padded;
        let invocations = (height * width) as usize;
        Dispatch::new(KERNEL.shader(dtypes), self, workgroups(invocations))
    }
}
