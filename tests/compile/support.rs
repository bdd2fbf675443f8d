//! Small modules, captured and compiled.

use std::collections::BTreeMap;
use std::convert::Infallible;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use fpn_wgpu::compile::{
    CaptureError, CapturedModel, CompileError, ConvSize, ConvTable, ConvTimes, Source, Target,
    Tracer, compile_captured, record, run_eagerly, trace,
};
use fpn_wgpu::kernels::FrameUniform;
use fpn_wgpu::kernels::conv::ConvForm;
use fpn_wgpu::models::{Outputs, Request, Stage, parameters};
use fpn_wgpu::plan::{MapInfo, MapKind, Plan};
use fpn_wgpu::verify::Interpreter;
use fpn_wgpu::{Checkpoint, HostTensor};

use crate::seeded::number;

/// Values of the parameter at a path; those of a variance are above 0.
fn parameter(path: &str, shape: &[usize]) -> Vec<f32> {
    let values = (0..shape.iter().product()).map(|index| number(path, index));
    match path.ends_with("running_var") {
        true => values.map(|value| 1.0 + 0.5 * value).collect(),
        false => values.collect(),
    }
}

/// A tensor of seeded values.
pub fn tensor(name: &str, shape: &[usize]) -> HostTensor {
    HostTensor {
        shape: shape.to_vec(),
        values: parameter(name, shape),
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
    compiled_for(captured, &Target::webgpu())
}

fn compiled_for(captured: &CapturedModel, target: &Target) -> Result<Plan, CompileError> {
    compile_captured(captured, &|_| Stage::Backbone, Source::Given, target)
}

/// A target that computes every convolution by Winograd's algorithm that it suits.
pub fn winograd() -> Target {
    let times = |seconds| BTreeMap::from([(ConvForm::Registers(4), seconds)]);
    let size = ConvSize {
        in_channels: 64,
        out_channels: 64,
        kernel: [3, 3],
        stride: [1, 1],
        out_size: [64, 64],
    };
    Target {
        table: ConvTable {
            adapter: String::new(),
            rows: vec![ConvTimes {
                size,
                forms: times(2.0),
                winograd: times(1.0),
            }],
        },
        ..Target::webgpu()
    }
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
    check_traced(&[("image", &shape)], target, init, |module, io| {
        let maps = forward(module, io.input("image")?);
        for (index, map) in maps.into_iter().enumerate() {
            io.output(&format!("map {index}"), map)?;
        }
        Ok(())
    })
}

/// Compile a module over inputs of some shapes, and compare every tensor of its plan with what Burn computes.
pub fn check_traced<M: Module>(
    shapes: &[(&str, &[usize])],
    target: &Target,
    init: impl Fn(&Device) -> M,
    forward: impl Fn(&M, &mut Tracer) -> Result<(), CaptureError>,
) -> Plan {
    let inputs: Vec<(&str, HostTensor)> = shapes
        .iter()
        .map(|(name, shape)| (*name, tensor(name, shape)))
        .collect();
    let named = shapes.iter();
    let named = named.map(|(name, shape)| ((*name).to_owned(), shape.to_vec()));
    let captured = trace(named, &init, &forward).unwrap_or_else(|error| panic!("{error}"));
    let plan = compiled_for(&captured, target).unwrap_or_else(|error| panic!("{error}"));

    let device = Device::flex();
    let module = parameters::fill(init(&device), |path, shape| {
        Ok::<_, Infallible>(parameter(path, shape))
    });
    let Ok(module) = module;
    let given: Vec<(&str, &HostTensor)> = inputs
        .iter()
        .map(|(name, tensor)| (*name, tensor))
        .collect();
    let expected = run_eagerly(&given, &module, &forward, &device);
    let expected = expected.unwrap_or_else(|error| panic!("{error}"));

    let checkpoint = Checkpoint::of(&module);
    let read = |path: &str| checkpoint.tensors[path].clone();
    let frame = FrameUniform::new([1, 1], [1, 1], [1.0, 1.0]);
    let interpreter = Interpreter::new(&plan, &read, frame, Vec::new());
    let mut interpreter = interpreter.expect("the parameters are made here");
    for (slot, input) in plan.inputs.iter().zip(&captured.inputs) {
        let given = inputs.iter().find(|(name, _)| *name == input.name);
        let (_, tensor) = given.expect("it is one of them");
        interpreter.fill(slot, &tensor.values);
    }
    interpreter.finish();
    assert_eq!(plan.tensors().count(), expected.len());
    for ((name, slot), (expected_name, expected)) in plan.tensors().zip(expected) {
        assert_eq!(
            (name, &slot.shape),
            (expected_name.as_str(), &expected.shape)
        );
        compare(name, &interpreter.tensor(slot), &expected.values);
    }
    plan
}

fn compare(name: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{name}");
    let finite = expected.iter().filter(|value| value.is_finite());
    let largest = finite.fold(1.0_f32, |most, x| most.max(x.abs()));
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let same = found == expected || (found.is_nan() && expected.is_nan());
        assert!(
            same || (found - expected).abs() < 1e-5 * largest,
            "{name}, value {index}: {found} instead of {expected}"
        );
    }
}
