//! Whether an adapter computes what it should: every kernel against its CPU reference, and whole models
//! against the CPU engine. This is what a driver is checked with before its boxes are trusted. And
//! whether a plan means what its module does: step by step, by the references.

mod interpret;
mod models;
mod replay;
mod stages;

use serde::Serialize;

pub use interpret::Interpreter;
pub use models::{architectures, model};
pub use replay::{Replay, replay};
pub use stages::{StepCheck, TOLERANCE, stages};

use crate::gpu::{Gpu, GpuError, probe};
use crate::kernels::Shader;
use crate::kernels::checks::{Case, Difference};

/// The outcome of one comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// The kernel or the model, and what of it.
    pub name: String,
    /// Inputs that were compared.
    pub cases: usize,
    /// The largest difference; infinite where something differs that must not, such as a count.
    /// JSON has `null` for that.
    pub difference: f32,
    /// In what it is measured.
    pub unit: Unit,
    /// The difference that is allowed.
    pub tolerance: f32,
    /// Whether it was kept to.
    pub passed: bool,
    /// Where it was not, or why nothing could be computed.
    pub problem: Option<String>,
}

/// What a difference is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Parts of the largest magnitude of an output.
    Relative,
    /// Pixels of the picture.
    Pixels,
    /// Score, 0 to 1.
    Score,
}

/// The kernels that an adapter runs, with all their dtypes.
pub fn shaders(gpu: &Gpu) -> Vec<Shader> {
    let mut shaders = Shader::all();
    shaders.retain(|shader| gpu.runs(*shader));
    shaders
}

/// The largest difference between what an adapter makes of a case and the kernel's reference.
///
/// # Errors
/// If the device failed.
pub fn compare(gpu: &Gpu, case: &Case) -> Result<Difference, GpuError> {
    Ok(case.compare(probe(gpu, &case.dispatch, &case.bindings)?))
}

/// Compare a kernel with its reference over its [cases](Shader::cases).
pub fn kernel(gpu: &Gpu, shader: Shader) -> Check {
    let cases = shader.cases();
    let tolerance = shader.tolerance();
    let mut check = Check {
        name: shader.to_string(),
        cases: cases.len(),
        difference: 0.0,
        unit: Unit::Relative,
        tolerance,
        passed: true,
        problem: None,
    };
    for case in &cases {
        let problem = match compare(gpu, case) {
            Ok(difference) => {
                check.difference = check.difference.max(difference.relative);
                (difference.relative > tolerance).then(|| difference.to_string())
            }
            Err(error) => Some(error.to_string()),
        };
        if let Some(problem) = problem {
            check.passed = false;
            check
                .problem
                .get_or_insert(format!("{}: {problem}", case.about));
        }
    }
    check
}
