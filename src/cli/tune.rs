//! `fpn tune`.

use anyhow::Result;
use clap::Args;
use fpn_wgpu::compile::{ConvTimes, conv_sizes};
use fpn_wgpu::gpu;
use fpn_wgpu::models::{Architecture, ModelConfig};
use indicatif::{ProgressBar, ProgressStyle};

use super::model::architecture_parser;
use super::output::say;
use super::report::{align_right, new_table};
use super::summary::size;
use super::{Usage, cache, device};

/// Measure on this adapter how convolutions are computed fastest, and keep it for later runs
#[derive(Args)]
#[command(after_help = "\
Examples:
  fpn tune
  fpn tune --device llvmpipe --model fasterrcnn_resnet18_fpn --size 320x240

Models with convolutions of other sizes go by the most similar ones. What was measured for an adapter
replaces what was measured before.")]
pub struct Tune {
    /// What to measure: auto, gpu, or a part of an adapter's name [see `fpn adapters`]
    #[arg(long, value_name = "NAME", default_value = "auto")]
    device: String,

    /// The model whose convolutions are measured [see `fpn models`]
    #[arg(long, value_name = "NAME", default_value = "fasterrcnn_resnet50_fpn", value_parser = architecture_parser(), hide_possible_values = true)]
    model: Architecture,

    /// Size of the picture they are measured for, WIDTHxHEIGHT or one number for both
    #[arg(long, value_name = "SIZE", default_value = "1088x800", value_parser = size)]
    size: [usize; 2],
}

impl Tune {
    pub fn run(&self) -> Result<()> {
        let Some(gpu) = device::gpu(&self.device)? else {
            let problem = match self.device.as_str() {
                "cpu" => "--device cpu: only GPUs have convolutions to choose from",
                _ => "there is no GPU to measure: --device gpu takes software adapters too",
            };
            return Err(Usage(problem.to_owned()).into());
        };
        let padded = self.model.transform().frame(self.size).padded;
        let sizes = conv_sizes(&ModelConfig::of(self.model), padded)?;
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} measurements, {eta} left")?;
        let progress = ProgressBar::new(gpu::measurements(&gpu, &sizes) as u64).with_style(style);
        let table = gpu::tune(&gpu, &sizes, || progress.inc(1))?;
        progress.finish_and_clear();
        cache::keep_pipelines(&gpu);

        let mut report = new_table(["convolution", "output", "form", "GFLOP/s", "Winograd"]);
        for row in &table.rows {
            report.add_row(describe(row));
        }
        align_right(&mut report, 3..5);
        say(&report)?;
        let path = cache::keep_conv_table(gpu.info(), &table)?;
        say(format_args!(
            "Kept for {} in {}.",
            gpu.info().name,
            path.display()
        ))
    }
}

fn describe(row: &ConvTimes) -> [String; 5] {
    let size = &row.size;
    let [kernel_height, kernel_width] = size.kernel;
    let [height, width] = size.out_size;
    let rate = |seconds: f64| format!("{:.1}", size.flop() as f64 / seconds / 1e9);
    let (form, seconds) = row.fastest().expect("every device runs some form");
    [
        format!(
            "{kernel_height}×{kernel_width} / {} {} → {}",
            size.stride[0], size.in_channels, size.out_channels
        ),
        format!("{height} × {width}"),
        form.to_string(),
        rate(seconds),
        row.fastest_winograd()
            .map_or(String::new(), |(_, seconds)| rate(seconds)),
    ]
}
