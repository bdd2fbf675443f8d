//! `fpn-bench conv`: every convolution of a detector, ours beside burn-wgpu's.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Result, anyhow};
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Distribution, Tensor};
use clap::Args;
use fpn_wgpu::compile::{ConvKind, ConvSize, ConvTable, Op, capture, lower, optimize};
use fpn_wgpu::gpu::{self, Gpu, peaks};
use fpn_wgpu::kernels::conv::ConvShape;
use fpn_wgpu::models::faster_rcnn::RESNET50_FPN;
use fpn_wgpu::models::{ModelConfig, Request};
use fpn_wgpu::plan::ValueId;
use fpn_wgpu::train::gpu_device;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::Usage;
use crate::adapter::{Described, DeviceArg};
use crate::json::JsonFile;
use crate::table::{self, milliseconds};
use crate::times::{Times, batched};

/// Height and width of the network's input: a picture of 640 × 480 at 800/1333.
const INPUT: [usize; 2] = [800, 1088];

/// Time every convolution of fasterrcnn_resnet50_fpn's backbone, pyramid and RPN at 800 × 1088
#[derive(Args)]
#[command(after_help = "\
Examples:
  fpn-bench conv --device llvmpipe --only 3x3 --json conv.json

burn-wgpu is autotuned and warmed up, in f32. Shares are of the adapter's peak, which is measured by
multiplications with addition that touch no memory.")]
pub struct Convolutions {
    #[command(flatten)]
    device: DeviceArg,

    /// Only shapes whose name contains this, such as 3x3/1 or 256-64
    #[arg(long, value_name = "PART")]
    only: Option<String>,

    /// Timed runs, after some that warm up; their median counts
    #[arg(long, value_name = "COUNT", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,

    /// Write the times as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Write our times in the form of src/compile/software.json, the table that ships
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,
}

/// What `--json` writes.
#[derive(Serialize)]
struct Report {
    adapter: Described,
    model: &'static str,
    /// Height and width.
    input: [usize; 2],
    /// Null where the adapter has no timestamps to measure it by.
    peak_gflop_per_second: Option<f64>,
    convolutions: Vec<Measured>,
}

/// One shape, measured.
#[derive(Serialize)]
struct Measured {
    name: String,
    /// Height and width of the input.
    size: [usize; 2],
    in_channels: usize,
    out_channels: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
    /// How often the model has it.
    occurrences: usize,
    flop: u64,
    /// Seconds of burn-wgpu.
    burn: Times,
    /// Seconds of each variant of ours.
    ours: BTreeMap<String, f64>,
}

impl Convolutions {
    pub fn run(&self) -> Result<()> {
        let shapes = self.shapes()?;
        let adapter = self.device.find()?;
        let file = self.json.as_deref().map(JsonFile::create).transpose()?;
        let gpu = pollster::block_on(Gpu::open(&adapter))?;
        let burn = gpu_device(&adapter)?;
        let peaks = peaks::measure(&gpu)?;

        let table_file = self.table.as_deref().map(JsonFile::create).transpose()?;
        let sizes: Vec<ConvSize> = shapes.iter().map(|(shape, _)| size(shape)).collect();
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {wide_msg}")?;
        let measurements = gpu::measurements(&gpu, &sizes) + shapes.len();
        let progress = ProgressBar::new(measurements as u64).with_style(style);
        progress.set_message("ours");
        let ours = gpu::tune(&gpu, &sizes, || progress.inc(1))?;
        let mut convolutions = Vec::new();
        for (index, (shape, occurrences)) in shapes.into_iter().enumerate() {
            progress.set_message(format!("{}, burn-wgpu", name(&shape)));
            let theirs = burn_wgpu(&burn, shape, self.runs as usize)?;
            convolutions.push(Measured {
                name: name(&shape),
                size: shape.size,
                in_channels: shape.in_channels,
                out_channels: shape.out_channels,
                kernel: shape.kernel,
                stride: shape.stride,
                padding: shape.padding,
                occurrences,
                flop: flop(&shape),
                burn: theirs,
                ours: ours_by_name(&ours, index),
            });
            progress.inc(1);
        }
        progress.finish_and_clear();

        let report = Report {
            adapter: Described::of(&adapter.get_info()),
            model: RESNET50_FPN.name(),
            input: INPUT,
            peak_gflop_per_second: peaks.map(|peaks| peaks.flop_per_second / 1e9),
            convolutions,
        };
        print(&report);
        if let Some(file) = table_file {
            file.write(&ours)?;
        }
        file.map_or(Ok(()), |file| file.write(&report))
    }

    /// The shapes that are asked for, in the order of the model, and how often it has each.
    fn shapes(&self) -> Result<Vec<(ConvShape, usize)>> {
        let all = shapes()?;
        let Some(part) = &self.only else {
            return Ok(all);
        };
        let names: Vec<String> = all.iter().map(|(shape, _)| name(shape)).collect();
        let mut wanted = all;
        wanted.retain(|(shape, _)| name(shape).contains(part.as_str()));
        match wanted.is_empty() {
            true => Err(Usage(format!(
                "--only {part}: expected a part of one of: {}",
                names.join(", ")
            ))
            .into()),
            false => Ok(wanted),
        }
    }
}

/// The distinct convolutions of the model, as its plan has them, and how often it has each. What is
/// fused into one makes no difference here.
fn shapes() -> Result<Vec<(ConvShape, usize)>> {
    let config = ModelConfig::of(RESNET50_FPN);
    let captured = capture(&config, INPUT, &Request::of(RESNET50_FPN))?;
    let graph = optimize(lower(&captured)?)?;
    let mut shapes: Vec<(ConvShape, usize)> = Vec::new();
    for node in &graph.nodes {
        let Op::Conv(conv) = &node.op else { continue };
        let ConvKind::Dense(window) = conv.kind else {
            continue;
        };
        let map = |value: ValueId| match graph.shape(value)[..] {
            [_, channels, height, width] => Ok((channels, [height, width])),
            _ => Err(anyhow!("{} is no convolution of maps", conv.weight)),
        };
        let (in_channels, size) = map(node.inputs[0])?;
        let (out_channels, _) = map(node.outputs[0])?;
        let shape = ConvShape::same(size, in_channels, out_channels).window(
            window.kernel[0],
            window.stride[0],
            window.padding[0],
        );
        match shapes.iter_mut().find(|(known, _)| *known == shape) {
            Some((_, occurrences)) => *occurrences += 1,
            None => shapes.push((shape, 1)),
        }
    }
    Ok(shapes)
}

/// Side of the window / stride, channels in-out, height x width of the input.
fn name(shape: &ConvShape) -> String {
    format!(
        "{0}x{0}/{1} {2}-{3} {4}x{5}",
        shape.kernel,
        shape.stride,
        shape.in_channels,
        shape.out_channels,
        shape.size[0],
        shape.size[1]
    )
}

fn flop(shape: &ConvShape) -> u64 {
    let [height, width] = shape.out_size();
    let taps = shape.kernel * shape.kernel;
    2 * (height * width * shape.out_channels * shape.in_channels * taps) as u64
}

fn burn_wgpu(device: &Device, shape: ConvShape, runs: usize) -> Result<Times> {
    let [height, width] = shape.size;
    let uniform = Distribution::Uniform(-1.0, 1.0);
    // Channels last in memory, as Burn's convolutions leave their outputs for the next.
    let input = Tensor::<4>::random([1, height, width, shape.in_channels], uniform, device)
        .permute([0, 3, 1, 2]);
    let side = shape.kernel;
    let weight = Tensor::<4>::random(
        [shape.out_channels, shape.in_channels, side, side],
        uniform,
        device,
    );
    let bias = Tensor::<1>::random([shape.out_channels], uniform, device);
    let options = ConvOptions::new([shape.stride; 2], [shape.padding; 2], [1, 1], 1);
    batched(runs, |calls| {
        for _ in 0..calls {
            conv2d(
                input.clone(),
                weight.clone(),
                Some(bias.clone()),
                options.clone(),
            );
        }
        Ok(device.sync()?)
    })
}

/// The shape as the library's tables have it.
fn size(shape: &ConvShape) -> ConvSize {
    ConvSize {
        in_channels: shape.in_channels,
        out_channels: shape.out_channels,
        kernel: [shape.kernel; 2],
        stride: [shape.stride; 2],
        out_size: shape.out_size(),
    }
}

/// Seconds of each form, and of Winograd's algorithm, for one row of a table.
fn ours_by_name(table: &ConvTable, row: usize) -> BTreeMap<String, f64> {
    let row = &table.rows[row];
    let forms = row
        .forms
        .iter()
        .map(|(form, seconds)| (form.to_string(), *seconds));
    let winograd = row
        .fastest_winograd()
        .map(|(_, seconds)| ("Winograd".to_owned(), seconds));
    forms.chain(winograd).collect()
}

fn print(report: &Report) {
    println!("{}", report.adapter);
    let mut table = table::new(
        [
            "convolution",
            "by",
            "times",
            "GFLOP",
            "each",
            "GFLOP/s",
            "of peak",
            "burn-wgpu ÷",
        ],
        2,
    );
    for conv in &report.convolutions {
        let burn = ("burn-wgpu", conv.burn.median);
        let ours = conv.ours.iter().map(|(name, time)| (name.as_str(), *time));
        for (row, (by, time)) in [burn].into_iter().chain(ours).enumerate() {
            let speed = conv.flop as f64 / time;
            let first = |text: String| if row == 0 { text } else { String::new() };
            table.add_row([
                first(conv.name.clone()),
                by.to_owned(),
                first(conv.occurrences.to_string()),
                first(format!("{:.2}", conv.flop as f64 / 1e9)),
                milliseconds(time),
                format!("{:.1}", speed / 1e9),
                report
                    .peak_gflop_per_second
                    .map_or(String::new(), |peak| format!("{:.0} %", speed / peak / 1e7)),
                match row {
                    0 => String::new(),
                    _ => format!("{:.2}", conv.burn.median / time),
                },
            ]);
        }
    }
    println!("{table}");
    let total = |seconds: &dyn Fn(&Measured) -> f64| -> f64 {
        let convolutions = report.convolutions.iter();
        convolutions
            .map(|conv| conv.occurrences as f64 * seconds(conv))
            .sum()
    };
    let theirs = total(&|conv| conv.burn.median);
    let ours = total(&|conv| conv.ours.values().copied().fold(f64::INFINITY, f64::min));
    println!(
        "All together: burn-wgpu {}, ours {}, ratio {:.2}.",
        milliseconds(theirs),
        milliseconds(ours),
        theirs / ours,
    );
    if let Some(peak) = report.peak_gflop_per_second {
        println!("Peak: {peak:.0} GFLOP/s.");
    }
}
