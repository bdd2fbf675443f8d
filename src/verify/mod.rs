//! Whether an adapter computes what it should: every kernel against its CPU twin, and whole models
//! against the CPU engine. This is what a driver is checked with before its boxes are trusted.

mod boxes;
mod case;
mod maps;
mod models;
mod random;

pub use boxes::{
    AnchorsShape, CandidatesShape, ProposalsShape, RoisShape, check_finite, decode_anchors,
    decode_proposals, decode_rois, merge_proposals, nms_levels, rank_candidates, select_detections,
    top_anchors,
};
pub use case::{Case, Difference};
pub use maps::{
    ConvShape, PoolShape, RoiAlignShape, conv, depthwise, grouped, max_pool, preprocess, products,
    roi_align, upsample_add, winograd_input, winograd_output,
};
pub use models::{architectures, model};
pub use random::Random;

use serde::Serialize;

use crate::gpu::Gpu;
use crate::plan::{Epilogue, Kernel, Number, Shader};

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

/// The kernels that an adapter runs, with all their numbers.
pub fn shaders(gpu: &Gpu) -> Vec<Shader> {
    let mut shaders = Shader::all();
    shaders.retain(|shader| gpu.runs(*shader));
    shaders
}

/// Compare a kernel with its twin over its [`cases`].
pub fn kernel(gpu: &Gpu, shader: Shader) -> Check {
    let cases = cases(shader);
    let tolerance = tolerance(shader);
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
        let problem = match case.compare(gpu) {
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

/// What a kernel's twin and an adapter may differ by: nothing where they only choose and count;
/// elsewhere adapters round, contract and approximate as WGSL allows them. Numbers of 16 bits may be
/// rounded either way, and products of them before they are summed.
pub fn tolerance(shader: Shader) -> f32 {
    if shader.numbers.product == Number::F16 {
        return 4e-3;
    }
    if shader.numbers.result == Number::F16 && shader.kernel != Kernel::MaxPool {
        return 1e-3;
    }
    match shader.kernel {
        Kernel::TopAnchors
        | Kernel::NmsLevels
        | Kernel::MergeProposals
        | Kernel::RankCandidates
        | Kernel::CheckFinite
        | Kernel::MaxPool => 0.0,
        Kernel::UpsampleAdd | Kernel::SelectDetections => 1e-6,
        Kernel::Preprocess
        | Kernel::Conv(..)
        | Kernel::WinogradInput
        | Kernel::WinogradOutput(_)
        | Kernel::Depthwise
        | Kernel::Grouped(_)
        | Kernel::RoiAlign
        | Kernel::DecodeProposals
        | Kernel::DecodeRois
        | Kernel::DecodeAnchors => 1e-5,
    }
}

/// Seeded inputs of the shapes that matter for a kernel.
pub fn cases(shader: Shader) -> Vec<Case> {
    let cases = cases_in_32_bits(shader.kernel).into_iter();
    cases.map(|case| case.with(shader.numbers)).collect()
}

fn cases_in_32_bits(kernel: Kernel) -> Vec<Case> {
    let random = &mut Random::new(1);
    match kernel {
        Kernel::Preprocess => maps::preprocess_cases(random),
        Kernel::Conv(form, Epilogue::None) => maps::products_cases(form, random),
        Kernel::Conv(form, Epilogue::Bias) => maps::conv_cases(form, random),
        Kernel::Conv(form, Epilogue::Residual) => maps::conv_residual_cases(form, random),
        Kernel::WinogradInput => maps::winograd_input_cases(random),
        Kernel::WinogradOutput(epilogue) => maps::winograd_output_cases(epilogue, random),
        Kernel::Depthwise => maps::depthwise_cases(random),
        Kernel::Grouped(epilogue) => maps::grouped_cases(epilogue, random),
        Kernel::MaxPool => maps::max_pool_cases(random),
        Kernel::UpsampleAdd => maps::upsample_add_cases(random),
        Kernel::RoiAlign => maps::roi_align_cases(random),
        Kernel::TopAnchors => boxes::top_anchors_cases(random),
        Kernel::DecodeProposals => boxes::decode_proposals_cases(random),
        Kernel::NmsLevels => boxes::nms_levels_cases(random),
        Kernel::MergeProposals => boxes::merge_proposals_cases(random),
        Kernel::DecodeRois => boxes::decode_rois_cases(random),
        Kernel::DecodeAnchors => boxes::decode_anchors_cases(random),
        Kernel::RankCandidates => boxes::rank_candidates_cases(random),
        Kernel::SelectDetections => boxes::select_detections_cases(random),
        Kernel::CheckFinite => boxes::check_finite_cases(random),
    }
}
