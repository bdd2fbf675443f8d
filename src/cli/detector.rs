//! The options that say what to detect with.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use fpn_wgpu::Detector;

use super::device::{self, PrecisionArgs};
use super::model::ModelArgs;

/// A detector: model, weights, device and the thresholds of its own.
#[derive(Args)]
pub struct DetectorArgs {
    /// Checkpoint: PyTorch (.pth) or safetensors; without one, pyramid_tiny with its own weights, which
    /// knows everyday shapes
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,

    #[command(flatten)]
    pub model: ModelArgs,

    /// Where to compute: auto, gpu, cpu, or a part of an adapter's name [see `fpn adapters`]
    #[arg(long, value_name = "NAME", default_value = "auto")]
    device: String,

    #[command(flatten)]
    precision: PrecisionArgs,

    /// The model's own score threshold, 0 to 1
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    score: Option<f32>,

    /// Most detections of a picture
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    max: Option<usize>,

    /// Resize a picture's short side to this many pixels
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    min_size: Option<usize>,

    /// but its long side to no more than this
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    max_size: Option<usize>,
}

impl DetectorArgs {
    /// The detector, after a line on standard error that says what it is.
    pub fn build(&self) -> Result<Detector> {
        let mut builder = self.model.builder(self.weights.as_deref())?;
        if let Some(score) = self.score {
            builder = builder.score_threshold(score);
        }
        if let Some(max) = self.max {
            builder = builder.limit(max);
        }
        if let Some(pixels) = self.min_size {
            builder = builder.min_size(pixels);
        }
        if let Some(pixels) = self.max_size {
            builder = builder.max_size(pixels);
        }
        let builder = device::place(
            builder,
            device::gpu(&self.device)?,
            self.precision.precision,
        )?;
        let detector = self.model.build(builder, self.weights.as_deref())?;
        let config = detector.config();
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
