//! `fpn summary`.

use anyhow::Result;
use clap::{Args, ValueEnum};
use fpn_wgpu::Summary;
use fpn_wgpu::models::{Architecture, Classes};

use super::Usage;
use super::form::FormArgs;
use super::model::architecture_parser;
use super::output::say;
use super::report::{align_right, new_table};

/// List a model's layers with shapes and parameters
#[derive(Args)]
#[command(after_help = "\
Examples:
  fpn summary --model fasterrcnn_resnet50_fpn --size 640x480
  fpn summary --model retinaface_mobilenet025 --size 320
  fpn summary --model fpn_resnet50 --size 224 --table modules")]
pub struct Summarize {
    /// The model [see `fpn models`]
    #[arg(long, value_name = "NAME", value_parser = architecture_parser(), hide_possible_values = true)]
    model: Architecture,

    #[command(flatten)]
    form: FormArgs,

    /// Size of the picture, WIDTHxHEIGHT or one number for both
    #[arg(long, value_name = "SIZE", default_value = "640x480", value_parser = size)]
    size: [usize; 2],

    /// What is listed: each operation, or PyTorch's modules as torchsummary does
    #[arg(long, value_name = "KIND", value_enum, default_value_t = Listing::Layers)]
    table: Listing,

    /// Classes, background included
    #[arg(long, value_name = "N")]
    classes: Option<usize>,
}

/// What a line is.
#[derive(Clone, Copy, ValueEnum)]
enum Listing {
    /// An operation, with its module's path
    Layers,
    /// A call of a module
    Modules,
}

/// Largest side that is taken: shapes beyond have no meaning for a network.
const LARGEST: usize = 16_384;

/// Height and width.
pub fn size(text: &str) -> Result<[usize; 2], String> {
    let (width, height) = text.split_once('x').unwrap_or((text, text));
    match (width.parse(), height.parse()) {
        (Ok(width @ 1..=LARGEST), Ok(height @ 1..=LARGEST)) => Ok([height, width]),
        _ => Err(format!(
            "expected WIDTHxHEIGHT or one number, each 1 to {LARGEST}"
        )),
    }
}

impl Summarize {
    pub fn run(&self) -> Result<()> {
        let mut config = self.form.config(self.model)?;
        if let Some(classes) = self.classes {
            let (counts, expected) = match self.model.specification().classes {
                Classes::Fixed(names) => (names.len()..=names.len(), names.len().to_string()),
                Classes::Counted { .. } => (2..=10_000, "2 to 10000".to_owned()),
            };
            if !counts.contains(&classes) {
                return Err(Usage(format!("--classes is {classes}: expected {expected}")).into());
            }
            config.classes = classes;
        }
        let frame = self.model.transform().frame(self.size);
        let summary = Summary::new(&config, frame.padded)?;

        match self.table {
            Listing::Layers => layers(&summary)?,
            Listing::Modules => return modules(&summary, frame.padded),
        }
        let [height, width] = frame.padded;
        say(format_args!(
            "Input: {width} × {height}, for a picture of {} × {}",
            self.size[1], self.size[0]
        ))?;
        say(format_args!(
            "Parameters: {} (of them batch norms' scales and shifts: {})",
            number(summary.parameters),
            number(summary.batch_norm_parameters)
        ))?;
        say(format_args!(
            "Batch norms' running statistics: {}",
            number(summary.statistics)
        ))?;
        say(format_args!(
            "Operations: {:.2} GFLOP",
            summary.flop() as f64 / 1e9
        ))
    }
}

/// A line an operation.
fn layers(summary: &Summary) -> Result<()> {
    let mut table = new_table(["layer", "operation", "output shape", "parameters", "MFLOP"]);
    for layer in &summary.layers {
        table.add_row([
            layer.path.clone(),
            layer.operation.clone(),
            format!("{:?}", layer.output),
            number(layer.parameters),
            match layer.flop {
                0 => String::new(),
                flop => format!("{:.1}", flop as f64 / 1e6),
            },
        ]);
    }
    align_right(&mut table, 3..5);
    say(format_args!("{table}"))
}

/// A line a module's call, numbered, and the totals of torchsummary: all parameters can be trained, and maps
/// count twice, for their gradients.
fn modules(summary: &Summary, [height, width]: [usize; 2]) -> Result<()> {
    let calls = summary.modules();
    let mut table = new_table(["Layer (type)", "Output Shape", "Param #"]);
    for (index, call) in calls.iter().enumerate() {
        let extents = call.output[1..].iter();
        let extents: String = extents.map(|extent| format!(", {extent}")).collect();
        table.add_row([
            format!("{}-{}", call.class, index + 1),
            format!("[-1{extents}]"),
            indicatif::HumanCount(call.parameters as u64).to_string(),
        ]);
    }
    align_right(&mut table, 2..3);
    let outputs = calls.iter();
    let outputs = outputs.map(|call| call.output.iter().product::<usize>());
    let megabytes = |values: usize| (4 * values) as f64 / f64::from(1 << 20);
    let input = megabytes(3 * height * width);
    let passes = megabytes(2 * outputs.sum::<usize>());
    let parameters = megabytes(summary.parameters);
    let count = indicatif::HumanCount(summary.parameters as u64);
    say(format_args!("{table}"))?;
    say(format_args!("Total params: {count}"))?;
    say(format_args!("Trainable params: {count}"))?;
    say(format_args!("Non-trainable params: 0"))?;
    say(format_args!("Input size (MB): {input:.2}"))?;
    say(format_args!("Forward/backward pass size (MB): {passes:.2}"))?;
    say(format_args!("Params size (MB): {parameters:.2}"))?;
    say(format_args!(
        "Estimated Total Size (MB): {:.2}",
        input + passes + parameters
    ))
}

/// With a comma every three digits; empty for 0.
fn number(value: usize) -> String {
    match value {
        0 => String::new(),
        _ => indicatif::HumanCount(value as u64).to_string(),
    }
}
