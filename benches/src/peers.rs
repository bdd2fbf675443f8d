//! `fpn-bench peers`: backbone, pyramid and heads by our plan, by burn-wgpu and on the CPU.

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use fpn_wgpu::compile::{Target, compile};
use fpn_wgpu::gpu::Gpu;
use fpn_wgpu::models::{Architecture, ModelConfig, Request};
use fpn_wgpu::plan::MapKind;
use fpn_wgpu::train::gpu_device;
use fpn_wgpu::transform::{Frame, ResizeBounds, Transform};
use fpn_wgpu::weights::{self, Checkpoint};
use fpn_wgpu::{Detector, HostTensor, Reading};
use image::RgbaImage;
use serde::Serialize;

use crate::adapter::{Described, DeviceArg};
use crate::engines::{self, Engine, Measured};
use crate::json::JsonFile;
use crate::table::{self, milliseconds};

/// Longest side of an input, in pixels.
const LARGEST: usize = 4096;

/// Time backbone, pyramid and heads by our plan, by burn-wgpu on the same adapter, and on the CPU
#[derive(Args)]
#[command(after_help = "\
Examples:
  fpn-bench peers --model fasterrcnn_resnet50_fpn --size 320x320 --device llvmpipe

All compute the heads' raw maps of one seeded picture with the same seeded weights, in f32, and must
agree. Times are from the call until the maps are there, without reading them back; ours includes the
picture's preprocessing, the others start from the prepared input. burn-wgpu runs the same module
with fusion and autotuning; all are warmed up until a run is no longer faster than the one before.")]
pub struct Peers {
    /// The model
    #[arg(long, value_name = "NAME", value_parser = architecture_parser(), default_value = "fasterrcnn_resnet50_fpn")]
    model: Architecture,

    /// Size of the network's input, HEIGHTxWIDTH, multiples of 32
    #[arg(long, value_name = "SIZE", default_value = "320x320", value_parser = size)]
    size: [usize; 2],

    #[command(flatten)]
    device: DeviceArg,

    /// Timed runs of each, in turns
    #[arg(long, value_name = "COUNT", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,

    /// Write the times as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn architecture_parser() -> impl TypedValueParser<Value = Architecture> {
    PossibleValuesParser::new(Architecture::names()).map(|name| {
        name.parse()
            .expect("the name is one of the possible values")
    })
}

/// Height and width.
fn size(text: &str) -> Result<[usize; 2], String> {
    let side = |text: &str| {
        let side = text.parse().ok();
        side.filter(|side: &usize| (32..=LARGEST).contains(side) && side.is_multiple_of(32))
    };
    let sides = text
        .split_once('x')
        .map(|(height, width)| [height, width].map(side));
    match sides {
        Some([Some(height), Some(width)]) => Ok([height, width]),
        _ => Err(format!(
            "expected HEIGHTxWIDTH, each a multiple of 32 up to {LARGEST}"
        )),
    }
}

/// What `--json` writes.
#[derive(Serialize)]
struct Report {
    adapter: Described,
    model: &'static str,
    /// Height and width of the network's input.
    input: [usize; 2],
    flop: u64,
    runs: u32,
    engines: Vec<Measured>,
}

impl Peers {
    pub fn run(&self) -> Result<()> {
        let adapter = self.device.find()?;
        let file = self.json.as_deref().map(JsonFile::create).transpose()?;
        let config = ModelConfig::of(self.model);
        let checkpoint = weights::seeded(&config, 1);
        let [height, width] = self.size;
        let picture = weights::picture(1, width as u32, height as u32);
        // The picture keeps its size, and is padded as the model asks.
        let bounds = ResizeBounds {
            min_size: height.min(width),
            max_size: height.max(width),
        };
        let transform = Transform {
            resize: Some(bounds),
            ..self.model.transform()
        };
        let frame = transform.frame(self.size);
        let input = |device: &Device| transform.apply(&picture, &frame, device);

        let gpu = pollster::block_on(Gpu::open(&adapter))?;
        let detector = Detector::builder(checkpoint.clone())
            .gpu(gpu)
            .min_size(bounds.min_size)
            .max_size(bounds.max_size)
            .maps([MapKind::Heads])
            .maps_alone()
            .build()?;
        let flop = flop(&config, frame.padded)?;
        let burn = gpu_device(&adapter)?;
        let cpu = Device::flex();
        let engines = [
            ours(detector, picture.clone()),
            eager(
                "burn-wgpu",
                &config,
                &checkpoint,
                (&burn, input(&burn)),
                frame,
            )?,
            eager(
                "CPU (Flex)",
                &config,
                &checkpoint,
                (&cpu, input(&cpu)),
                frame,
            )?,
        ];
        let report = Report {
            adapter: Described::of(&adapter.get_info()),
            model: self.model.name(),
            input: frame.padded,
            flop,
            runs: self.runs,
            engines: engines::measure("", &engines, self.runs)?,
        };
        print(&report);
        if let Some(file) = file {
            file.write(&report)?;
        }
        engines::agree(&report.engines)
    }
}

/// A plan that makes the heads' maps and nothing else.
fn ours(detector: Detector, picture: RgbaImage) -> Engine {
    Engine::new("plan", move |is_read| {
        let engine = detector.gpu_engine().context("it runs on a GPU")?;
        let reading = match is_read {
            true => Reading::Maps([MapKind::Heads].into()),
            false => Reading::Detections,
        };
        let maps = engine.start(&picture, &reading)?.wait()?.maps.into_iter();
        let heads = maps.map(|map| HostTensor {
            shape: map.shape.to_vec(),
            values: map.values,
        });
        Ok(heads.collect())
    })
}

/// The Burn module itself, on a device of Burn's.
fn eager(
    name: &'static str,
    config: &ModelConfig,
    checkpoint: &Checkpoint,
    (device, input): (&Device, Tensor<4>),
    frame: Frame,
) -> Result<Engine> {
    let model = weights::load(config, checkpoint)?.to_device(device);
    let device = device.clone();
    Ok(Engine::new(name, move |is_read| {
        let request = Request::maps([MapKind::Heads]);
        let frame = frame.tensor(&device);
        let maps = model.forward(input.clone(), frame, &request).maps;
        if !is_read {
            // The maps are alive until all is computed, so that nothing can be left out.
            device.sync()?;
            return Ok(Vec::new());
        }
        let maps = maps.into_iter().map(|(_, map)| {
            let [_, shape @ ..] = map.dims();
            let values = map.into_data().try_to_vec();
            Ok(HostTensor {
                shape: shape.to_vec(),
                values: values.map_err(|error| anyhow!("a map cannot be read: {error:?}"))?,
            })
        });
        maps.collect()
    }))
}

/// Floating-point operations of the maps by their definition; what an engine really takes may be
/// fewer, as by Winograd's algorithm.
fn flop(config: &ModelConfig, size: [usize; 2]) -> Result<u64> {
    let request = Request::maps([MapKind::Heads]);
    let transform = config.architecture.transform();
    let plan = compile(config, &transform, &request, size, &Target::webgpu())?;
    Ok(plan.flop())
}

fn print(report: &Report) {
    let [height, width] = report.input;
    println!(
        "{}\n{}, backbone, pyramid and heads, input of {height} × {width}, {:.2} GFLOP, {} runs",
        report.adapter,
        report.model,
        report.flop as f64 / 1e9,
        report.runs
    );
    let header = [
        "engine",
        "median",
        "min",
        "max",
        "GFLOP/s",
        "÷ plan",
        "difference",
        "first run",
    ];
    let mut table = table::new(header, 1);
    for engine in &report.engines {
        table.add_row([
            engine.name.to_owned(),
            milliseconds(engine.times.median),
            milliseconds(engine.times.min),
            milliseconds(engine.times.max),
            format!("{:.1}", report.flop as f64 / engine.times.median / 1e9),
            format!("{:.2}", engine.ratio),
            engines::shown(engine.difference),
            milliseconds(engine.warm_up[0]),
        ]);
    }
    println!("{table}");
}
