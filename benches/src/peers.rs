//! `fpn-bench peers`: backbone, pyramid and heads by our plan, by burn-wgpu and on the CPU.

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use fpn_wgpu::compile::{Target, compile};
use fpn_wgpu::gpu::Gpu;
use fpn_wgpu::models::{Architecture, Model, ModelConfig, Request};
use fpn_wgpu::plan::MapKind;
use fpn_wgpu::train::gpu_device;
use fpn_wgpu::transform::{Frame, ResizeBounds, Transform};
use fpn_wgpu::weights::{self, Checkpoint};
use fpn_wgpu::{Detector, HostMap};
use image::RgbaImage;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::adapter::{self, Described};
use crate::json::JsonFile;
use crate::table::{self, milliseconds};
use crate::times::{Times, seconds, warm_up};

/// What two engines' maps may differ by, relative to a map's largest value.
const TOLERANCE: f32 = 1e-3;

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

    /// Where to compute: gpu (the best adapter, software included) or a part of an adapter's name
    #[arg(long, value_name = "NAME", default_value = "gpu")]
    device: String,

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

/// One way to compute the maps.
struct Engine {
    name: &'static str,
    compute: Box<dyn Fn() -> Result<()>>,
    maps: Box<dyn Fn() -> Result<Vec<HostMap>>>,
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

/// One engine, measured.
#[derive(Serialize)]
struct Measured {
    name: &'static str,
    /// Seconds of the runs that warmed up, the first of which compiles and tunes.
    warm_up: Vec<f64>,
    /// Seconds.
    times: Times,
    /// This engine's median over ours.
    ratio: f64,
    /// Largest difference from the CPU engine's maps, relative to a map's largest value.
    difference: f32,
}

impl Peers {
    pub fn run(&self) -> Result<()> {
        let adapter = adapter::find(&self.device)?;
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
            engines: self.measure(&engines)?,
        };
        print(&report);
        if let Some(file) = file {
            file.write(&report)?;
        }
        let worst = report
            .engines
            .iter()
            .find(|engine| engine.difference > TOLERANCE);
        match worst {
            None => Ok(()),
            Some(engine) => bail!(
                "{}: its maps differ from the CPU's by {:.1e} of a map's largest value: expected at most {TOLERANCE:.0e}",
                engine.name,
                engine.difference
            ),
        }
    }

    /// The last engine is the one that others must agree with, the first the one that their times
    /// are compared with.
    fn measure(&self, engines: &[Engine]) -> Result<Vec<Measured>> {
        let style = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}")?;
        let progress = ProgressBar::new_spinner().with_style(style);
        progress.enable_steady_tick(std::time::Duration::from_millis(200));
        let mut warm_ups = Vec::new();
        let mut maps = Vec::new();
        for engine in engines {
            progress.set_message(format!("{} warms up", engine.name));
            warm_ups.push(warm_up(&engine.compute)?);
            maps.push((engine.maps)()?);
        }
        let mut times = vec![Vec::new(); engines.len()];
        for run in 0..self.runs as usize {
            // In turns, and none always after the same other.
            for turn in 0..engines.len() {
                let index = (run + turn) % engines.len();
                let name = engines[index].name;
                progress.set_message(format!("run {} of {}: {name}", run + 1, self.runs));
                times[index].push(seconds(&engines[index].compute)?);
            }
        }
        progress.finish_and_clear();

        let times: Vec<Times> = times.into_iter().map(Times::of).collect();
        let reference = maps.last().context("there are engines")?;
        let rows = engines.iter().zip(warm_ups).zip(&times).zip(&maps);
        let rows = rows.map(|(((engine, warm_up), own), maps)| {
            Ok(Measured {
                name: engine.name,
                warm_up,
                times: *own,
                ratio: own.median / times[0].median,
                difference: difference(maps, reference)?,
            })
        });
        rows.collect()
    }
}

/// A plan that makes the heads' maps and nothing else.
fn ours(detector: Detector, picture: RgbaImage) -> Engine {
    let detector = std::rc::Rc::new(detector);
    let same = detector.clone();
    let compute = move |detector: &Detector, reads_maps: bool| -> Result<Vec<HostMap>> {
        let engine = detector.gpu_engine().context("it runs on a GPU")?;
        let computed = engine.start(&picture, reads_maps)?.wait()?;
        let mut maps = computed.maps;
        maps.retain(|map| map.info.kind == MapKind::Heads);
        Ok(maps)
    };
    let read = compute.clone();
    Engine {
        name: "plan",
        compute: Box::new(move || compute(&detector, false).map(drop)),
        maps: Box::new(move || read(&same, true)),
    }
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
    let forward = move |device: &Device, model: &Model| {
        let request = Request::maps([MapKind::Heads]);
        let outputs = model.forward(input.clone(), frame.tensor(device), &request);
        outputs.maps
    };
    let (model, forward) = (std::rc::Rc::new(model), std::rc::Rc::new(forward));
    let (same, again) = (model.clone(), forward.clone());
    let (device, other) = (device.clone(), device.clone());
    Ok(Engine {
        name,
        compute: Box::new(move || {
            // Alive until all is computed, so that nothing can be left out.
            let maps = forward(&device, &model);
            device.sync()?;
            drop(maps);
            Ok(())
        }),
        maps: Box::new(move || {
            let maps = again(&other, &same).into_iter();
            maps.map(|(info, map)| {
                let [_, channels, height, width] = map.dims();
                let values = map.into_data().try_to_vec();
                Ok(HostMap {
                    info,
                    shape: [channels, height, width],
                    values: values.map_err(|error| anyhow!("a map cannot be read: {error:?}"))?,
                })
            })
            .collect()
        }),
    })
}

/// The largest difference, relative to a map's largest value.
fn difference(maps: &[HostMap], reference: &[HostMap]) -> Result<f32> {
    let shapes = |maps: &[HostMap]| maps.iter().map(|map| map.shape).collect::<Vec<_>>();
    if shapes(maps) != shapes(reference) {
        bail!(
            "the engines' maps have different shapes: {:?} and {:?}",
            shapes(maps),
            shapes(reference)
        );
    }
    let of_map = |(found, expected): (&HostMap, &HostMap)| {
        let (values, expected) = (&found.values, &expected.values);
        let largest = expected
            .iter()
            .fold(0.0_f32, |most, value| most.max(value.abs()));
        let differences = values.iter().zip(expected).map(|(a, b)| (a - b).abs());
        // NaN is further away than anything.
        let most = differences.fold(0.0_f32, |most, value| match value.is_nan() {
            true => f32::INFINITY,
            false => most.max(value),
        });
        most / largest
    };
    Ok(maps.iter().zip(reference).map(of_map).fold(0.0, f32::max))
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
            match engine.difference {
                0.0 => "exact".to_owned(),
                difference => format!("{difference:.1e}"),
            },
            milliseconds(engine.warm_up[0]),
        ]);
    }
    println!("{table}");
}
