//! How a convolution's products are shared among invocations.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Epilogue;
use crate::kernels::upsample_add::Upsampling;

/// What an invocation makes, and where it has the weights from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum ConvForm {
    /// So many pixels (4 or 8) by 16 channels an invocation, which loads all it needs.
    Registers(usize),
    /// So many pixels (4 or 8) by 32 channels an invocation, in workgroups of so many; eight
    /// invocations hand each other the weights. Needs subgroups of at least eight.
    Subgroup(usize, usize),
    /// 64 pixels by 64 channels a workgroup, through its memory.
    Tiled,
}

/// A text that names no form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown form of the convolution '{0}'")]
pub struct UnknownForm(String);

impl ConvForm {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Registers(4),
        Self::Registers(8),
        Self::Subgroup(4, 8),
        Self::Subgroup(8, 8),
        Self::Subgroup(8, 64),
        Self::Tiled,
    ];

    /// Whether a kernel of this form has an epilogue. What a bilinear residual reads stands in the kernel as
    /// often as it stores, and drivers take many seconds to compile forms that store much at once.
    pub fn has(self, epilogue: Epilogue) -> bool {
        let is_bilinear = epilogue == Epilogue::Residual(Upsampling::Bilinear);
        !(is_bilinear && matches!(self, Self::Subgroup(..)))
    }

    /// Invocations of a workgroup.
    pub(super) fn invocations(self) -> usize {
        match self {
            Self::Registers(_) | Self::Tiled => 64,
            Self::Subgroup(_, invocations) => invocations,
        }
    }

    /// Pixels and channel blocks that a workgroup makes.
    pub(super) fn tile(self) -> [usize; 2] {
        match self {
            Self::Registers(pixels) => [pixels * self.invocations(), 4],
            Self::Subgroup(pixels, _) => [pixels * self.invocations(), 8],
            Self::Tiled => [64, 16],
        }
    }

    /// Pixels that a workgroup makes.
    pub fn pixels(self) -> usize {
        self.tile()[0]
    }

    /// Workgroups for so many pixels and channel blocks, for each of some batches.
    pub fn workgroups(self, pixels: usize, blocks: usize, batches: usize) -> [u32; 3] {
        let [tile_pixels, tile_blocks] = self.tile();
        super::words([
            pixels.div_ceil(tile_pixels),
            blocks.div_ceil(tile_blocks),
            batches,
        ])
    }
}

impl fmt::Display for ConvForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registers(pixels) => write!(f, "{pixels}×16"),
            Self::Subgroup(pixels, invocations) => write!(f, "{pixels}×32 shared by {invocations}"),
            Self::Tiled => write!(f, "tiled"),
        }
    }
}

impl From<ConvForm> for String {
    fn from(form: ConvForm) -> Self {
        form.to_string()
    }
}

impl TryFrom<String> for ConvForm {
    type Error = UnknownForm;

    fn try_from(name: String) -> Result<Self, UnknownForm> {
        let mut forms = Self::ALL.into_iter();
        forms
            .find(|form| form.to_string() == name)
            .ok_or(UnknownForm(name))
    }
}
