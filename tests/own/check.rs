//! A network on this machine's adapter beside Burn's CPU engine.

use burn::module::Module;
use burn::tensor::Device;
use fpn_wgpu::compile::{Precision, run_eagerly};
use fpn_wgpu::{Checkpoint, HostTensor};

use crate::adapter;
use crate::networks::Case;

/// What a plan's memory may be more than the least that it needs.
const MOST_MEMORY: f64 = 1.25;

/// A network computes what Burn does, in every precision that the adapter has; a run is one submission and makes
/// nothing, and takes little more memory than it must.
pub fn check<M: Module + 'static>(case: &Case<M>) {
    let gpu = adapter::open();
    let module = case.module();
    let given = case.given();
    let given: Vec<(&str, &HostTensor)> = given.iter().map(|(name, x)| (*name, x)).collect();
    let expected = run_eagerly(&given, &module, case.forward, &Device::flex());
    let expected = expected.unwrap_or_else(|error| panic!("{}: {error}", case.name));
    for (precision, tolerance) in [
        (Precision::F32, 1e-4),
        (Precision::F16Storage, 1e-2),
        (Precision::F16, 2e-2),
    ] {
        let network = case.network(gpu.clone(), Checkpoint::of(&module));
        let network = match network.with_precision(precision) {
            Ok(network) => network,
            Err(error) if precision == Precision::F16 => {
                eprintln!("not run: {error}");
                continue;
            }
            Err(error) => panic!("{}: {error}", case.name),
        };
        let name = format!("{}, {}", case.name, precision.name());
        let run = || {
            let made = network.run(&given);
            made.unwrap_or_else(|error| panic!("{name}: {error}"))
        };
        compare(&name, &run(), &expected, tolerance);
        let (made, sent) = (gpu.counters().made(), gpu.counters().sent());
        compare(&name, &run(), &expected, tolerance);
        assert_eq!(gpu.counters().made(), made, "{name}");
        assert_eq!(gpu.counters().sent(), sent.map(|count| count + 1), "{name}");
        let shapes = given.iter().map(|(name, x)| (*name, x.shape.as_slice()));
        let plan = network.plan(&shapes.collect::<Vec<_>>()).expect("it ran");
        let memory = plan.peak() as f64 / plan.lower_bound as f64;
        println!(
            "{name}: {} steps, {memory:.2} of the memory",
            plan.steps.len()
        );
        assert!(memory <= MOST_MEMORY, "{name}: {memory} of the memory");
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
