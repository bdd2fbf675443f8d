//! `fpn plan`.

use anyhow::Result;
use clap::Args;
use fpn_wgpu::compile::{Target, compile};
use fpn_wgpu::models::{Architecture, ModelConfig};
use fpn_wgpu::plan::{Binding, Plan};

use super::model::architecture_parser;
use super::output::say;
use super::report::{align_right, new_table};
use super::summary::size;

/// Show the steps that a GPU takes for one picture
#[derive(Args)]
#[command(after_help = "\
Examples:
  fpn plan --model fasterrcnn_resnet50_fpn --size 640x480
  fpn plan --model retinaface_mobilenet025 --size 320 --json > plan.json

Activations are placed in buffers of WebGPU's default size, 256 MiB; an adapter that has larger ones
gets one where this needs several.")]
pub struct PlanCommand {
    /// The model [see `fpn models`]
    #[arg(long, value_name = "NAME", value_parser = architecture_parser(), hide_possible_values = true)]
    model: Architecture,

    /// Size of the picture, WIDTHxHEIGHT or one number for both
    #[arg(long, value_name = "SIZE", default_value = "640x480", value_parser = size)]
    size: [usize; 2],

    /// Print the plan as JSON
    #[arg(long)]
    json: bool,
}

impl PlanCommand {
    pub fn run(&self) -> Result<()> {
        let config = ModelConfig::of(self.model);
        let transform = self.model.transform();
        let padded = transform.frame(self.size).padded;
        let plan = compile(
            &config,
            &transform,
            self.model.selection().expect("all models are detectors"),
            padded,
            &Target::webgpu(),
        )?;
        match self.json {
            true => say(format_args!("{}", serde_json::to_string_pretty(&plan)?)),
            false => print(&plan),
        }
    }
}

fn print(plan: &Plan) -> Result<()> {
    let mut table = new_table([
        "step",
        "stage",
        "kernel",
        "output",
        "MFLOP",
        "reads and writes",
    ]);
    for step in &plan.steps {
        let bindings: Vec<String> = step.bindings.iter().map(describe).collect();
        table.add_row([
            step.name.clone(),
            step.stage.name().to_owned(),
            step.kernel.to_string(),
            format!("{:?}", step.output),
            match step.flop {
                0 => String::new(),
                flop => format!("{:.1}", flop as f64 / 1e6),
            },
            bindings.join(" "),
        ]);
    }
    align_right(&mut table, 4..5);
    say(format_args!("{table}"))?;
    let [height, width] = plan.padded;
    let mebibytes = |bytes: usize| bytes as f64 / f64::from(1 << 20);
    say(format_args!(
        "Input: {width} × {height}. Steps: {}, {:.2} GFLOP.",
        plan.steps.len(),
        plan.flop() as f64 / 1e9
    ))?;
    say(format_args!(
        "Activations: {:.1} MiB, {:.2} times the {:.1} MiB that are alive at once.",
        mebibytes(plan.peak()),
        plan.peak() as f64 / plan.lower_bound as f64,
        mebibytes(plan.lower_bound)
    ))
}

/// A binding: arena @ first byte + bytes, or what else it is.
fn describe(binding: &Binding) -> String {
    match binding {
        Binding::Frame => "sizes".to_owned(),
        Binding::Picture => "picture".to_owned(),
        Binding::Results => "results".to_owned(),
        Binding::Constant(index) => format!("constant {index}"),
        Binding::Arena(range) => format!("{}@{}+{}", range.arena, range.offset, range.size),
    }
}
