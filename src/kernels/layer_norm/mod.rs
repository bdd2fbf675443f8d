//! Layer norm: each pixel's channels, shifted and scaled to mean 0 and variance 1.

#[cfg(feature = "verify")]
mod checks;
#[cfg(feature = "verify")]
mod reference;

#[cfg(feature = "verify")]
pub use checks::case;

use super::kernel::{shader, workgroups};
use super::params::params;
use super::{Dispatch, Dtypes, Kernel, Layout, Role, words};

params! {
    /// What the kernel is told.
    pub struct Params {
        /// Pixels.
        pixels: u32,
        /// Channels.
        channels: u32,
        /// What is added to the variance.
        epsilon: f32,
        /// Alignment.
        unused: u32,
    }
}

/// Of all dtypes.
pub static KERNEL: Kernel = Kernel::new(
    "layer_norm",
    shader!("layer_norm.wgsl"),
    Params::FIELDS,
    &[Role::MapIn, Role::Bias, Role::Bias, Role::MapOut],
    #[cfg(feature = "verify")]
    checks::CHECKS,
)
.with_dtypes(Dtypes::MAPS_AND_HEADS);

/// All variants.
pub fn kernels() -> Vec<&'static Kernel> {
    vec![&KERNEL]
}

/// Over the dimension of a tensor that lies side by side; `epsilon` is added to the variance, which is that of
/// the population. An invocation makes all channels of one pixel. Binds the tensor, what the channels are
/// multiplied by (gamma), what is added to them (beta), and the result, which lies as the tensor does.
pub fn dispatch(input: &Layout, epsilon: f32, dtypes: Dtypes) -> Dispatch {
    let [pixels, channels] = words([input.pixels(), input.channels()]);
    let params = Params {
        pixels,
        channels,
        epsilon,
        unused: 0,
    };
    let workgroups = workgroups(input.pixels());
    Dispatch::new(KERNEL.shader(dtypes), &params, workgroups)
}
