//! `fpn models`.

use std::collections::BTreeSet;

use anyhow::Result;
use clap::Args;
use fpn_wgpu::Summary;
use fpn_wgpu::models::{Architecture, ModelConfig};

use super::fetch;
use super::output::say;
use super::report::{align_right, new_table};

/// List the models
#[derive(Args)]
pub struct Models {
    /// List weights instead that others published, by the names that --weights takes
    #[arg(long)]
    weights: bool,
}

impl Models {
    pub fn run(&self) -> Result<()> {
        if self.weights {
            return fetch::list();
        }
        let mut table = new_table(["model", "parameters", "GFLOP", "input", "what", "weights"]);
        for architecture in Architecture::all() {
            let config = ModelConfig::of(architecture);
            let input = typical_input(architecture);
            let summary = Summary::new(&config, input)?;
            table.add_row([
                architecture.name().to_owned(),
                format!("{:.2} M", summary.parameters as f64 / 1e6),
                format!("{:.1}", summary.flop() as f64 / 1e9),
                format!("{} × {}", input[1], input[0]),
                architecture.specification().description.to_owned(),
                architecture.specification().accepts.to_owned(),
            ]);
        }
        align_right(&mut table, 1..4);
        say(format_args!("{table}"))?;
        say(format_args!(
            "GFLOP: two operations for a multiplication with addition; as many proposals as the model takes, {}.",
            proposals().join(" or ")
        ))?;
        Ok(())
    }
}

/// Height and width of the input for a picture of 4 by 3.
fn typical_input(architecture: Architecture) -> [usize; 2] {
    architecture.transform().frame([480, 640]).padded
}

/// The numbers of proposals that two-stage models take, most first.
fn proposals() -> Vec<String> {
    let models = Architecture::all().filter(|model| model.is_two_stage());
    let counts = models.filter_map(|model| Some(model.selection()?.proposals));
    let counts: BTreeSet<usize> = counts.collect();
    counts.iter().rev().map(usize::to_string).collect()
}
