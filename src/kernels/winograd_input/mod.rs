//! The first of three steps of a 3×3 convolution of stride 1 as Winograd's F(4×4, 3×3): tiles of 6×6
//! cells become 36 matrices of a row a tile.

#[cfg(feature = "verify")]
mod checks;
#[cfg(feature = "verify")]
mod reference;

#[cfg(feature = "verify")]
pub use checks::case;
#[cfg(all(test, feature = "verify"))]
pub(super) use reference::winograd_input;

use super::conv::Params;
use super::kernel::{shader, workgroups};
use super::{Dispatch, Dtypes, Kernel, Role};

/// In 32 bits: the transforms would lose too much of 16.
pub static KERNEL: Kernel = Kernel::new(
    "winograd_input",
    shader!("winograd_input.wgsl"),
    Params::FIELDS,
    &[Role::MapIn, Role::MapOut],
    #[cfg(feature = "verify")]
    checks::CHECKS,
);

/// All variants.
pub fn kernels() -> Vec<&'static Kernel> {
    vec![&KERNEL]
}

/// An invocation transforms a channel block of one tile. Binds the map and the matrices.
pub fn dispatch(params: &Params) -> Dispatch {
    let invocations = (params.tiles * params.in_blocks) as usize;
    Dispatch::new(KERNEL.shader(Dtypes::F32), params, workgroups(invocations))
}
