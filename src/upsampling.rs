//! How a coarse map is brought to a finer one's size.

use std::fmt;

use serde::Serialize;

/// How a coarser map is read at a cell of a finer one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Upsampling {
    /// The cell it falls into: floor(i · in / out) along each axis.
    #[default]
    Nearest,
    /// Between four cells, with half-pixel centres: PyTorch's `align_corners=False`.
    Bilinear,
}

impl Upsampling {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Nearest, Self::Bilinear];

    /// Its name for `--top-down`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nearest => "nearest",
            Self::Bilinear => "bilinear",
        }
    }
}

impl fmt::Display for Upsampling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
