//! From a module to a plan: captured, lowered to a graph of our own, rewritten, scheduled.

mod capture;
mod check;
mod dtypes;
mod graph;
mod layouts;
mod lower;
mod passes;
mod reads;
mod schedule;
mod select;

pub use capture::{
    CaptureError, CapturedInput, CapturedModel, Tracer, capture, record, run_eagerly, trace,
};
pub use check::{GraphError, check};
pub use graph::{
    Conv, ConvKind, FusedEpilogue, Graph, GraphOutput, LayerNorm, Node, Norm, Op, Window,
};
pub use lower::{LowerError, lower, lower_traced};
pub use passes::optimize;
pub use schedule::{ScheduleError, Source, schedule};
pub use select::{ConvAlgorithm, ConvSize, ConvTable, ConvTimes, Precision, Target};

use crate::models::{ModelConfig, Request};
use crate::plan::{Plan, Value, ValueId, ValueKind};
use crate::stage::Stage;
use crate::transform::Transform;

/// Why a model has no plan.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(transparent)]
pub enum CompileError {
    /// Burn could not record it.
    Capture(#[from] CaptureError),
    /// It uses an operation that is not known.
    Lower(#[from] LowerError),
    /// It computes something that no kernel does, or a pass spoilt it.
    Graph(#[from] GraphError),
    /// It uses an operation in a way that no kernel computes.
    Schedule(#[from] ScheduleError),
}

/// The plan of a model that gives what is requested, over an input of `padded` height and width.
///
/// # Errors
/// If the model uses something that the compiler does not know.
pub fn compile(
    config: &ModelConfig,
    transform: &Transform,
    request: &Request,
    padded: [usize; 2],
    target: &Target,
) -> Result<Plan, CompileError> {
    let pause = async || {};
    pollster::block_on(compile_in_slices(
        config, transform, request, padded, target, &pause,
    ))
}

/// As [`compile`], with a `pause` between its parts.
pub(crate) async fn compile_in_slices(
    config: &ModelConfig,
    transform: &Transform,
    request: &Request,
    padded: [usize; 2],
    target: &Target,
    pause: &impl AsyncFn(),
) -> Result<Plan, CompileError> {
    let captured = capture(config, padded, request)?;
    pause().await;
    let graph = lower(&captured)?;
    pause().await;
    let graph = optimize(graph)?;
    pause().await;
    let stage = |weight: &str| config.architecture.stage(weight);
    let plan = schedule(&graph, &stage, Source::Picture(transform), target)?;
    pause().await;
    Ok(plan)
}

/// The plan of a captured module. `stage` tells that of a layer by the path of its weight.
///
/// # Errors
/// If the module uses something that the compiler does not know.
pub fn compile_captured(
    captured: &CapturedModel,
    stage: &dyn Fn(&str) -> Stage,
    source: Source<'_>,
    target: &Target,
) -> Result<Plan, CompileError> {
    let graph = optimize(lower(captured)?)?;
    Ok(schedule(&graph, stage, source, target)?)
}

/// The convolutions and matrix products of a model over an input of `padded` height and width, each
/// of a size once: what [`tune`](crate::gpu::tune) measures.
///
/// # Errors
/// As [`compile`].
pub fn conv_sizes(config: &ModelConfig, padded: [usize; 2]) -> Result<Vec<ConvSize>, CompileError> {
    let captured = capture(config, padded, &Request::of(config.architecture))?;
    let graph = optimize(lower(&captured)?)?;
    Ok(schedule::conv_sizes(&graph))
}

/// A plan that is nothing but one convolution over a map that keeps its size but for the stride.
///
/// # Errors
/// If the convolution makes more pixels than can be dispatched.
///
/// # Panics
/// If it makes none.
pub fn convolution(size: ConvSize, target: &Target) -> Result<Plan, ScheduleError> {
    let in_size = [0, 1].map(|axis| size.out_size[axis] * size.stride[axis]);
    let map = |channels: usize, [height, width]: [usize; 2]| {
        Value::new(vec![1, channels, height, width], ValueKind::Floats)
    };
    let [image, result] = [ValueId(0), ValueId(1)];
    let conv = Conv {
        weight: "weight".to_owned(),
        kind: ConvKind::Dense(Window {
            kernel: size.kernel,
            stride: size.stride,
            padding: size.kernel.map(|side| side / 2),
            padding_after: size.kernel.map(|side| side / 2),
            ..Window::POINT
        }),
        out_channels: size.out_channels,
        bias: None,
        norm: None,
        epilogue: FusedEpilogue::PLAIN,
        tail: None,
        first_channel: 0,
    };
    let graph = Graph {
        values: vec![
            map(size.in_channels, in_size),
            map(size.out_channels, size.out_size),
        ],
        nodes: vec![Node {
            op: Op::Conv(conv),
            inputs: vec![image],
            outputs: vec![result],
        }],
        inputs: vec![image],
        ..Graph::default()
    };
    let stage = |_: &str| Stage::Backbone;
    schedule(&graph, &stage, Source::Given, target)
}
