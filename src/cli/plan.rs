//! `fpn plan`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use fpn_wgpu::compile::{Target, compile};
use fpn_wgpu::models::{Architecture, Request};
use fpn_wgpu::plan::Plan;
use serde::Deserialize;
use serde_json::Value;

use super::form::FormArgs;
use super::model::architecture_parser;
use super::output::say;
use super::report::{align_right, new_table};
use super::summary::size;

/// Show the steps that a GPU takes for one picture, or those of a plan in a file
#[derive(Args)]
#[command(after_help = "\
Examples:
  fpn plan --model fasterrcnn_resnet50_fpn --size 640x480
  fpn plan --model retinaface_mobilenet025 --size 320 --json > plan.json
  fpn plan plan.json

A program writes the plan of a module of its own by serde_json::to_string(&network.plan(…)?).
Activations are placed in buffers of WebGPU's default size, 256 MiB; an adapter that has larger ones
gets one where this needs several.")]
pub struct PlanCommand {
    /// A plan as JSON, of a module of one's own too
    #[arg(value_name = "FILE", required_unless_present = "model", conflicts_with_all = ["model", "size", "json"])]
    file: Option<PathBuf>,

    /// The model [see `fpn models`]
    #[arg(long, value_name = "NAME", value_parser = architecture_parser(), hide_possible_values = true)]
    model: Option<Architecture>,

    #[command(flatten)]
    form: FormArgs,

    /// Size of the picture, WIDTHxHEIGHT or one number for both
    #[arg(long, value_name = "SIZE", default_value = "640x480", value_parser = size)]
    size: [usize; 2],

    /// Print the plan as JSON
    #[arg(long)]
    json: bool,
}

impl PlanCommand {
    pub fn run(&self) -> Result<()> {
        if let Some(file) = &self.file {
            let text = std::fs::read_to_string(file);
            let text = text.with_context(|| format!("{} cannot be read", file.display()))?;
            let shown: Shown = serde_json::from_str(&text).with_context(|| {
                format!(
                    "{} is no plan as `fpn plan --json` writes it",
                    file.display()
                )
            })?;
            return print(&shown);
        }
        let model = self.model.expect("there is a file or a model");
        let plan = self.plan(model)?;
        match self.json {
            true => say(format_args!("{}", serde_json::to_string_pretty(&plan)?)),
            false => print(&serde_json::from_value(serde_json::to_value(&plan)?)?),
        }
    }

    fn plan(&self, model: Architecture) -> Result<Plan> {
        let config = self.form.config(model)?;
        let transform = config.transform();
        let padded = transform.frame(self.size).padded;
        let request = Request::of(model);
        Ok(compile(
            &config,
            &transform,
            &request,
            padded,
            &Target::webgpu(),
        )?)
    }
}

/// What is shown of a plan, from its JSON.
#[derive(Deserialize)]
struct Shown {
    padded: [usize; 2],
    steps: Vec<ShownStep>,
    arenas: Vec<usize>,
    lower_bound: usize,
}

#[derive(Deserialize)]
struct ShownStep {
    name: String,
    stage: String,
    shader: String,
    output: Vec<usize>,
    flop: u64,
    bindings: Vec<Value>,
}

fn print(plan: &Shown) -> Result<()> {
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
            step.stage.replace('_', " "),
            step.shader.clone(),
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
    let flop: u64 = plan.steps.iter().map(|step| step.flop).sum();
    let peak: usize = plan.arenas.iter().sum();
    say(format_args!(
        "Input: {width} × {height}. Steps: {}, {:.2} GFLOP.",
        plan.steps.len(),
        flop as f64 / 1e9
    ))?;
    say(format_args!(
        "Activations: {:.1} MiB, {:.2} times the {:.1} MiB that are alive at once.",
        mebibytes(peak),
        peak as f64 / plan.lower_bound.max(1) as f64,
        mebibytes(plan.lower_bound)
    ))
}

/// A binding: arena @ first byte + bytes, or what else it is.
fn describe(binding: &Value) -> String {
    let range = |key: &str| &binding["Arena"][key];
    match binding {
        Value::String(name) => match name.as_str() {
            "Frame" => "sizes".to_owned(),
            other => other.to_lowercase(),
        },
        _ if binding["Constant"].is_u64() => format!("constant {}", binding["Constant"]),
        _ => format!("{}@{}+{}", range("arena"), range("offset"), range("size")),
    }
}
