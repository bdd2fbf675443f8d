//! The last of three steps of a convolution as Winograd's F(4×4, 3×3): 36 products of a tile become
//! 4×4 pixels, which get bias, activations and residual.

#[cfg(feature = "verify")]
mod checks;
#[cfg(feature = "verify")]
mod reference;

use std::collections::BTreeMap;
use std::sync::LazyLock;

#[cfg(feature = "verify")]
pub use checks::case;
#[cfg(all(test, feature = "verify"))]
pub(super) use reference::winograd_output;

use super::conv::{Epilogue, Params};
use super::kernel::{shader, workgroups};
#[cfg(feature = "verify")]
use super::upsample_add::Upsampling;
use super::{Dispatch, Dtypes, Kernel, Role};

static KERNELS: LazyLock<BTreeMap<Epilogue, Kernel>> = LazyLock::new(|| {
    let records = Epilogue::WITH_BIAS.map(|epilogue| {
        let kernel = Kernel::new(
            "winograd_output",
            shader!("winograd_output.wgsl"),
            Params::FIELDS,
            &[Role::MapIn, Role::MapOut],
            #[cfg(feature = "verify")]
            match epilogue {
                Epilogue::Residual(Upsampling::Bilinear) => checks::CHECKS_BILINEAR,
                _ => checks::CHECKS,
            },
        );
        (epilogue, epilogue.of("winograd_output", kernel))
    });
    records.into()
});

/// The kernel with an epilogue that has at least a bias, in 32 bits: the transforms would lose too
/// much of 16.
pub fn kernel(epilogue: Epilogue) -> &'static Kernel {
    &KERNELS[&epilogue]
}

/// All variants.
pub fn kernels() -> Vec<&'static Kernel> {
    KERNELS.values().collect()
}

/// An invocation makes a channel block of one tile's pixels. Binds the products, the result, then
/// what the epilogue adds: the bias, another map.
pub fn dispatch(params: &Params, epilogue: Epilogue) -> Dispatch {
    let invocations = (params.tiles * params.out_blocks) as usize;
    Dispatch::new(
        kernel(epilogue).shader(Dtypes::F32),
        params,
        workgroups(invocations),
    )
}
