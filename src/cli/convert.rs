//! `fpn convert`.

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use clap::Args;
use fpn_wgpu::weights::Metadata;

use super::Usage;
use super::model::ModelArgs;
use super::output::{PendingFile, check_distinct, say};

/// Write a checkpoint as safetensors that says which model it is for
#[derive(Args)]
#[command(after_help = "\
Examples:
  fpn convert face.pth face.safetensors --model retinaface_mobilenet025
  fpn convert mine.pth mine.safetensors --model fasterrcnn_resnet50_fpn --labels names.txt --f16")]
pub struct Convert {
    /// Checkpoint: a file, PyTorch (.pth) or safetensors, or the name of published weights [see `fpn models --weights`]
    #[arg(value_name = "IN")]
    input: PathBuf,

    /// The file to write
    #[arg(value_name = "OUT.safetensors")]
    output: PathBuf,

    #[command(flatten)]
    model: ModelArgs,

    /// Halve the weights of layers to 16 bits; biases and batch norms keep 32
    #[arg(long)]
    f16: bool,
}

impl Convert {
    pub fn run(&self) -> Result<()> {
        if self
            .output
            .extension()
            .is_none_or(|extension| extension != "safetensors")
        {
            let output = self.output.display();
            return Err(Usage(format!("{output} must end in .safetensors")).into());
        }
        check_distinct([&self.input], [self.output.as_path()])?;
        let pending = PendingFile::create(&self.output)?;
        // Building the detector checks everything that the file will promise.
        let builder = self.model.builder(Some(&self.input))?;
        let detector = self.model.build(builder, Some(&self.input))?;
        let architecture = detector.config().architecture;
        let named = |error| anyhow!("{} {error}", self.input.display());
        let checkpoint = self.model.open(&self.input)?.in_layout_of(architecture);
        let mut checkpoint = checkpoint.map_err(named)?;
        checkpoint.metadata = Metadata {
            class_names: Some(detector.class_names().to_vec()),
            training: checkpoint.metadata.training,
            ..Metadata::of(detector.config())
        };
        let bytes = checkpoint.to_safetensors(self.f16).map_err(named)?;
        pending.write(&bytes)?;
        say(format_args!(
            "{}: {}, {} classes, batch norm eps {:?}, {:.1} MB",
            self.output.display(),
            architecture,
            detector.config().classes,
            detector.config().bn_eps,
            bytes.len() as f64 / 1e6
        ))
    }
}
