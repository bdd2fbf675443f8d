//! RoIPool over one map: of each cell of a RoI the largest value.

#[cfg(feature = "verify")]
mod checks;
#[cfg(feature = "verify")]
mod reference;

#[cfg(feature = "verify")]
pub use checks::{RoiPoolShape, case};

use super::kernel::{shader, workgroups};
use super::params::params;
use super::{Dispatch, Dtypes, Kernel, Role};

params! {
    /// What the kernel is told.
    pub struct Params {
        /// Height and width of the map.
        size: [u32; 2],
        /// Rows and columns of the output.
        cells: [u32; 2],
        /// RoIs that fit.
        rois: u32,
        /// Channel blocks.
        blocks: u32,
        /// Cells of the map a pixel.
        scale: f32,
        /// Alignment.
        unused: u32,
    }
}

/// Of all dtypes.
pub static KERNEL: Kernel = Kernel::new(
    "roi_pool",
    shader!("roi_pool.wgsl"),
    Params::FIELDS,
    &[Role::FloatsIn, Role::WordsIn, Role::MapOut, Role::MapIn],
    #[cfg(feature = "verify")]
    checks::CHECKS,
)
.with_dtypes(Dtypes::MAPS);

/// All variants.
pub fn kernels() -> Vec<&'static Kernel> {
    vec![&KERNEL]
}

impl Params {
    /// An invocation makes a channel block of one cell of one RoI. Binds the boxes, their number, the
    /// result and the map.
    pub fn dispatch(&self, dtypes: Dtypes) -> Dispatch {
        let [rows, columns] = self.cells;
        let invocations = (self.rois * rows * columns * self.blocks) as usize;
        Dispatch::new(KERNEL.shader(dtypes), self, workgroups(invocations))
    }
}
