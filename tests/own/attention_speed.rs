//! How long attention within windows takes, beside matrix products of as many operations. Measured by hand:
//!
//! ```sh
//! cargo test --release --test own -- --ignored --nocapture attention_speed
//! ```

use std::sync::Arc;

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use fpn_wgpu::compile::{CaptureError, Tracer};
use fpn_wgpu::gpu::Gpu;
use fpn_wgpu::models::hat::{HatConfig, ResidualGroup};
use fpn_wgpu::{Checkpoint, Network};

use crate::adapter;

/// Runs, the median of which counts.
const RUNS: usize = 5;

/// A step of a plan: its kernel, operations and seconds.
type Step = (String, u64, f64);

fn steps<M: Module + 'static>(
    gpu: &Arc<Gpu>,
    init: fn(&Device) -> M,
    forward: fn(&M, &mut Tracer) -> Result<(), CaptureError>,
    inputs: &[(&str, &[usize])],
) -> Vec<Step> {
    let parameters = Checkpoint::of(&init(&Device::flex()));
    let network = Network::new(gpu.clone(), init, forward, parameters);
    let profile = network
        .and_then(|network| network.profile(inputs, RUNS))
        .unwrap_or_else(|error| panic!("{error}"));
    let seconds = profile.step_seconds.expect("the device has a clock");
    let steps = profile.plan.steps.into_iter().zip(seconds);
    steps
        .map(|(step, seconds)| (step.shader.to_string(), step.flop, seconds))
        .collect()
}

fn report<'a>(what: &str, steps: impl Iterator<Item = &'a Step>) -> f64 {
    let (flop, seconds) = steps.fold((0, 0.0), |(flop, all), (_, own, seconds)| {
        (flop + own, all + seconds)
    });
    let gflop = flop as f64 / 1e9;
    println!(
        "{what}: {gflop:.2} GFLOP in {:.1} ms, {:.1} GFLOP/s",
        1e3 * seconds,
        gflop / seconds
    );
    gflop / seconds
}

#[test]
#[ignore = "measures this machine"]
fn attention_speed() {
    let gpu = adapter::gpu();
    println!("{}", gpu.info().name);
    let map: &[usize] = &[1, 256, 80, 80];
    let groups = steps(
        &gpu,
        |device| {
            let config = HatConfig::new(256, 8, 8);
            let group = || ResidualGroup::new(&config, device).expect("windows of 8 fit");
            vec![group(), group()]
        },
        |groups, io| {
            let x = io.input::<4>("map")?;
            io.output("map", groups.iter().fold(x, |x, group| group.forward(x)))
        },
        &[("map", map)],
    );
    for (kernel, flop, seconds) in &groups[..groups.len() / 2] {
        println!(
            "  {kernel}: {:.2} GFLOP, {:.1} ms",
            *flop as f64 / 1e9,
            1e3 * seconds
        );
    }
    report("two groups at 80 × 80", groups.iter());
    let is_attention = |step: &&Step| step.0.starts_with("window_attention");
    let attention = report("their attention", groups.iter().filter(is_attention));
    let computed = steps(
        &gpu,
        |_| Vec::<Linear>::new(),
        |_, io| {
            let (x, y): (Tensor<3>, Tensor<3>) = (io.input("x")?, io.input("y")?);
            io.output("product", x.matmul(y))
        },
        &[("x", &[1, 4096, 256]), ("y", &[1, 256, 256])],
    );
    let computed = report("computed matrices, 4096 × 256 × 256", computed.iter());
    let weights = steps(
        &gpu,
        |device| LinearConfig::new(256, 256).init(device),
        |linear, io| {
            let x: Tensor<2> = io.input("x")?;
            io.output("product", linear.forward(x))
        },
        &[("x", &[6400, 256])],
    );
    let weights = report("a layer's weights, 6400 × 256 × 256", weights.iter());
    println!(
        "attention takes {:.2} and {:.2} times as long as as many operations of these products",
        computed / attention,
        weights / attention
    );
}
