//! `fpn models`.

use anyhow::Result;
use clap::Args;
use fpn_wgpu::Summary;
use fpn_wgpu::models::{Architecture, ModelConfig};

use super::output::say;
use super::report::{align_right, new_table};

/// List the models
#[derive(Args)]
pub struct Models {}

impl Models {
    pub fn run(&self) -> Result<()> {
        let mut table = new_table(["model", "parameters", "GFLOP", "input", "weights"]);
        for architecture in Architecture::ALL {
            let config = ModelConfig::of(architecture);
            let input = typical_input(architecture);
            let summary = Summary::new(&config, input)?;
            table.add_row([
                architecture.name().to_owned(),
                format!("{:.2} M", summary.parameters as f64 / 1e6),
                format!("{:.1}", summary.flop() as f64 / 1e9),
                format!("{} × {}", input[1], input[0]),
                accepted(architecture).to_owned(),
            ]);
        }
        align_right(&mut table, 1..4);
        say(format_args!("{table}"))?;
        say(format_args!(
            "GFLOP: two operations for a multiplication with addition; as many proposals as the model takes, 1000 or 200."
        ))?;
        Ok(())
    }
}

/// Height and width of the input for a picture of 4 by 3.
fn typical_input(architecture: Architecture) -> [usize; 2] {
    architecture.transform().frame([480, 640]).padded
}

fn accepted(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::FasterRcnnFpn(_) => {
            "torchvision (fasterrcnn_resnet50_fpn, resnet_fpn_backbone), any number of classes; .pth, .safetensors"
        }
        Architecture::PyramidTiny => "this crate's, of any number of classes; .safetensors",
        Architecture::RetinaFaceMobileNet025 => {
            "RetinaFace in PyTorch, MobileNet-0.25; .pth, .safetensors"
        }
    }
}
