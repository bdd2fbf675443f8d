//! Small modules, captured and compiled.

use std::collections::BTreeMap;
use std::convert::Infallible;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use fpn_wgpu::compile::{
    CapturedModel, CompileError, Graph, Source, Target, lower, optimize, record_over, schedule,
};
use fpn_wgpu::kernels::FrameUniform;
use fpn_wgpu::models::{Checked, Outputs, Request, Stage, parameters};
use fpn_wgpu::plan::{MapInfo, MapKind, Plan, Step};
use fpn_wgpu::verify::Interpreter;
use fpn_wgpu::weights::StoredTensor;

/// A number of a seeded sequence, in [-1, 1).
pub fn number(name: &str, index: usize) -> f32 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in name.bytes().chain(index.to_le_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    (hash >> 40) as f32 / (1 << 23) as f32 - 1.0
}

/// Values of the parameter at a path; those of a variance are above 0.
fn parameter(path: &str, shape: &[usize]) -> Vec<f32> {
    let values = (0..shape.iter().product()).map(|index| number(path, index));
    match path.ends_with("running_var") {
        true => values.map(|value| 1.0 + 0.5 * value).collect(),
        false => values.collect(),
    }
}

/// Maps that a module makes, numbered: those of one item are given back, those of several looked into.
pub fn giving(request: &Request, image: &Tensor<4>, maps: Vec<Tensor<4>>) -> Outputs {
    let mut outputs = Outputs::new(request, image);
    let (one, several): (Vec<_>, Vec<_>) = maps.into_iter().partition(|map| map.dims()[0] == 1);
    for (level, map) in one.into_iter().enumerate() {
        let info = MapInfo {
            name: format!("map {level}"),
            kind: MapKind::Pyramid,
            level,
            stride: 1,
        };
        outputs.maps.push((info, map));
    }
    outputs.checked = several.into_iter().map(Checked::Map).collect();
    outputs
}

/// A module's forward pass over a picture `[1, 3, H, W]`.
pub fn captured<M: Module>(
    [height, width]: [usize; 2],
    init: impl FnOnce(&Device) -> M,
    forward: impl FnOnce(&M, Tensor<4>) -> Vec<Tensor<4>>,
) -> CapturedModel {
    captured_over([1, 3, height, width], init, forward)
}

/// A module's forward pass over maps.
fn captured_over<M: Module>(
    shape: [usize; 4],
    init: impl FnOnce(&Device) -> M,
    forward: impl FnOnce(&M, Tensor<4>) -> Vec<Tensor<4>>,
) -> CapturedModel {
    let request = Request::maps([]);
    record_over(shape, init, |module, image, _| {
        giving(&request, &image, forward(module, image.clone()))
    })
    .expect("the module can be captured")
}

/// The plan of a captured module, its input given.
///
/// # Errors
/// If it cannot be compiled.
pub fn compiled(captured: &CapturedModel) -> Result<Plan, CompileError> {
    planned(&optimize(lower(captured)?)?, &Target::webgpu())
}

fn planned(graph: &Graph, target: &Target) -> Result<Plan, CompileError> {
    let stage = |_: &str| Stage::Backbone;
    Ok(schedule(graph, &stage, Source::Given, target)?)
}

/// Compile a module, and compare every map of its plan with what Burn computes.
pub fn check<M: Module>(
    [height, width]: [usize; 2],
    init: impl Fn(&Device) -> M,
    forward: impl Fn(&M, Tensor<4>) -> Vec<Tensor<4>>,
) -> Plan {
    check_over([1, 3, height, width], &Target::webgpu(), init, forward)
}

/// The same of a module over maps of some shape, for a target.
pub fn check_over<M: Module>(
    shape: [usize; 4],
    target: &Target,
    init: impl Fn(&Device) -> M,
    forward: impl Fn(&M, Tensor<4>) -> Vec<Tensor<4>>,
) -> Plan {
    let captured = captured_over(shape, &init, &forward);
    let graph = lower(&captured).unwrap_or_else(|error| panic!("{error}"));
    let graph = optimize(graph).unwrap_or_else(|error| panic!("{error}"));
    let plan = planned(&graph, target).unwrap_or_else(|error| panic!("{error}"));

    let device = Device::flex();
    let module = parameters::fill(init(&device), |path, shape| {
        Ok::<_, Infallible>(parameter(path, shape))
    });
    let Ok(module) = module;
    let mut shapes = BTreeMap::new();
    parameters::for_each(&module, |parameter| {
        shapes.insert(parameter.path, parameter.shape);
    });
    let read = |path: &str| {
        let shape: Vec<usize> = shapes[path].clone();
        let values = parameter(path, &shape);
        StoredTensor::of(shape, values)
    };
    let image = parameter("image", &shape);
    let input = Tensor::<1>::from_floats(image.as_slice(), &device);
    let (one, several): (Vec<_>, Vec<_>) = forward(&module, input.reshape(shape))
        .into_iter()
        .partition(|map| map.dims()[0] == 1);

    let size = [shape[2], shape[3]];
    let frame = FrameUniform::new(size, size, [1.0, 1.0]);
    let interpreter = Interpreter::new(&plan, &read, frame, Vec::new());
    let mut interpreter = interpreter.expect("the parameters are made here");
    interpreter.fill(&plan.inputs[0], &image);
    // What is looked into is there until others are made.
    let mut made = BTreeMap::new();
    let Ok(()) = interpreter.run_all(|interpreter, step| {
        if let Some(value) = step.value.filter(|value| graph.checked.contains(value)) {
            made.insert(value, written(interpreter, step, graph.shape(value)));
        }
        Ok::<(), Infallible>(())
    });
    assert_eq!(
        [plan.maps().count(), graph.checked.len()],
        [one.len(), several.len()]
    );
    for ((info, slot), expected) in plan.maps().zip(one) {
        compare(&info.name, &interpreter.map(slot), expected);
    }
    for (value, expected) in graph.checked.iter().zip(several) {
        compare("several maps", &made[value], expected);
    }
    plan
}

/// Values `[N, C, H, W]` of the map that a step writes.
fn written(interpreter: &Interpreter<'_>, step: &Step, shape: &[usize]) -> Vec<f32> {
    let &[items, channels, height, width] = shape else {
        panic!("{shape:?} is no map")
    };
    let mut roles = step.shader.kernel.roles.iter().zip(&step.bindings);
    let (_, binding) = roles
        .find(|(role, _)| role.is_written())
        .expect("it writes");
    let words = interpreter.buffer(*binding);
    let (cells, pitch) = (height * width, channels.next_multiple_of(4));
    let value = |index: usize| {
        let (item, rest) = (index / (channels * cells), index % (channels * cells));
        let (channel, cell) = (rest / cells, rest % cells);
        f32::from_bits(words[(item * cells + cell) * pitch + channel])
    };
    (0..items * channels * cells).map(value).collect()
}

fn compare(name: &str, found: &[f32], expected: Tensor<4>) {
    let expected: Vec<f32> = expected.into_data().try_to_vec().expect("floats");
    assert_eq!(found.len(), expected.len(), "{name}");
    let largest = expected.iter().fold(1.0_f32, |most, x| most.max(x.abs()));
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() < 1e-5 * largest,
            "{name}: {found} instead of {expected}"
        );
    }
}
