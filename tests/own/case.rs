//! A network on this machine's adapter beside Burn's CPU engine.

use std::convert::Infallible;
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::Device;
use fpn_wgpu::compile::{CaptureError, Precision, Tracer, run_eagerly};
use fpn_wgpu::gpu::Gpu;
use fpn_wgpu::models::parameters;
use fpn_wgpu::{Checkpoint, HostTensor, Network};

use crate::adapter;
use crate::seeded::number;

/// What a plan's memory may be more than the least that it needs.
const MOST_MEMORY: f64 = 1.25;

/// A module with seeded parameters, and shapes of its inputs by name.
pub struct Case<M> {
    /// How it is called in what is printed.
    pub name: &'static str,
    /// Makes the module; what its parameters are then does not count.
    pub init: fn(&Device) -> M,
    /// Runs it.
    pub forward: fn(&M, &mut Tracer) -> Result<(), CaptureError>,
    /// Names and shapes of what it reads.
    pub inputs: &'static [(&'static str, &'static [usize])],
}

impl<M: Module + 'static> Case<M> {
    /// The module on Burn's CPU engine.
    pub fn module(&self) -> M {
        let filled = parameters::fill((self.init)(&Device::flex()), |path, shape| {
            Ok::<_, Infallible>(parameter(path, shape))
        });
        let Ok(module) = filled;
        module
    }

    /// The network with parameters of that module.
    pub fn network(&self, gpu: Arc<Gpu>, parameters: Checkpoint) -> Network {
        Network::new(gpu, self.init, self.forward, parameters).expect("the device is there")
    }

    /// Inputs of seeded values.
    pub fn given(&self) -> Vec<(&'static str, HostTensor)> {
        let inputs = self.inputs.iter();
        inputs
            .map(|(name, shape)| (*name, tensor(name, shape)))
            .collect()
    }

    /// It computes what Burn does, in every precision that the adapter has; a run is one submission and makes
    /// nothing, and takes little more memory than it must.
    pub fn check(&self) {
        let gpu = adapter::open();
        let module = self.module();
        let given = self.given();
        let given: Vec<(&str, &HostTensor)> = given.iter().map(|(name, x)| (*name, x)).collect();
        let expected = run_eagerly(&given, &module, self.forward, &Device::flex());
        let expected = expected.unwrap_or_else(|error| panic!("{}: {error}", self.name));
        for (precision, tolerance) in [
            (Precision::F32, 1e-4),
            (Precision::F16Storage, 1e-2),
            (Precision::F16, 2e-2),
        ] {
            let network = self.network(gpu.clone(), Checkpoint::of(&module));
            let network = match network.with_precision(precision) {
                Ok(network) => network,
                Err(error) if precision == Precision::F16 => {
                    eprintln!("not run: {error}");
                    continue;
                }
                Err(error) => panic!("{}: {error}", self.name),
            };
            let name = format!("{}, {}", self.name, precision.name());
            let run = || {
                let made = network.run(&given);
                made.unwrap_or_else(|error| panic!("{name}: {error}"))
            };
            compare(&name, &run(), &expected, tolerance);
            let (made, sent) = (gpu.counters().made(), gpu.counters().sent());
            compare(&name, &run(), &expected, tolerance);
            assert_eq!(gpu.counters().made(), made, "{name}");
            assert_eq!(gpu.counters().sent(), sent.map(|count| count + 1), "{name}");
            let plan = network.plan(self.inputs).expect("it ran");
            let memory = plan.peak() as f64 / plan.lower_bound as f64;
            println!(
                "{name}: {} steps, {memory:.2} of the memory",
                plan.steps.len()
            );
            assert!(memory <= MOST_MEMORY, "{name}: {memory} of the memory");
        }
    }
}

/// Values of the parameter at a path: of weights so that what they make is as large as what they read.
fn parameter(path: &str, shape: &[usize]) -> Vec<f32> {
    let fan_in: usize = shape[1..].iter().product();
    let (mean, spread) = match shape.len() {
        1 if path.ends_with("bias") || path.ends_with("running_mean") => (0.0, 0.1),
        1 if path.ends_with("running_var") => (1.0, 0.5),
        1 => (1.0, 0.2),
        _ => (0.0, (3.0 / fan_in as f32).sqrt()),
    };
    let values = (0..shape.iter().product()).map(|index| number(path, index));
    values.map(|value| mean + spread * value).collect()
}

/// A tensor of seeded values.
pub fn tensor(name: &str, shape: &[usize]) -> HostTensor {
    let values = (0..shape.iter().product()).map(|index| number(name, index));
    HostTensor {
        shape: shape.to_vec(),
        values: values.collect(),
    }
}

/// Asserts that no value is off by more than `tolerance` times the largest of its tensor.
pub fn compare(
    case: &str,
    found: &[(String, HostTensor)],
    expected: &[(String, HostTensor)],
    tolerance: f32,
) {
    assert_eq!(found.len(), expected.len(), "{case}");
    for ((name, found), (expected_name, expected)) in found.iter().zip(expected) {
        assert_eq!(
            (name, &found.shape),
            (expected_name, &expected.shape),
            "{case}"
        );
        let magnitudes = expected.values.iter().map(|value| value.abs());
        let largest = magnitudes.fold(0.0, f32::max);
        assert!(largest.is_finite() && largest > 0.0, "{case}, {name}");
        let pairs = found.values.iter().zip(&expected.values);
        let differences = pairs.map(|(found, expected)| (found - expected).abs() / largest);
        // NaN counts as the largest.
        let worst = differences.max_by(f32::total_cmp).unwrap_or(0.0);
        println!("{case}, {name}: {worst:.1e}");
        assert!(worst <= tolerance, "{case}, {name}: {worst:e}");
    }
}
