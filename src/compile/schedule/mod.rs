//! From the rewritten graph to a plan: which kernel computes each node, with which parameters.

mod conv;
mod maps;
mod tensors;

use super::check::{GraphError, check, check_layouts, describe};
use super::dtypes::dtypes;
use super::graph::{Graph, GraphOutput, Node, Op};
use super::select::{ConvSize, Target};
use crate::kernels::conv::ConvForm;
use crate::kernels::pool::Pooling;
use crate::kernels::preprocess::Sampling;
use crate::kernels::upsample_add::Upsampling;
use crate::kernels::{Dtype, Dtypes, MAX_WORKGROUPS, blocks, preprocess, upsample_add, words};
use crate::ops::Arguments;
use crate::plan::{Draft, Operand, Plan, PlanBuilder, PlanError, ValueId};
use crate::stage::Stage;
use crate::transform::{ChannelOrder, Resizer, Transform};

/// A node that no kernel computes.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScheduleError {
    /// It was not fused into another, and has no kernel of its own.
    #[error("no kernel computes {0}, on its own")]
    NoKernel(String),
    /// The graph means nothing.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A convolution or matrix product that no form of its kernel can be dispatched for.
    #[error("{layer} makes {pixels} pixels: expected at most {limit}, as many as a dispatch makes")]
    NoForm {
        /// Path of its parameters.
        layer: String,
        /// Pixels it makes, or rows.
        pixels: usize,
        /// Most that any form makes.
        limit: usize,
    },
    /// The steps do not make sense: a fault of this crate.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

impl ScheduleError {
    fn no_form(layer: &str, size: &ConvSize) -> Self {
        let tiles = ConvForm::ALL.into_iter().map(ConvForm::pixels);
        Self::NoForm {
            layer: layer.to_owned(),
            pixels: size.pixels(),
            limit: MAX_WORKGROUPS * tiles.max().unwrap_or(0),
        }
    }
}

/// Where the first value of a plan comes from.
pub enum Source<'a> {
    /// The picture, prepared by the plan itself.
    Picture(&'a Transform),
    /// Somebody else, who fills it before the first step.
    Given,
}

/// The plan of a rewritten graph on a target. `stage` tells that of a layer by the path of its weight.
///
/// # Errors
/// If the graph means nothing, or a node was not fused away and has no kernel, or makes more pixels than
/// can be dispatched.
pub fn schedule(
    graph: &Graph,
    stage: &dyn Fn(&str) -> Stage,
    source: Source<'_>,
    target: &Target,
) -> Result<Plan, ScheduleError> {
    check(graph, "the passes")?;
    check_layouts(graph)?;
    let dtypes = dtypes(graph, target.precision);
    let mut plan = PlanBuilder::new(&graph.values, &graph.constants, dtypes);
    let padded = match source {
        Source::Picture(transform) => {
            one_picture(graph)?;
            let picture = graph.inputs[0];
            prepare(picture, transform, &mut plan);
            plan.size_of(picture)
        }
        Source::Given => {
            graph.inputs.iter().for_each(|input| plan.input(*input));
            let first = graph.inputs.first();
            first.map_or([0, 0], |input| plan.size_of(*input))
        }
    };
    for input in &graph.inputs {
        if graph.checked.contains(input) {
            plan.check_finite(*input);
        }
    }
    for (index, node) in graph.nodes.iter().enumerate() {
        let own = match &node.op {
            Op::Conv(conv) => Some(stage(&conv.weight)),
            Op::Extension(extension) => extension.operation.stage(),
            _ => None,
        };
        // What has no parameters goes on with what it reads.
        let stage = own.unwrap_or_else(|| plan.stage_of(node.inputs[0]));
        plan.enter(stage, &node.outputs);
        compute(graph, index, target, &mut plan)?;
        for output in &node.outputs {
            let later = &graph.nodes[index + 1..];
            let is_whole = !later.iter().any(|node| node.outputs.contains(output));
            if is_whole && graph.checked.contains(output) {
                plan.check_finite(*output);
            }
        }
    }
    for output in &graph.outputs {
        match output {
            GraphOutput::Map(info, map) => plan.keep_map(info.clone(), *map),
            GraphOutput::Tensor(name, tensor) => plan.keep_tensor(name.clone(), *tensor),
            GraphOutput::Proposals(proposals) => plan.keep_proposals(*proposals),
            // Its operation has told where they are.
            GraphOutput::Detections(_) => {}
            GraphOutput::Instances(kind, rows) => plan.keep_instances(*kind, *rows),
        }
    }
    Ok(plan.finish(padded, target.arena_limit)?)
}

/// The convolutions and matrix products of a rewritten graph that have several forms, each of a size
/// once.
pub fn conv_sizes(graph: &Graph) -> Vec<ConvSize> {
    let mut sizes = Vec::new();
    for node in &graph.nodes {
        if let Some(size) = conv::size_with_forms(graph, node)
            && !sizes.contains(&size)
        {
            sizes.push(size);
        }
    }
    sizes
}

/// The steps of one node.
fn compute(
    graph: &Graph,
    index: usize,
    target: &Target,
    plan: &mut PlanBuilder<'_>,
) -> Result<(), ScheduleError> {
    let node = &graph.nodes[index];
    match &node.op {
        Op::Conv(conv) => conv::schedule(graph, conv, node, target, plan)?,
        Op::MaxPool(window) => maps::pool(Pooling::Maximum, *window, [0, 0], node, plan),
        Op::AveragePool(window, counted) => {
            maps::pool(Pooling::Average, *window, *counted, node, plan);
        }
        Op::Upsample(upsampling) => maps::upsample(*upsampling, false, node, plan),
        Op::UpsampleAligned => maps::upsample(Upsampling::Bilinear, true, node, plan),
        Op::Add(upsampling) => add(*upsampling, node, plan),
        Op::Chain(chain) => tensors::chain(chain, node, plan),
        Op::Reduce(reduction, dimension) => tensors::reduce(*reduction, *dimension, node, plan),
        Op::Softmax(kind, dimension) => tensors::softmax(*kind, *dimension, node, plan),
        Op::LayerNorm(norm) => tensors::layer_norm(norm, node, plan),
        Op::Product => tensors::product(node, target, plan),
        Op::Extension(extension) => {
            let arguments = Arguments {
                scalars: &extension.scalars,
                inputs: &node.inputs,
                outputs: &node.outputs,
            };
            extension.operation.schedule(arguments, plan);
        }
        _ => return Err(ScheduleError::NoKernel(describe(graph, index))),
    }
    Ok(())
}

/// Whether the network's input can be made of the picture.
fn one_picture(graph: &Graph) -> Result<(), GraphError> {
    match *graph.shape(graph.inputs[0]) {
        [1, 3, _, _] => Ok(()),
        ref shape => Err(GraphError {
            stage: "the passes",
            node: "the graph".to_owned(),
            problem: format!(
                "its input is {shape:?}, where one picture, [1, 3, H, W], is expected"
            ),
        }),
    }
}

/// The picture becomes the network's input.
fn prepare(image: ValueId, transform: &Transform, plan: &mut PlanBuilder<'_>) {
    let [mean, deviation] = [transform.mean, transform.std].map(|[a, b, c]| [a, b, c, 1.0]);
    let params = preprocess::Params {
        padded: words(plan.size_of(image)),
        divisor: transform.divisor,
        is_bgr: (transform.order == ChannelOrder::Bgr).into(),
        mean,
        deviation,
    };
    let sampling = match transform.resizer {
        Resizer::Torchvision | Resizer::OpenCv => Sampling::Bilinear,
        Resizer::Pillow => Sampling::Antialiased,
        Resizer::NanoDet | Resizer::NanoDetPlus => Sampling::Warped,
    };
    let dispatch = params.dispatch(sampling, Dtypes::stored(Dtype::F32, plan.dtype(image)));
    let operands = [Operand::Frame, Operand::Picture, plan.operand(image)];
    plan.push(Draft::making("picture", dispatch, operands, image));
}

fn add(upsampling: Upsampling, node: &Node, plan: &mut PlanBuilder<'_>) {
    let [fine, coarse] = node.inputs[..] else {
        unreachable!("a sum has two operands")
    };
    let output = node.outputs[0];
    let [channels, height, width] = plan.map(output);
    let params = upsample_add::Params {
        fine_size: words([height, width]),
        coarse_size: words(plan.size_of(coarse)),
        blocks: blocks(channels) as u32,
        slope: 1.0,
        items: plan.items(output) as u32,
        unused: 0,
    };
    let dispatch = params.dispatch(upsampling, plan.dtypes(fine, output));
    let operands = plan.operands([fine, coarse, output]);
    plan.push(Draft::making("add", dispatch, operands, output));
}
