//! Small modules, captured and compiled.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use fpn_wgpu::compile::{
    CapturedModel, CompileError, Source, Target, lower, optimize, record, schedule,
};
use fpn_wgpu::kernels::FrameUniform;
use fpn_wgpu::models::{Outputs, Request, Stage, parameters};
use fpn_wgpu::plan::{MapInfo, MapKind, Plan};
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

/// Maps that a module gives back, numbered.
pub fn giving(request: &Request, image: &Tensor<4>, maps: Vec<Tensor<4>>) -> Outputs {
    let mut outputs = Outputs::new(request, image);
    for (level, map) in maps.into_iter().enumerate() {
        let info = MapInfo {
            name: format!("map {level}"),
            kind: MapKind::Pyramid,
            level,
            stride: 1,
        };
        outputs.maps.push((info, map));
    }
    outputs
}

/// A module's forward pass over a picture `[1, 3, H, W]`.
pub fn captured<M: Module>(
    size: [usize; 2],
    init: impl FnOnce(&Device) -> M,
    forward: impl FnOnce(&M, Tensor<4>) -> Vec<Tensor<4>>,
) -> CapturedModel {
    let request = Request::maps([]);
    record(size, init, |module, image, _| {
        giving(&request, &image, forward(module, image.clone()))
    })
    .expect("the module can be captured")
}

/// The plan of a captured module, its input given.
///
/// # Errors
/// If it cannot be compiled.
pub fn compiled(captured: &CapturedModel) -> Result<Plan, CompileError> {
    let graph = optimize(lower(captured)?)?;
    let stage = |_: &str| Stage::Backbone;
    Ok(schedule(&graph, &stage, Source::Given, &Target::webgpu())?)
}

/// Compile a module, and compare every map of its plan with what Burn computes.
pub fn check<M: Module>(
    size: [usize; 2],
    init: impl Fn(&Device) -> M,
    forward: impl Fn(&M, Tensor<4>) -> Vec<Tensor<4>>,
) -> Plan {
    let captured = captured(size, &init, &forward);
    let plan = compiled(&captured).unwrap_or_else(|error| panic!("{error}"));

    let device = Device::flex();
    let module = parameters::fill(init(&device), |path, shape| {
        Ok::<_, std::convert::Infallible>(parameter(path, shape))
    });
    let Ok(module) = module;
    let mut shapes = std::collections::BTreeMap::new();
    parameters::for_each(&module, |parameter| {
        shapes.insert(parameter.path, parameter.shape);
    });
    let read = |path: &str| {
        let shape: Vec<usize> = shapes[path].clone();
        let values = parameter(path, &shape);
        StoredTensor::of(shape, values)
    };
    let image = parameter("image", &[3, size[0], size[1]]);
    let input = Tensor::<1>::from_floats(image.as_slice(), &device);
    let expected = forward(&module, input.reshape([1, 3, size[0], size[1]]));

    let frame = FrameUniform::new(size, size, [1.0, 1.0]);
    let interpreter = Interpreter::new(&plan, &read, frame, Vec::new());
    let mut interpreter = interpreter.expect("the parameters are made here");
    interpreter.fill(&plan.inputs[0], &image);
    interpreter.finish();
    assert_eq!(plan.maps().count(), expected.len());
    for ((info, slot), expected) in plan.maps().zip(expected) {
        let expected: Vec<f32> = expected.into_data().try_to_vec().expect("floats");
        let found = interpreter.map(slot);
        assert_eq!(found.len(), expected.len(), "{}", info.name);
        let largest = expected.iter().fold(1.0_f32, |most, x| most.max(x.abs()));
        for (found, expected) in found.into_iter().zip(expected) {
            assert!(
                (found - expected).abs() < 1e-5 * largest,
                "{}: {found} instead of {expected}",
                info.name
            );
        }
    }
    plan
}
