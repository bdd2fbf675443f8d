//! Training on a GPU, by burn-wgpu, comes to what it comes to on the CPU.

use burn::tensor::Device;
use fpn_wgpu::gpu::adapters;
use fpn_wgpu::train::{BatchNorms, TrainOptions, Trainer, gpu_device};

use crate::resume::{config, options, train};

/// The largest difference of a loss.
const TOLERANCE: f32 = 1e-3;

/// The second step's losses tell whether the first one's gradients were right. Of more steps, rounding
/// may change the order of two proposals, and with it which of them is picked to learn from.
const STEPS: usize = 2;

#[test]
fn losses_are_those_on_the_cpu() {
    let adapter = pollster::block_on(adapters::best()).unwrap_or_else(|error| panic!("{error}"));
    let gpu = gpu_device(&adapter).unwrap_or_else(|error| panic!("{error}"));
    let [cpu, gpu] = [Device::flex(), gpu].map(|device| {
        let mut options = TrainOptions {
            short_sides: vec![64],
            ..options(BatchNorms::Live)
        };
        // So that the first step is a real one.
        options.schedule.warm_up = 0;
        let trainer = Trainer::new(config(), options, device);
        train(&mut trainer.expect("it can be trained"), STEPS)
    });
    for (cpu, gpu) in cpu.iter().zip(&gpu) {
        println!("{cpu:?}\n{gpu:?}");
        for ((name, cpu), (_, gpu)) in cpu.parts.named().into_iter().zip(gpu.parts.named()) {
            assert!((cpu - gpu).abs() < TOLERANCE, "{name}: {cpu} {gpu}");
        }
    }
}
