//! The formats of files, by how they begin.

use super::{WeightsError, model_zoo};

/// How many of a file's first bytes tell what it is.
pub(super) const START: u64 = model_zoo::START;

pub(super) enum Format {
    Safetensors,
    /// A pickle of detectron2's model zoo.
    ModelZoo,
    /// PyTorch's since version 1.6.
    Zip,
    /// PyTorch's before.
    Pickles,
}

impl Format {
    /// Of a file, or of its start.
    ///
    /// # Errors
    /// If it is of none.
    pub fn of(start: &[u8]) -> Result<Self, WeightsError> {
        let start = &start[..start.len().min(START as usize)];
        match start {
            [] => Err(WeightsError::Empty),
            // A header's length in eight bytes, then the header, a JSON object.
            [_, _, _, _, _, _, _, _, b'{', ..] => Ok(Self::Safetensors),
            start if model_zoo::is_likely(start) => Ok(Self::ModelZoo),
            [b'P', b'K', ..] => Ok(Self::Zip),
            [0x80, ..] => Ok(Self::Pickles),
            _ => Err(WeightsError::UnknownFormat),
        }
    }
}
