//! The options that say what to look with.

use std::fmt::Display;
use std::path::PathBuf;

use anyhow::{Result, anyhow};
use clap::Args;
use fpn_wgpu::{DetectError, Detector, DetectorBuilder};

use super::Usage;
use super::device::{self, PrecisionArgs};
use super::model::ModelArgs;

/// A model with its weights, where it runs, and how large its pictures are.
#[derive(Args)]
pub struct EngineArgs {
    /// Checkpoint: a file, PyTorch (.pth) or safetensors, or the name of published weights, which are fetched once
    /// [see `fpn models --weights`]; without one, pyramid_tiny with its own weights, which knows everyday shapes
    #[arg(long, value_name = "FILE|NAME")]
    pub weights: Option<PathBuf>,

    #[command(flatten)]
    pub model: ModelArgs,

    /// Where to compute: auto, gpu, cpu, or a part of an adapter's name [see `fpn adapters`]
    #[arg(long, value_name = "NAME", default_value = "auto")]
    device: String,

    #[command(flatten)]
    precision: PrecisionArgs,

    /// Resize a picture's short side to this many pixels
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    min_size: Option<usize>,

    /// but its long side to no more than this; NanoDet's square has either for its side
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    max_size: Option<usize>,
}

impl EngineArgs {
    /// A builder that has been told what these options say.
    pub fn builder(&self) -> Result<DetectorBuilder> {
        let mut builder = self.model.builder(self.weights.as_deref())?;
        if let Some(pixels) = self.min_size {
            builder = builder.min_size(pixels);
        }
        if let Some(pixels) = self.max_size {
            builder = builder.max_size(pixels);
        }
        device::place(
            builder,
            device::gpu(&self.device)?,
            self.precision.precision,
        )
    }

    /// What was built.
    pub fn build(&self, builder: DetectorBuilder) -> Result<Detector> {
        self.model.build(builder, self.weights.as_deref())
    }
}

/// A detector: an engine, and the thresholds of its own.
#[derive(Args)]
pub struct DetectorArgs {
    #[command(flatten)]
    pub engine: EngineArgs,

    /// The model's own score threshold, 0 to 1
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    score: Option<f32>,

    /// Most detections of a picture
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    max: Option<usize>,
}

impl DetectorArgs {
    /// The detector, after a line on standard error that says what it is.
    pub fn build(&self) -> Result<Detector> {
        let mut builder = self.engine.builder()?;
        if let Some(score) = self.score {
            builder = builder.score_threshold(score);
        }
        if let Some(max) = self.max {
            builder = builder.limit(max);
        }
        let detector = self.engine.build(builder)?;
        let config = detector.config();
        if config.architecture.selection().is_none() {
            return Err(Usage(format!(
                "{} gives feature maps and finds no objects: see `fpn pyramid`",
                config.architecture
            ))
            .into());
        }
        eprintln!(
            "{}, {} classes, batch norm eps {:?}, on {}",
            config.architecture,
            config.classes,
            config.bn_eps,
            detector.device_name()
        );
        Ok(detector)
    }
}

/// Why a picture gives nothing, told with the names of the picture and of the options above.
pub fn failure(picture: impl Display, error: DetectError) -> anyhow::Error {
    let told = match error {
        DetectError::TooLarge { .. } | DetectError::DoesNotFit { .. } => {
            error.to_string().replace("max_size", "--max-size")
        }
        _ => error.to_string(),
    };
    anyhow!("{picture}: {told}")
}
