//! `fpn pyramid`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use fpn_wgpu::models::Upsampling;
use fpn_wgpu::plan::MapKind;
use fpn_wgpu::{Detector, FeatureMap};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::detector::{EngineArgs, failure};
use super::named::one_of;
use super::output::{PendingFile, check_distinct, named, say};
use super::{batch, cache, contact_sheet, pictures};

/// Write the pyramid's levels of pictures, as numbers and as heat maps
#[derive(Args)]
#[command(after_help = "\
Examples:
  fpn pyramid shapes.jpg --out levels/
  fpn pyramid street.jpg --model fasterrcnn_resnet50_fpn --weights mine.pth --out levels/

For a picture NAME.jpg the folder gets NAME.safetensors, with a tensor [1, C, H, W] of f32 for each level
(P2, P3, …) and the network's input (input), and NAME.png, a sheet of heat maps.")]
pub struct Pyramid {
    /// Pictures, folders of pictures, or patterns
    #[arg(value_name = "INPUT", required = true, value_parser = NonEmptyStringValueParser::new())]
    inputs: Vec<String>,

    #[command(flatten)]
    engine: EngineArgs,

    /// How a coarse level is upsampled on the way down: nearest, or bilinear where the model knows it
    #[arg(long, value_name = "HOW", value_parser = one_of(Upsampling::ALL.map(|way| (way.name(), way))))]
    top_down: Option<Upsampling>,

    /// The folder to write to, made if need be
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl Pyramid {
    pub fn run(&self) -> Result<()> {
        let (files, mut failures) = batch::files(&self.inputs);
        let mut builder = self.engine.builder()?.maps([MapKind::Input]).maps_alone();
        if let Some(upsampling) = self.top_down {
            builder = builder.top_down(upsampling);
        }
        let detector = self.engine.build(builder)?;
        let architecture = detector.config().architecture;
        eprintln!("{architecture}, on {}", detector.device_name());
        std::fs::create_dir_all(&self.out)
            .with_context(|| format!("folder {} cannot be made", self.out.display()))?;
        let outputs = |ending: &str| -> Vec<PathBuf> {
            let names = named(&files, ending).into_iter();
            names.map(|name| self.out.join(name)).collect()
        };
        let (tensors, sheets) = (outputs("safetensors"), outputs("png"));
        let written = tensors.iter().chain(&sheets).map(PathBuf::as_path);
        check_distinct(files.iter().chain(&self.engine.weights), written)?;

        let progress = batch::progress(files.len());
        let mut lines = Vec::new();
        for ((file, tensors), sheet) in files.iter().zip(&tensors).zip(&sheets) {
            progress.set_message(file.display().to_string());
            match write(&detector, file, tensors, sheet) {
                Ok(line) => lines.push(line),
                Err(error) => failures.push(error),
            }
            progress.inc(1);
        }
        progress.finish_and_clear();
        if let Some(engine) = detector.gpu_engine() {
            cache::keep_pipelines(engine.gpu());
        }
        for line in &lines {
            say(line)?;
        }
        batch::report_failures(failures, lines.len())
    }
}

/// Both files of one picture; what they hold, in a line.
fn write(detector: &Detector, file: &Path, tensors: &Path, sheet: &Path) -> Result<String> {
    let picture = pictures::open(file)?;
    let failed = |error| failure(file.display(), error);
    let (pending_tensors, pending_sheet) =
        (PendingFile::create(tensors)?, PendingFile::create(sheet)?);
    let maps = detector.maps(&picture).map_err(failed)?;
    let (_, levels): (Vec<&FeatureMap>, Vec<&FeatureMap>) =
        maps.iter().partition(|map| map.info.kind == MapKind::Input);
    pending_sheet.write_picture(contact_sheet::heat_maps(&picture, &levels))?;
    pending_tensors.write(&serialized(&maps)?)?;
    let sizes = levels.iter().map(|level| {
        let [channels, height, width] = level.shape;
        format!("{} {channels} × {height} × {width}", level.info.name)
    });
    let sizes: Vec<String> = sizes.collect();
    Ok(format!("{}: {}", tensors.display(), sizes.join(", ")))
}

/// A safetensors file with a tensor `[1, C, H, W]` a map, by its name.
fn serialized(maps: &[FeatureMap]) -> Result<Vec<u8>> {
    let views = maps.iter().map(|map| {
        let [channels, height, width] = map.shape;
        let bytes = bytemuck::cast_slice(&map.values);
        let view = TensorView::new(Dtype::F32, vec![1, channels, height, width], bytes);
        let view = view.expect("a map has as many values as its shape says");
        (map.info.name.as_str(), view)
    });
    Ok(safetensors::serialize(views, None)?)
}
