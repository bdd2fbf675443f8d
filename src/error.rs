//! What can go wrong: with a GPU, in building a detector, in looking at a picture.

use crate::compile::CompileError;
use crate::models::Architecture;
use crate::weights::WeightsError;

/// Why a GPU cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GpuError {
    /// Nothing speaks Vulkan, Metal or DX12 here.
    #[error(
        "no GPU adapter found: install a driver (on Debian and Ubuntu: apt install \
         mesa-vulkan-drivers libvulkan1), or use the CPU engine"
    )]
    NoAdapter,
    /// No adapter has this name.
    #[error("unknown device '{name}': expected auto, gpu, cpu or a part of the name of one of: {}", .known.join(", "))]
    UnknownAdapter {
        /// The name asked for.
        name: String,
        /// Names of the adapters there are.
        known: Vec<String>,
    },
    /// An adapter below WebGPU's default limits.
    #[error("adapter {adapter} allows {limit} {found}, fewer than the {needed} that are needed")]
    Limit {
        /// Name of the adapter.
        adapter: String,
        /// Name of the limit in WebGPU.
        limit: String,
        /// The least that is needed.
        needed: u64,
        /// What the adapter allows.
        found: u64,
    },
    /// The driver refused to open the device.
    #[error("adapter {adapter} cannot be opened: {reason}")]
    Open {
        /// Name of the adapter.
        adapter: String,
        /// What the driver said.
        reason: String,
    },
    /// An adapter that does not compute in 16 bits.
    #[error(
        "adapter {adapter} does not compute in 16 bits, which precision {precision} needs: f16s only \
         stores in them, and every adapter can"
    )]
    Precision {
        /// Name of the adapter.
        adapter: String,
        /// Name of the precision.
        precision: &'static str,
    },
    /// The device was destroyed, reset or unplugged.
    #[error("the GPU device was lost: {0}")]
    Lost(String),
    /// Memory ran out.
    #[error("the GPU ran out of memory: {0}")]
    OutOfMemory(String),
    /// A fault in this crate or in the driver.
    #[error("the GPU reported an error: {0}")]
    Fault(String),
}

/// Why a detector cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// No model was named, and the checkpoint names none.
    #[error(
        "the checkpoint does not say which model it is for: name one of {}",
        names(fits)
    )]
    NoArchitecture {
        /// Those whose parameters the checkpoint holds; all of them where it is of none.
        fits: Vec<Architecture>,
    },
    /// The checkpoint is of another model than the one that was named.
    #[error("the checkpoint {error}; it fits {}", names(fits))]
    FitsOthers {
        /// What does not fit.
        error: WeightsError,
        /// Those whose parameters it holds.
        fits: Vec<Architecture>,
    },
    /// The checkpoint names another model than the caller.
    #[error("the checkpoint says it is for {found}, not for {asked}")]
    OtherArchitecture {
        /// Named by the caller.
        asked: Architecture,
        /// Named by the checkpoint.
        found: Architecture,
    },
    /// The checkpoint was not usable. What is wrong with it is told here, and so it is no source: a chain
    /// of errors would tell it twice.
    #[error("the checkpoint {0}")]
    Weights(WeightsError),
    /// The GPU cannot be used.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// The model uses something that cannot be compiled for a GPU.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// Names that do not match the classes.
    #[error(
        "{found} class names for {classes} classes: expected {classes}, or one less without the background"
    )]
    ClassNames {
        /// Classes, background included.
        classes: usize,
        /// Names given.
        found: usize,
    },
    /// An option out of its range.
    #[error("{option} is {found}: expected {expected}")]
    Option {
        /// Which, as [`DetectorBuilder`](crate::DetectorBuilder) names it.
        option: &'static str,
        /// What it may be.
        expected: String,
        /// What it is.
        found: String,
    },
}

/// The names of models, for people.
pub(crate) fn names(models: &[Architecture]) -> String {
    let names: Vec<&str> = models.iter().map(|model| model.name()).collect();
    names.join(", ")
}

impl From<WeightsError> for BuildError {
    fn from(error: WeightsError) -> Self {
        Self::Weights(error)
    }
}

/// Why a picture gives no detections.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DetectError {
    /// A picture without pixels.
    #[error("the picture is {width}×{height} pixels: expected at least one")]
    NoPixels {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
    },
    /// A picture of more bytes than memory can hold.
    #[error(
        "a picture of {width}×{height} pixels is over the limit of {limit} pixels: resize it before"
    )]
    TooManyPixels {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
        /// Most pixels allowed.
        limit: usize,
    },
    /// Raw bytes that are not the picture's size.
    #[error("{found} bytes for a {width}×{height} RGBA picture: expected {expected}")]
    Bytes {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
        /// Bytes of such a picture.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// An input too large for memory.
    #[error(
        "the picture would enter the network as {width}×{height} pixels, over the limit of {limit}: set a smaller max_size"
    )]
    TooLarge {
        /// Width of the padded input.
        width: usize,
        /// Height of the padded input.
        height: usize,
        /// Most pixels allowed.
        limit: usize,
    },
    /// A side that is resized by more than can be computed exactly.
    #[error(
        "a side of {from} pixels would be resized to {to}, which is too far to be exact: cut the picture or set other sizes"
    )]
    ResizedTooFar {
        /// Its length in pixels.
        from: usize,
        /// What it would be.
        to: usize,
    },
    /// An activation larger than the GPU can bind.
    #[error(
        "an input of {width}×{height} pixels needs {needed} bytes in one buffer, and {adapter} \
         allows {allowed}: the largest max_size that fits is {largest}"
    )]
    DoesNotFit {
        /// Width of the padded input.
        width: usize,
        /// Height of the padded input.
        height: usize,
        /// Bytes of the largest activation.
        needed: usize,
        /// Most bytes the device binds.
        allowed: usize,
        /// Name of the adapter.
        adapter: String,
        /// Longest side that fits for a picture of this shape, in pixels.
        largest: usize,
    },
    /// A picture of more bytes than the GPU can bind.
    #[error(
        "a picture of {width}×{height} pixels takes {needed} bytes, and {adapter} allows {allowed}: \
         resize it before"
    )]
    PictureTooLarge {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
        /// Bytes of the picture, four a pixel.
        needed: usize,
        /// Most bytes the device binds.
        allowed: usize,
        /// Name of the adapter.
        adapter: String,
    },
    /// Maps that are more, together, than the GPU can hand back, or keep, at once.
    #[error(
        "the maps of an input of {width}×{height} pixels take {needed} bytes, and {adapter} \
         allows {allowed} in one buffer: ask for fewer maps, or resize the picture before"
    )]
    MapsTooLarge {
        /// Width of the padded input.
        width: usize,
        /// Height of the padded input.
        height: usize,
        /// Bytes of all that is read back.
        needed: usize,
        /// Most bytes of a buffer of the device.
        allowed: u64,
        /// Name of the adapter.
        adapter: String,
    },
    /// The GPU failed.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// The model cannot be compiled for a GPU.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// A model, or a detector built from one, that gives maps alone.
    #[error("{model} gives feature maps and finds no objects: ask for its maps instead")]
    NoDetections {
        /// Architecture.
        model: &'static str,
    },
    /// A detector of which nobody can tell how it comes to what it finds.
    #[error("{model} cannot be inspected: {reason}")]
    NotInspectable {
        /// Architecture.
        model: &'static str,
        /// Why not.
        reason: &'static str,
    },
    /// NaN or infinite activations.
    #[error(
        "the network gave NaN or infinite values: its weights do not suit its input or its batch norms' eps"
    )]
    NotFinite,
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::io;

    use super::*;

    /// Whoever prints an error with its sources prints every sentence once.
    #[test]
    fn no_error_repeats_its_source() {
        let missing = || WeightsError::from(io::Error::other("no such file"));
        let errors: Vec<Box<dyn Error>> = vec![
            missing().into(),
            BuildError::from(missing()).into(),
            BuildError::from(GpuError::NoAdapter).into(),
            DetectError::from(GpuError::NoAdapter).into(),
            #[cfg(feature = "train")]
            crate::train::TrainError::from(missing()).into(),
        ];
        for error in &errors {
            let told = error.to_string();
            let repeated = error.source().map(|source| source.to_string());
            let repeated = repeated.filter(|source| told.contains(source));
            assert_eq!(repeated, None, "{told}");
        }
    }
}
