//! `fpn-bench own`: modules that nobody tuned for by `Network`, by burn-wgpu and on the CPU.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use burn::module::Module;
use burn::tensor::Device;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use fpn_wgpu::compile::{Source, Target, compile_captured, run_eagerly, trace};
use fpn_wgpu::gpu::Gpu;
use fpn_wgpu::models::Stage;
use fpn_wgpu::models::hat::HatConfig;
use fpn_wgpu::train::gpu_device;
use fpn_wgpu::{Checkpoint, HostTensor};
use serde::Serialize;

use crate::adapter::{Described, DeviceArg};
use crate::engines::{self, Engine, Measured};
use crate::json::JsonFile;
use crate::networks::swin::Swin;
use crate::networks::{
    Case, convnext, hat, mixer, mobilenet, resnet18, shufflenet, swin, two_inputs, unet, vit,
};
use crate::table::{self, milliseconds};

/// Time modules that nobody tuned for by our plan, by burn-wgpu on the same adapter, and on the CPU
#[derive(Args)]
#[command(after_help = "\
Examples:
  fpn-bench own --device llvmpipe
  fpn-bench own --network ResNet-18 --network ViT --device llvmpipe

The networks are those of tests/own, at sizes as they are published: Burn modules with seeded weights.
All compute the same from the same inputs, in f32, and must agree. A time is from inputs in memory to
outputs in memory. burn-wgpu runs with fusion and autotuning; all are warmed up until a run is no longer
faster than the one before.")]
pub struct Own {
    /// A network; all unless given
    #[arg(long = "network", value_name = "NAME", value_parser = name_parser())]
    names: Vec<String>,

    #[command(flatten)]
    device: DeviceArg,

    /// Timed runs of each, in turns
    #[arg(long, value_name = "COUNT", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,

    /// Write the times as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn name_parser() -> impl TypedValueParser<Value = String> {
    PossibleValuesParser::new(networks().iter().map(|network| network.name))
}

/// Where the engines compute.
struct Devices {
    gpu: Arc<Gpu>,
    burn: Device,
}

/// A network, and how it is prepared: its engines, and its operations by their definition.
struct Timed {
    name: &'static str,
    inputs: Vec<(&'static str, Vec<usize>)>,
    prepare: Box<dyn FnOnce(&Devices) -> Result<(Vec<Engine>, u64)>>,
}

/// What `--json` writes.
#[derive(Serialize)]
struct Report {
    adapter: Described,
    runs: u32,
    networks: Vec<Row>,
}

/// One network, measured.
#[derive(Serialize)]
struct Row {
    network: &'static str,
    /// Names and shapes.
    inputs: Vec<(&'static str, Vec<usize>)>,
    flop: u64,
    engines: Vec<Measured>,
}

/// All of them.
fn networks() -> Vec<Timed> {
    let image = [1, 3, 224, 224];
    vec![
        timed(resnet18::case(image)),
        timed(mobilenet::case(image)),
        timed(shufflenet::case(image)),
        timed(unet::case(image)),
        timed(convnext::case(image, 96)),
        timed(swin::case(Swin {
            size: [56, 56],
            features: 96,
            heads: 3,
            window: 7,
        })),
        timed(vit::case(image, 192, 3)),
        timed(hat::case([1, 256, 40, 40], HatConfig::new(256, 8, 8))),
        timed(mixer::case([1, 196, 512])),
        timed(two_inputs::case(image)),
    ]
}

fn timed<M: Module + 'static>(case: Case<M>) -> Timed {
    Timed {
        name: case.name,
        inputs: case.inputs.clone(),
        prepare: Box::new(move |devices| {
            let module = case.module();
            let network = case.network(devices.gpu.clone(), Checkpoint::of(&module));
            let flop = flop(&case)?;
            let given = case.given();
            let on_burn = module.clone().to_device(&devices.burn);
            let ours = Engine::new("plan", move |_| Ok(values(network.run(&by_name(&given))?)));
            let engines = vec![
                ours,
                eager("burn-wgpu", &case, on_burn, devices.burn.clone()),
                eager("CPU (Flex)", &case, module, Device::flex()),
            ];
            Ok((engines, flop))
        }),
    }
}

/// Floating-point operations by their definition; what an engine really takes may be fewer, as by
/// Winograd's algorithm.
fn flop<M: Module>(case: &Case<M>) -> Result<u64> {
    let inputs = case.inputs.iter();
    let shapes = inputs.map(|(name, shape)| ((*name).to_owned(), shape.clone()));
    let captured = trace(shapes, |device| (case.init)(device), case.forward)?;
    let stage = |_: &str| Stage::Backbone;
    let plan = compile_captured(&captured, &stage, Source::Given, &Target::webgpu())?;
    Ok(plan.flop())
}

/// The Burn module itself, on a device of Burn's.
fn eager<M: Module + 'static>(
    name: &'static str,
    case: &Case<M>,
    module: M,
    device: Device,
) -> Engine {
    let (given, forward) = (case.given(), case.forward);
    Engine::new(name, move |_| {
        let made = run_eagerly(&by_name(&given), &module, forward, &device)?;
        Ok(values(made))
    })
}

fn by_name<'a>(given: &'a [(&'static str, HostTensor)]) -> Vec<(&'static str, &'a HostTensor)> {
    given.iter().map(|(name, tensor)| (*name, tensor)).collect()
}

fn values(made: Vec<(String, HostTensor)>) -> Vec<HostTensor> {
    made.into_iter().map(|(_, tensor)| tensor).collect()
}

impl Own {
    pub fn run(&self) -> Result<()> {
        let adapter = self.device.find()?;
        let file = self.json.as_deref().map(JsonFile::create).transpose()?;
        let devices = Devices {
            gpu: pollster::block_on(Gpu::open(&adapter))?,
            burn: gpu_device(&adapter)?,
        };
        let asked = |network: &Timed| {
            self.names.is_empty() || self.names.iter().any(|name| name == network.name)
        };
        let rows = networks().into_iter().filter(asked).map(|network| {
            let (engines, flop) = (network.prepare)(&devices)?;
            Ok(Row {
                network: network.name,
                inputs: network.inputs,
                flop,
                engines: engines::measure(network.name, &engines, self.runs)?,
            })
        });
        let report = Report {
            adapter: Described::of(&adapter.get_info()),
            runs: self.runs,
            networks: rows.collect::<Result<_>>()?,
        };
        print(&report);
        if let Some(file) = file {
            file.write(&report)?;
        }
        let mut rows = report.networks.iter();
        rows.try_for_each(|row| engines::agree(&row.engines))
    }
}

fn print(report: &Report) {
    println!(
        "{}\nfrom inputs in memory to outputs in memory, medians of {} runs",
        report.adapter, report.runs
    );
    let header = [
        "network",
        "GFLOP",
        "engine",
        "median",
        "min",
        "max",
        "÷ plan",
        "difference",
        "first run",
    ];
    let mut table = table::new(header, 1);
    for row in &report.networks {
        for (index, engine) in row.engines.iter().enumerate() {
            let of_network = |text: String| if index == 0 { text } else { String::new() };
            table.add_row([
                of_network(row.network.to_owned()),
                of_network(format!("{:.2}", row.flop as f64 / 1e9)),
                engine.name.to_owned(),
                milliseconds(engine.times.median),
                milliseconds(engine.times.min),
                milliseconds(engine.times.max),
                format!("{:.2}", engine.ratio),
                engines::shown(engine.difference),
                milliseconds(engine.warm_up[0]),
            ]);
        }
    }
    println!("{table}");
}
