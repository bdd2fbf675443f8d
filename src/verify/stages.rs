//! A model's plan, step by step, against its module: so that the first wrong step names itself.

use std::collections::BTreeMap;

use burn::tensor::Device;
use image::RgbaImage;
use serde::Serialize;

use super::interpret::Interpreter;
use super::replay::replay;
use crate::compile::{Source, Target, capture, lower_traced, optimize, schedule};
use crate::error::BuildError;
use crate::kernels::FrameUniform;
use crate::models::{ModelConfig, Request};
use crate::plan::{Binding, Step, Value, ValueId, ValueKind};
use crate::stage::Stage;
use crate::weights::{self, Checkpoint};

/// What a step's values may differ by from the module's, relative to the largest of them: what the sums
/// of a hundred layers round off.
pub const TOLERANCE: f32 = 1e-4;

/// A step that makes a value of the module's, and how far it is off.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepCheck {
    /// What it computes, in the module's terms.
    pub name: String,
    /// The part of the model it belongs to.
    pub stage: Stage,
    /// Its kernel.
    pub kernel: String,
    /// Shape of the value.
    pub shape: Vec<usize>,
    /// The largest difference from the module's value, relative to its largest magnitude.
    pub difference: f32,
    /// Whether it is as small as it may be.
    pub passed: bool,
}

/// Compute a model's plan for a picture by the kernels' CPU references, and its module by Burn: each
/// value that both make, in the order of the steps.
///
/// Values of which there are as many as were found are compared where the module has as many.
///
/// # Errors
/// If the checkpoint does not fit, or the model cannot be compiled.
pub fn stages(
    config: &ModelConfig,
    checkpoint: &Checkpoint,
    picture: &RgbaImage,
) -> Result<Vec<StepCheck>, BuildError> {
    weights::check_fit(config, checkpoint)?;
    let architecture = config.architecture;
    let transform = config.transform();
    let frame = transform.frame([picture.height() as usize, picture.width() as usize]);
    let captured = capture(config, frame.padded, &Request::of(architecture)).map_err(compile)?;
    let (graph, values) = lower_traced(&captured).map_err(compile)?;
    let graph = optimize(graph).map_err(compile)?;
    let stage = |weight: &str| architecture.stage(weight);
    let source = Source::Picture(&transform);
    let plan = schedule(&graph, &stage, source, &Target::webgpu()).map_err(compile)?;

    let parameter = |path: &str| weights::parameter(config, checkpoint, path);
    let host = Device::flex();
    let image = transform.apply(picture, &frame, &host).into_data();
    let sizes = frame.tensor(&host).into_data();
    let eager = replay(&captured, &parameter, vec![image], Some(sizes))?;
    let tensors: BTreeMap<ValueId, _> = values.iter().map(|(id, value)| (*value, *id)).collect();

    let pixels = picture.pixels().map(|pixel| u32::from_le_bytes(pixel.0));
    let uniform =
        FrameUniform::new(frame.original, frame.resized, frame.ratio).shifted(frame.shift);
    let mut interpreter = Interpreter::new(&plan, &parameter, uniform, pixels.collect())?;
    let mut checks = Vec::new();
    for (index, step) in plan.steps.iter().enumerate() {
        interpreter.run(step);
        // Parts of a map are made side by side; with the last it is whole.
        let is_whole = |value: &ValueId| {
            let mut later = plan.steps[index + 1..].iter();
            !later.any(|step| step.value == Some(*value))
        };
        let made = step.value.filter(is_whole).and_then(|value| {
            let expected = eager.get(tensors.get(&value)?)?;
            let found = read(&interpreter, step, graph.value(value), expected.len())?;
            Some((value, difference(&found, expected)))
        });
        if let Some((value, difference)) = made {
            checks.push(StepCheck {
                name: step.name.clone(),
                stage: step.stage,
                kernel: step.shader.to_string(),
                shape: graph.shape(value).to_vec(),
                difference,
                passed: difference <= TOLERANCE,
            });
        }
    }
    Ok(checks)
}

fn compile(error: impl Into<crate::compile::CompileError>) -> BuildError {
    BuildError::Compile(error.into())
}

/// The values that a step has made of a map or of rows, as the module has them; none where it made
/// something else, or only a part of a map.
fn read(
    interpreter: &Interpreter<'_>,
    step: &Step,
    value: &Value,
    expected: usize,
) -> Option<Vec<f32>> {
    let roles = step.shader.kernel.roles.iter();
    let (_, binding) = roles
        .zip(&step.bindings)
        .find(|(role, _)| role.is_written())?;
    if value.kind != ValueKind::Floats || !matches!(binding, Binding::Arena(_)) {
        return None;
    }
    let stored: &[f32] = bytemuck::cast_slice(interpreter.buffer(*binding));
    // Of RoIs the module has as many as were found.
    let layout = value.layout();
    let places = layout.places().take(expected);
    Some(places.map(|place| stored[place]).collect())
}

/// The largest difference, relative to the largest magnitude expected; infinite where one side is not a
/// number.
pub(super) fn difference(found: &[f32], expected: &[f32]) -> f32 {
    let scale = expected
        .iter()
        .fold(0.0_f32, |most, value| most.max(value.abs()));
    let pairs = found.iter().zip(expected);
    let largest = pairs.fold(0.0_f32, |most, (a, b)| match a == b {
        true => most,
        // A maximum passes over NaN, which is also what nobody wrote.
        false => match ((a - b) / scale).abs() {
            off if off.is_nan() => f32::INFINITY,
            off => most.max(off),
        },
    });
    match found.len() == expected.len() && largest.is_finite() {
        true => largest,
        false => f32::INFINITY,
    }
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn what_nobody_wrote_differs() {
        assert_eq!(difference(&[1.0, 2.5], &[1.0, 2.0]), 0.25);
        assert_eq!(difference(&[f32::NAN, 2.0], &[1.0, 2.0]), f32::INFINITY);
        assert_eq!(difference(&[2.0], &[1.0, 2.0]), f32::INFINITY);
    }
}
