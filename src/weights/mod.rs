//! Weights: checkpoints of several origins and formats, and how they get into a module.

mod builtin;
mod checkpoint;
mod element;
mod extras;
#[cfg(feature = "fetch")]
pub mod fetch;
mod format;
mod load;
mod metadata;
mod model_zoo;
pub mod official;
mod pack;
mod pickle;
mod pytorch;
mod safetensors;
mod save;
mod seeded;

pub use builtin::builtin;
pub use checkpoint::{Checkpoint, StoredTensor};
#[cfg(feature = "train")]
pub(crate) use load::MAX_CLASSES;
#[cfg(feature = "train")]
pub use load::load_fitting;
pub(crate) use load::{check_fit, fitting, parameter};
pub use load::{class_count, form, load};
pub use metadata::Metadata;
pub(crate) use pack::{ReadParameter, pack};
pub use save::save;
#[cfg(feature = "train")]
pub(crate) use seeded::Stream;
pub use seeded::{picture, seeded, seeded_values};

/// Why weights could not be read, written or used. The file's name is the caller's to add.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The operating system's. What it said is told here, and so it is no source: a chain of errors would
    /// tell it twice.
    #[error("cannot be read: {0}")]
    Io(std::io::Error),
    /// No bytes at all.
    #[error("is empty")]
    Empty,
    /// Bytes that no known format starts with.
    #[error("is no checkpoint: expected a PyTorch file (zip or pickle) or safetensors")]
    UnknownFormat,
    /// A PyTorch file that cannot be read as one.
    #[error("is no readable PyTorch checkpoint: {0}")]
    Pytorch(String),
    /// A pickle that is none of detectron2's model zoo, or cannot be read as one.
    #[error("is no readable checkpoint of detectron2's model zoo: {0}")]
    ModelZoo(String),
    /// Caffe2's names of tensors.
    #[error(
        "is a Caffe2 checkpoint ('blobs', 'conv1_w'), whose tensors have other names than detectron2's: convert it with detectron2 before"
    )]
    Caffe2,
    /// A safetensors file that cannot be read as one.
    #[error("is no readable safetensors file: {0}")]
    Safetensors(String),
    /// Our own metadata in a safetensors file, but not as we write it.
    #[error("has metadata '{key}' that is not {expected}: '{found}'")]
    Metadata {
        /// Name of the entry.
        key: &'static str,
        /// What the entry should be.
        expected: &'static str,
        /// The entry.
        found: String,
    },
    /// Two tensors that are one.
    #[error("holds tensor '{tensor}' twice, once by that key and once by another that means it")]
    Twice {
        /// What both keys mean.
        tensor: String,
    },
    /// Tensors missing, left over, or of another shape.
    #[error("does not fit {model}: {differences}")]
    Mismatch {
        /// Architecture.
        model: &'static str,
        /// The differences in words.
        differences: String,
    },
    /// A tensor of integers, or of another type that weights do not have.
    #[error("holds tensor '{tensor}' as {found}: expected f16, bf16, f32 or f64")]
    ElementType {
        /// Key in the checkpoint.
        tensor: String,
        /// Type found.
        found: String,
    },
    /// A tensor that cannot be read.
    #[error("holds a broken tensor '{tensor}': {reason}")]
    Tensor {
        /// Key in the checkpoint.
        tensor: String,
        /// What the reader said.
        reason: String,
    },
    /// NaN or infinite weights.
    #[error("holds {found} in tensor '{tensor}': expected finite numbers")]
    NotFinite {
        /// Key in the checkpoint.
        tensor: String,
        /// NaN or an infinity.
        found: f32,
    },
    /// A batch norm whose variance is below zero.
    #[error("holds {found} in tensor '{tensor}': expected variances of 0 or more")]
    NegativeVariance {
        /// Key in the checkpoint.
        tensor: String,
        /// The variance.
        found: f32,
    },
    /// A weight too large for 16 bits.
    #[error("holds {found} in tensor '{tensor}', which is too large for f16 (at most 65504)")]
    TooLargeForF16 {
        /// Key in the checkpoint.
        tensor: String,
        /// The weight.
        found: f32,
    },
}

impl From<std::io::Error> for WeightsError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl WeightsError {
    fn element_type(tensor: &str, found: impl std::fmt::Debug) -> Self {
        Self::ElementType {
            tensor: tensor.to_owned(),
            found: format!("{found:?}").to_lowercase(),
        }
    }
}
