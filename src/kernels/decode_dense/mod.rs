//! The listed classes of one level's anchors as candidates, behind those of the levels before.

#[cfg(feature = "verify")]
mod checks;
#[cfg(feature = "verify")]
mod reference;

#[cfg(feature = "verify")]
pub use checks::{DenseShape, case};

use super::kernel::shader;
use super::params::params;
use super::{Dispatch, Dtypes, Kernel, MAX_ANCHORS, Role};

/// vec4 of a candidate: its box; its score, label and level.
pub const BLOCKS: usize = 2;

/// Of `code`: a box is shifts of its anchor's centre and logarithms of its sizes.
pub const DELTAS: u32 = 0;
/// It is how far its sides are from its anchor's centre, in the anchor's sides.
pub const DISTANCES: u32 = 1;
/// It is the logits of each side being 0, 1, … as far.
pub const DISTRIBUTION: u32 = 2;

params! {
    /// What the kernel is told.
    pub struct Params {
        /// The boxes of the cell at the origin, in pixels: `x1`, `y1`, `x2`, `y2`.
        anchors: [[f32; 4]; MAX_ANCHORS],
        /// Height and width of the level's maps.
        size: [u32; 2],
        /// Pixels between cells, down and across.
        stride: [u32; 2],
        /// Height and width that boxes are cut to; 0 for those of the resized picture.
        extent: [f32; 2],
        /// Anchors of a cell.
        per_cell: u32,
        /// Classes of an anchor.
        classes: u32,
        /// Label of the first class.
        first_label: u32,
        /// What the candidates are said to come from: 3 for P3.
        level: u32,
        /// Floats between the boxes of a cell and those of the next.
        box_pitch: u32,
        /// Floats of a cell before its boxes.
        first_box: u32,
        /// What the floats of a box are.
        code: u32,
        /// Bins of a distribution.
        bins: u32,
        /// Lists of what scores enough.
        lists: u32,
        /// Slots of a list.
        slots: u32,
        /// 1 where no level came before, and the candidates' number means nothing yet.
        is_first: u32,
        /// Candidates that fit.
        capacity: u32,
        /// Alignment.
        unused: [u32; 2],
    }
}

/// In 32 bits.
pub static KERNEL: Kernel = Kernel::new(
    "decode_dense",
    shader!("decode_dense.wgsl"),
    Params::FIELDS,
    &[
        Role::Frame,
        Role::FloatsIn,
        Role::FloatsIn,
        Role::WordsIn,
        Role::WordsIn,
        Role::CandidatesOut,
        Role::Counter,
    ],
    #[cfg(feature = "verify")]
    checks::CHECKS,
);

/// All variants.
pub fn kernels() -> Vec<&'static Kernel> {
    vec![&KERNEL]
}

impl Params {
    /// One workgroup takes the level. Binds the frame, the boxes, the scores, items and numbers of the lists,
    /// then the candidates and their number.
    pub fn dispatch(&self) -> Dispatch {
        Dispatch::new(KERNEL.shader(Dtypes::F32), self, [1, 1, 1])
    }

    /// At most: a list's number, and of each of an invocation's items which one it is, and its box.
    pub fn waits(&self) -> u64 {
        u64::from(self.lists) * (1 + 2 * u64::from(self.slots).div_ceil(256))
    }
}
