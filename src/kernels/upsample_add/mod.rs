//! A map plus a coarser one, upsampled: the pyramid's top-down step on its own.

#[cfg(feature = "verify")]
mod checks;
#[cfg(feature = "verify")]
mod reference;

use std::borrow::Cow;
use std::sync::LazyLock;

#[cfg(feature = "verify")]
pub use checks::{UpsampleShape, case};

use super::kernel::{shader, workgroups};
use super::params::params;
pub use crate::upsampling::Upsampling;

use super::{Def, Dispatch, Dtypes, Kernel, Role};

params! {
    /// What the kernel is told.
    pub struct Params {
        /// Height and width of the finer map and of the output.
        fine_size: [u32; 2],
        /// Height and width of the coarser map.
        coarse_size: [u32; 2],
        /// Channel blocks.
        blocks: u32,
        /// Slope of the activation; 1 for none.
        slope: f32,
        /// Maps that are added alike.
        items: u32,
        /// Alignment.
        unused: u32,
    }
}

static NEAREST: LazyLock<Kernel> = LazyLock::new(|| record(Upsampling::Nearest));
static BILINEAR: LazyLock<Kernel> = LazyLock::new(|| record(Upsampling::Bilinear));

/// The kernel that upsamples so.
pub fn kernel(upsampling: Upsampling) -> &'static Kernel {
    match upsampling {
        Upsampling::Nearest => &NEAREST,
        Upsampling::Bilinear => &BILINEAR,
    }
}

/// All variants.
pub fn kernels() -> Vec<&'static Kernel> {
    vec![&NEAREST, &BILINEAR]
}

fn record(upsampling: Upsampling) -> Kernel {
    let mut kernel = Kernel::new(
        "upsample_add",
        shader!("upsample_add.wgsl"),
        Params::FIELDS,
        &[Role::MapIn, Role::MapIn, Role::MapOut],
        #[cfg(feature = "verify")]
        checks::checks(upsampling),
    )
    .with_dtypes(Dtypes::MAPS);
    if upsampling == Upsampling::Bilinear {
        kernel.name = Cow::Borrowed("upsample_add, bilinear");
        kernel.defs.to_mut().push(("BILINEAR", Def::Flag));
    }
    kernel
}

impl Params {
    /// An invocation makes a channel block of one pixel. Binds the finer map, the coarser one and the
    /// result. Both maps are of one dtype, and no buffer is bound twice.
    pub fn dispatch(&self, upsampling: Upsampling, dtypes: Dtypes) -> Dispatch {
        let [height, width] = self.fine_size;
        let invocations = (self.items * height * width * self.blocks) as usize;
        let shader = kernel(upsampling).shader(dtypes);
        Dispatch::new(shader, self, workgroups(invocations))
    }
}
