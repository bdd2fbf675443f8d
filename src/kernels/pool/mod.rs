//! What windows over a map hold: their maximum, or their mean.

#[cfg(feature = "verify")]
mod checks;
#[cfg(feature = "verify")]
mod reference;

#[cfg(feature = "verify")]
pub use checks::{PoolShape, case};

use super::kernel::{shader, workgroups};
use super::params::params;
use super::{Dispatch, Dtypes, Kernel, Role};

/// What is made of a window's cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// Their maximum; what lies outside the map does not count.
    Maximum,
    /// Their mean.
    Average,
}

params! {
    /// What the kernels are told.
    pub struct Params {
        /// Height and width of the input.
        in_size: [u32; 2],
        /// Height and width of the output.
        out_size: [u32; 2],
        /// Channel blocks.
        blocks: u32,
        /// Maps that are pooled alike.
        items: u32,
        /// Height and width of the window.
        kernel: [u32; 2],
        /// Its step, down and across.
        stride: [u32; 2],
        /// Cells from one of its taps to the next, down and across.
        dilation: [u32; 2],
        /// Cells added above and to the left.
        padding: [u32; 2],
        /// Cells above and below, and beside the map that count in an average, as zeros.
        counted: [u32; 2],
    }
}

static MAXIMUM: Kernel = Kernel::new(
    "max_pool",
    shader!("max_pool.wgsl"),
    Params::FIELDS,
    &[Role::MapIn, Role::MapOut],
    #[cfg(feature = "verify")]
    checks::MAXIMUM,
)
.with_dtypes(Dtypes::MAPS);

static AVERAGE: Kernel = Kernel::new(
    "average_pool",
    shader!("average_pool.wgsl"),
    Params::FIELDS,
    &[Role::MapIn, Role::MapOut],
    #[cfg(feature = "verify")]
    checks::AVERAGE,
)
.with_dtypes(Dtypes::MAPS);

/// The kernel that pools so.
pub fn kernel(pooling: Pooling) -> &'static Kernel {
    match pooling {
        Pooling::Maximum => &MAXIMUM,
        Pooling::Average => &AVERAGE,
    }
}

/// All variants.
pub fn kernels() -> Vec<&'static Kernel> {
    vec![&MAXIMUM, &AVERAGE]
}

impl Params {
    /// An invocation makes a channel block of one pixel. Binds the map and the result.
    pub fn dispatch(&self, pooling: Pooling, dtypes: Dtypes) -> Dispatch {
        let [height, width] = self.out_size;
        let invocations = (self.items * height * width * self.blocks) as usize;
        let shader = kernel(pooling).shader(dtypes);
        Dispatch::new(shader, self, workgroups(invocations))
    }
}
