//! The anchors of one level of a one-stage detector that score enough, decoded, behind those of the
//! levels before, in the order of cell and anchor.

#[cfg(feature = "verify")]
mod checks;
#[cfg(feature = "verify")]
mod reference;

#[cfg(feature = "verify")]
pub use checks::{AnchorsShape, case};

use super::kernel::shader;
use super::params::params;
use super::{Dispatch, Dtypes, Kernel, MAX_ANCHORS, Role};

/// vec4 of a candidate: its box; ten values of landmarks and two unused; its score, label and level.
pub const BLOCKS: usize = 5;

params! {
    /// What the kernel is told.
    pub struct Params {
        /// Centre and size of those of the cell at the origin, in pixels: `x`, `y`, width, height.
        anchors: [[f32; 4]; MAX_ANCHORS],
        /// Height and width of the level's maps.
        size: [u32; 2],
        /// Pixels between cells, down and across.
        stride: [u32; 2],
        /// Anchors of a cell.
        per_cell: u32,
        /// What the candidates are said to come from: 3 for P3.
        level: u32,
        /// Floats between the logits of a cell and those of the next.
        class_pitch: u32,
        /// The same of boxes.
        box_pitch: u32,
        /// The same of landmarks.
        landmark_pitch: u32,
        /// 1 where no level came before, and the candidates' number means nothing yet.
        is_first: u32,
        /// A candidate scores more.
        score_threshold: f32,
        /// The variance that offsets of centres and landmarks are multiplied by.
        by_offset: f32,
        /// The variance that logarithms of sizes are multiplied by.
        by_size: f32,
        /// Candidates that fit.
        capacity: u32,
        /// Alignment.
        unused: [u32; 2],
    }
}

/// In 32 bits.
pub static KERNEL: Kernel = Kernel::new(
    "decode_anchors",
    shader!("decode_anchors.wgsl"),
    Params::FIELDS,
    &[
        Role::FloatsIn,
        Role::FloatsIn,
        Role::FloatsIn,
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
    /// One workgroup takes the level. Binds the logits of the classes, the boxes, the landmarks, then
    /// the candidates and their number.
    pub fn dispatch(&self) -> Dispatch {
        Dispatch::new(KERNEL.shader(Dtypes::F32), self, [1, 1, 1])
    }

    /// At most: two looks at an invocation's share of the logits, and one at what else there is.
    pub fn waits(&self) -> u64 {
        let [height, width] = self.size.map(u64::from);
        (height * width * u64::from(self.per_cell)).div_ceil(256) * (2 + 1)
    }
}
