//! `fpn bench`.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use clap::builder::RangedU64ValueParser;
use fpn_wgpu::models::Architecture;

mod measure;
mod report;
mod roofline;
mod table;

use super::device::PrecisionArgs;
use super::fetch::FetchArgs;
use super::model::architecture_parser;
use super::output::{PendingFile, check_distinct, say};
use super::{Usage, device};

/// Time a model: loading, compiling, the first picture, those that follow, and each step on the GPU
#[derive(Args)]
#[command(after_help = "\
Examples:
  fpn bench --model fasterrcnn_resnet50_fpn --size 800x1088
  fpn bench --model retinaface_mobilenet025 --size 320x320 --device llvmpipe --json bench.json
  fpn bench --model fasterrcnn_resnet50_fpn --size 320x320 --plot roofline.svg

The picture is generated, and so are the weights where none are given. docs/benchmarks.md says what
each figure means.")]
pub struct Bench {
    /// The model [see `fpn models`]
    #[arg(long, value_name = "NAME", value_parser = architecture_parser(), hide_possible_values = true)]
    model: Architecture,

    /// Size of the picture, which is not resized: height first
    #[arg(long, value_name = "HxW", value_parser = size)]
    size: [usize; 2],

    /// The weights, a file or the name of published ones [see `fpn models --weights`]; generated where none are given
    #[arg(long, value_name = "FILE|NAME")]
    weights: Option<PathBuf>,

    #[command(flatten)]
    fetch: FetchArgs,

    /// Where to compute: auto, gpu, cpu, or a part of an adapter's name [see `fpn adapters`]
    #[arg(long, value_name = "NAME", default_value = "auto")]
    device: String,

    #[command(flatten)]
    precision: PrecisionArgs,

    /// Frames that are timed, after the first and a warm-up
    #[arg(long, value_name = "N", default_value = "10", value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    iterations: usize,

    /// Write the figures as JSON; - is standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Draw the steps under the adapter's measured limits, as SVG
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

/// Largest side that is taken.
const LARGEST: usize = 8192;

/// Height and width.
fn size(text: &str) -> Result<[usize; 2], String> {
    let sides = text
        .split_once('x')
        .map(|(height, width)| [height, width].map(str::parse));
    match sides {
        Some([Ok(height @ 1..=LARGEST), Ok(width @ 1..=LARGEST)]) => Ok([height, width]),
        _ => Err(format!("expected HEIGHTxWIDTH, each 1 to {LARGEST}")),
    }
}

impl Bench {
    pub fn run(&self) -> Result<()> {
        let gpu = device::fresh_gpu(&self.device)?;
        match &gpu {
            None if self.plot.is_some() => {
                return Err(Usage(
                    "--plot draws a GPU's steps, and the CPU engine has none: give --device"
                        .to_owned(),
                )
                .into());
            }
            Some(gpu) if self.plot.is_some() && !gpu.has_timestamps() => {
                bail!(
                    "--plot draws how long steps take, and {} has no timestamps",
                    gpu.info().name
                );
            }
            _ => {}
        }
        let to_stdout = self.json.as_deref() == Some(Path::new("-"));
        let json = self.json.as_deref().filter(|_| !to_stdout);
        check_distinct(
            &self.weights,
            [json, self.plot.as_deref()].into_iter().flatten(),
        )?;
        let json = json.map(PendingFile::create).transpose()?;
        let plot = self.plot.as_deref().map(PendingFile::create).transpose()?;

        let report = measure::measure(self, gpu)?;
        let text = || serde_json::to_string_pretty(&report);
        match to_stdout {
            true => say(text()?)?,
            false => table::print(&report)?,
        }
        if let Some(file) = json {
            file.write((text()? + "\n").as_bytes())?;
        }
        if let Some(file) = plot {
            file.write(roofline::draw(&report)?.as_bytes())?;
        }
        Ok(())
    }
}
