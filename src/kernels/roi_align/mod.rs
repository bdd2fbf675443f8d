//! RoIAlign over the levels of a pyramid.

#[cfg(feature = "verify")]
mod checks;
#[cfg(feature = "verify")]
mod reference;

#[cfg(feature = "verify")]
pub use checks::{RoiAlignShape, case};

use super::kernel::{shader, workgroups};
use super::params::params;
use super::{Dispatch, Dtypes, Kernel, Role};

params! {
    /// What the kernel is told.
    pub struct Params {
        /// Heights and widths of P2 and P3, then of P4 and P5.
        sizes: [[u32; 4]; 2],
        /// RoIs that fit.
        rois: u32,
        /// Channel blocks.
        blocks: u32,
        /// Samples along a side of a cell; 0 for as many as it is pixels wide.
        sampling_ratio: u32,
        /// 1 where pixel centres sit at half coordinates, else 0.
        aligned: u32,
        /// Rows and columns of the output.
        cells: [u32; 2],
        /// Side of the boxes that belong to P4, in pixels.
        canonical_size: f32,
        /// Alignment.
        unused: u32,
    }
}

/// Of all dtypes.
pub static KERNEL: Kernel = Kernel::new(
    "roi_align",
    shader!("roi_align.wgsl"),
    Params::FIELDS,
    &[
        Role::MapIn,
        Role::MapIn,
        Role::MapIn,
        Role::MapIn,
        Role::FloatsIn,
        Role::WordsIn,
        Role::MapOut,
    ],
    #[cfg(feature = "verify")]
    checks::CHECKS,
)
.with_dtypes(Dtypes::MAPS);

/// All variants.
pub fn kernels() -> Vec<&'static Kernel> {
    vec![&KERNEL]
}

impl Params {
    /// An invocation makes a channel block of one cell of one RoI. Binds P2 to P5, the boxes, their
    /// number and the result.
    pub fn dispatch(&self, dtypes: Dtypes) -> Dispatch {
        let [rows, columns] = self.cells;
        let invocations = (self.rois * rows * columns * self.blocks) as usize;
        Dispatch::new(KERNEL.shader(dtypes), self, workgroups(invocations))
    }
}
