//! `fpn-bench attention`: attention within windows beside matrix products of as many operations.

use std::sync::Arc;

use anyhow::{Context, Result};
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use clap::Args;
use fpn_wgpu::compile::{CaptureError, Tracer};
use fpn_wgpu::gpu::Gpu;
use fpn_wgpu::models::hat::HatConfig;
use fpn_wgpu::{Checkpoint, Network};

use crate::adapter::{Described, DeviceArg};
use crate::networks::hat;
use crate::table::{self, milliseconds};

/// Time attention within windows, of two of HAT's groups, beside matrix products
#[derive(Args)]
#[command(after_help = "\
Examples:
  fpn-bench attention --device llvmpipe

Two groups over a map of 256 channels and 80 × 80 cells, windows of 8, and products of matrices in the same
run; by the device's clock, each step in a pass of its own.")]
pub struct Attention {
    #[command(flatten)]
    device: DeviceArg,

    /// Timed runs of each
    #[arg(long, value_name = "COUNT", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
}

/// Operations by their definition, and seconds.
#[derive(Clone, Copy)]
struct Timed {
    flop: u64,
    seconds: f64,
}

impl Timed {
    fn rate(self) -> f64 {
        self.flop as f64 / self.seconds / 1e9
    }
}

impl Attention {
    pub fn run(&self) -> Result<()> {
        let adapter = self.device.find()?;
        let gpu = pollster::block_on(Gpu::open(&adapter))?;
        let groups = hat::case([1, 256, 80, 80], HatConfig::new(256, 8, 8));
        let network = groups.network(gpu.clone(), Checkpoint::of(&groups.module()));
        let map = &groups.inputs[0].1[..];
        let all = self.time(&network, &[("map", map)], |_| true)?;
        let is_attention = |kernel: &str| kernel.starts_with("window_attention");
        let attention = self.time(&network, &[("map", map)], is_attention)?;
        let computed = of(
            &gpu,
            |_| Vec::<Linear>::new(),
            |_, io| {
                let (x, y): (Tensor<3>, Tensor<3>) = (io.input("x")?, io.input("y")?);
                io.output("product", x.matmul(y))
            },
        )?;
        let shapes: [(&str, &[usize]); 2] = [("x", &[1, 4096, 256]), ("y", &[1, 256, 256])];
        let computed = self.time(&computed, &shapes, |_| true)?;
        let layer = of(
            &gpu,
            |device| LinearConfig::new(256, 256).init(device),
            |linear, io| {
                let x: Tensor<2> = io.input("x")?;
                io.output("product", linear.forward(x))
            },
        )?;
        let layer = self.time(&layer, &[("x", &[6400, 256])], |_| true)?;

        println!("{}", Described::of(&adapter.get_info()));
        let mut table = table::new(["", "GFLOP", "time", "GFLOP/s", "÷ attention's time"], 1);
        for (what, timed) in [
            ("both groups", all),
            ("their attention", attention),
            ("computed matrices, 4096 × 256 × 256", computed),
            ("a layer's weights, 6400 × 256 × 256", layer),
        ] {
            table.add_row([
                what.to_owned(),
                format!("{:.2}", timed.flop as f64 / 1e9),
                milliseconds(timed.seconds),
                format!("{:.1}", timed.rate()),
                // Of as many operations.
                format!("{:.2}", attention.rate() / timed.rate()),
            ]);
        }
        println!("{table}");
        Ok(())
    }

    /// The steps of some kernels.
    fn time(
        &self,
        network: &Network,
        shapes: &[(&str, &[usize])],
        counts: impl Fn(&str) -> bool,
    ) -> Result<Timed> {
        let profile = network.profile(shapes, self.runs as usize)?;
        let seconds = profile.step_seconds.context("the device has no clock")?;
        let steps = profile.plan.steps.iter().zip(seconds);
        let steps = steps.filter(|(step, _)| counts(&step.shader.to_string()));
        let (mut flop, mut all) = (0, 0.0);
        for (step, seconds) in steps {
            flop += step.flop;
            all += seconds;
        }
        Ok(Timed { flop, seconds: all })
    }
}

fn of<M: Module + 'static>(
    gpu: &Arc<Gpu>,
    init: fn(&Device) -> M,
    forward: fn(&M, &mut Tracer) -> Result<(), CaptureError>,
) -> Result<Network> {
    let parameters = Checkpoint::of(&init(&Device::flex()));
    Ok(Network::new(gpu.clone(), init, forward, parameters)?)
}
