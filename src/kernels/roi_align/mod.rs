//! RoIAlign over levels of a pyramid: of the RoIs, those that belong to the levels bound.

use std::sync::LazyLock;

#[cfg(feature = "verify")]
mod checks;
#[cfg(feature = "verify")]
mod reference;

#[cfg(feature = "verify")]
pub use checks::{RoiAlignShape, case};

use super::kernel::{shader, words, workgroups};
use super::params::params;
use super::{Def, Dispatch, Dtypes, Kernel, Role};

params! {
    /// What the kernel is told.
    pub struct Params {
        /// Heights and widths of the levels' maps, two by two.
        sizes: [[u32; 4]; 2],
        /// Cells a pixel of the levels' maps.
        scales: [f32; 4],
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
        /// Side of the boxes that belong to the canonical level, in pixels.
        canonical_size: f32,
        /// Number of the canonical level.
        canonical_level: f32,
        /// Number of the pyramid's first level.
        finest: f32,
        /// Number of the pyramid's last level.
        coarsest: f32,
        /// Number of the first level that is bound.
        first: u32,
        /// Alignment.
        unused_a: u32,
        /// Added to a box's side in canonical ones before its logarithm is taken, and after it.
        epsilons: [f32; 2],
        /// Alignment.
        unused_b: [u32; 2],
    }
}

/// Most levels that a dispatch binds: with boxes, count and result, seven of WebGPU's eight storage
/// buffers.
pub const MAX_LEVELS: usize = 4;

/// Of all dtypes.
pub const DTYPES: &[Dtypes] = Dtypes::MAPS;

static KERNELS: LazyLock<[Kernel; MAX_LEVELS]> =
    LazyLock::new(|| std::array::from_fn(|index| record(index + 1)));

/// The kernel that binds so many levels.
///
/// # Panics
/// If they are none, or more than [`MAX_LEVELS`].
pub fn kernel(levels: usize) -> &'static Kernel {
    &KERNELS[levels - 1]
}

/// All variants.
pub fn kernels() -> Vec<&'static Kernel> {
    KERNELS.iter().collect()
}

fn record(levels: usize) -> Kernel {
    let mut kernel = Kernel::new(
        "roi_align",
        shader!("roi_align.wgsl"),
        Params::FIELDS,
        &[Role::FloatsIn, Role::WordsIn, Role::MapOut],
        #[cfg(feature = "verify")]
        checks::CHECKS,
    )
    .with_dtypes(DTYPES);
    kernel.name = format!("roi_align of {levels}").into();
    let maps = std::iter::repeat_n(Role::MapIn, levels);
    kernel.roles.to_mut().extend(maps);
    let defs = kernel.defs.to_mut();
    defs.push(("LEVELS", Def::Number(levels as u32)));
    kernel
}

impl Params {
    /// What there is to tell of the levels that are bound: height and width of the map, and pixels between
    /// its cells.
    pub fn over(levels: &[([usize; 2], usize)]) -> Self {
        let mut params = Self::default();
        for (index, &(size, stride)) in levels.iter().enumerate() {
            let [height, width] = words(size);
            let pair = &mut params.sizes[index / 2];
            pair[index % 2 * 2] = height;
            pair[index % 2 * 2 + 1] = width;
            params.scales[index] = 1.0 / stride as f32;
        }
        params
    }

    /// An invocation makes a channel block of one cell of one RoI. Binds the boxes, their number, the
    /// result, and so many levels.
    pub fn dispatch(&self, levels: usize, dtypes: Dtypes) -> Dispatch {
        let [rows, columns] = self.cells;
        let invocations = (self.rois * rows * columns * self.blocks) as usize;
        let shader = kernel(levels).shader(dtypes);
        Dispatch::new(shader, self, workgroups(invocations))
    }
}
