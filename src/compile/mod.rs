//! From a module to a plan: captured, lowered to a graph of our own, rewritten, scheduled.

mod capture;
mod graph;
mod lower;
mod memory;
#[cfg(test)]
mod module_tests;
mod passes;
mod schedule;
mod select;

pub use capture::{CaptureError, CapturedModel, capture};
pub use graph::{Conv, ConvKind, Epilogue, Graph, Node, Norm, Op, Residual, ValueId, Window};
pub use lower::{LowerError, lower};
pub use memory::{Block, place};
pub use passes::optimize;
pub(crate) use schedule::{
    ConvParams, Params, conv_groups, convolution, grouped_groups, groups, quads,
};
pub use schedule::{ScheduleError, schedule};
pub use select::{ConvAlgorithm, ConvSize, ConvTable, ConvTimes, Precision, Target};

use crate::models::{ModelConfig, Selection};
use crate::plan::Plan;
use crate::transform::Transform;

/// Why a model has no plan.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(transparent)]
pub enum CompileError {
    /// Burn could not record it.
    Capture(#[from] CaptureError),
    /// It uses an operation that is not known.
    Lower(#[from] LowerError),
    /// It uses an operation in a way that no kernel computes.
    Schedule(#[from] ScheduleError),
}

/// The plan of a model over an input of `padded` height and width.
///
/// # Errors
/// If the model uses something that the compiler does not know.
pub fn compile(
    config: &ModelConfig,
    transform: &Transform,
    selection: Selection,
    padded: [usize; 2],
    target: &Target,
) -> Result<Plan, CompileError> {
    let pause = async || {};
    pollster::block_on(compile_in_slices(
        config, transform, selection, padded, target, &pause,
    ))
}

/// As [`compile`], with a `pause` between its parts.
pub(crate) async fn compile_in_slices(
    config: &ModelConfig,
    transform: &Transform,
    selection: Selection,
    padded: [usize; 2],
    target: &Target,
    pause: &impl AsyncFn(),
) -> Result<Plan, CompileError> {
    let captured = capture(config, padded, selection)?;
    pause().await;
    let graph = lower(&captured)?;
    pause().await;
    let graph = optimize(graph);
    pause().await;
    let plan = schedule(&graph, config.architecture, transform, target)?;
    pause().await;
    Ok(plan)
}

/// The convolutions and matrix products of a model over an input of `padded` height and width, each
/// of a size once: what [`tune`](crate::gpu::tune) measures.
///
/// # Errors
/// As [`compile`].
pub fn conv_sizes(config: &ModelConfig, padded: [usize; 2]) -> Result<Vec<ConvSize>, CompileError> {
    let selection = config.architecture.selection();
    let selection = selection.expect("all models are detectors");
    let captured = capture(config, padded, selection)?;
    let graph = optimize(lower(&captured)?);
    Ok(schedule::conv_sizes(&graph, &Target::webgpu()))
}
