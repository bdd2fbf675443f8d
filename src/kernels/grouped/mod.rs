//! Grouped convolution: the channels of a group are made from those of the same group of the input.

#[cfg(feature = "verify")]
mod checks;
#[cfg(feature = "verify")]
mod reference;

use std::collections::BTreeMap;
use std::sync::LazyLock;

#[cfg(feature = "verify")]
pub use checks::case;

use super::conv::{Epilogue, Params};
use super::kernel::{shader, workgroups};
#[cfg(feature = "verify")]
use super::upsample_add::Upsampling;
use super::{Dispatch, Dtypes, Kernel, Role};

/// Pixels that an invocation makes.
const PIXELS: usize = 8;

static KERNELS: LazyLock<BTreeMap<Epilogue, Kernel>> = LazyLock::new(|| {
    let records = Epilogue::IN_ORDER.map(|epilogue| {
        let kernel = Kernel::new(
            "grouped",
            shader!("grouped.wgsl"),
            Params::FIELDS,
            &[Role::MapIn, Role::MapOut, Role::Weights],
            #[cfg(feature = "verify")]
            match epilogue {
                Epilogue::Residual(Upsampling::Bilinear) => checks::CHECKS_BILINEAR,
                _ => checks::CHECKS,
            },
        );
        // An invocation has too few products to gain by computing them in 16 bits.
        let kernel = kernel.with_dtypes(Dtypes::MAPS_AND_HEADS);
        (epilogue, epilogue.of("grouped", kernel))
    });
    records.into()
});

/// The kernel with an epilogue that has at least a bias.
pub fn kernel(epilogue: Epilogue) -> &'static Kernel {
    &KERNELS[&epilogue]
}

/// All variants.
pub fn kernels() -> Vec<&'static Kernel> {
    KERNELS.values().collect()
}

/// An invocation makes a channel block of eight pixels. Binds the map, the result, the weights, the
/// bias, and a map that the epilogue adds.
pub fn dispatch(params: &Params, epilogue: Epilogue, dtypes: Dtypes) -> Dispatch {
    let invocations = (params.pixels as usize).div_ceil(PIXELS) * params.out_blocks as usize;
    Dispatch::new(
        kernel(epilogue).shader(dtypes),
        params,
        workgroups(invocations),
    )
}
