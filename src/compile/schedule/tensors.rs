//! The steps of operations over tensors of any rank.

use crate::compile::graph::{LayerNorm, Node};
use crate::compile::select::Target;
use crate::kernels::chain::Chain;
use crate::kernels::reduce::{self, Reduction};
use crate::kernels::softmax::{self, Softmax};
use crate::kernels::{Dtype, Dtypes, Layout, layer_norm as norm, product as matrix};
use crate::plan::{
    Constant, ConstantSource, Draft, Literal, Operand, PlanBuilder, TensorConstant, ValueId,
};

/// One dispatch, or none where nothing has to be moved.
pub(super) fn chain(chain: &Chain, node: &Node, plan: &mut PlanBuilder<'_>) {
    let output = node.outputs[0];
    let inputs: Vec<Layout> = node
        .inputs
        .iter()
        .map(|input| plan.layout(*input))
        .collect();
    let layout = plan.layout(output);
    let first = node.inputs[0];
    let is_free = plan.dtype(first) == plan.dtype(output) && chain.is_free(&inputs, &layout);
    if is_free && plan.alias(output, first) {
        return;
    }
    let dispatch = chain.dispatch(&inputs, &layout, plan.dtypes(first, output));
    let operands = node.inputs.iter().chain(&node.outputs);
    let operands: Vec<Operand> = operands.map(|value| plan.operand(*value)).collect();
    let name = match chain.is_copy() {
        true => "copy",
        false => "chain",
    };
    let flop = (chain.steps.len() * layout.len()) as u64;
    plan.push(Draft::making(name, dispatch, operands, output).computing(flop));
}

pub(super) fn reduce(
    reduction: Reduction,
    dimension: usize,
    node: &Node,
    plan: &mut PlanBuilder<'_>,
) {
    let (input, output) = (node.inputs[0], node.outputs[0]);
    let dtypes = plan.dtypes(input, output);
    let dispatch = reduce::dispatch(reduction, &plan.layout(input), dimension, dtypes);
    let operands = plan.operands([input, output]);
    plan.push(Draft::making("reduce", dispatch, operands, output));
}

pub(super) fn softmax(kind: Softmax, dimension: usize, node: &Node, plan: &mut PlanBuilder<'_>) {
    let (input, output) = (node.inputs[0], node.outputs[0]);
    let dtypes = plan.dtypes(input, output);
    let dispatch = softmax::dispatch(kind, &plan.layout(input), dimension, dtypes);
    let operands = plan.operands([input, output]);
    plan.push(Draft::making("softmax", dispatch, operands, output));
}

pub(super) fn layer_norm(own: &LayerNorm, node: &Node, plan: &mut PlanBuilder<'_>) {
    let (input, output) = (node.inputs[0], node.outputs[0]);
    let layout = plan.layout(input);
    let dispatch = norm::dispatch(&layout, own.eps, plan.dtypes(input, output));
    let gamma = ConstantSource::Parameter(own.weight.clone());
    let beta = match &own.bias {
        Some(path) => ConstantSource::Parameter(path.clone()),
        None => ConstantSource::Literal(Literal {
            shape: vec![layout.channels()],
            values: vec![0.0; layout.channels()].into(),
        }),
    };
    let [gamma, beta] = [gamma, beta].map(|source| {
        plan.constant(Constant::Tensor(TensorConstant {
            source,
            inner: 0,
            dtype: Dtype::F32,
        }))
    });
    let [from, to] = plan.operands([input, output]);
    let name = own.weight.trim_end_matches(".weight");
    plan.push(Draft::making(
        name,
        dispatch,
        [from, gamma, beta, to],
        output,
    ));
}

pub(super) fn product(node: &Node, target: &Target, plan: &mut PlanBuilder<'_>) {
    let [left, right] = node.inputs[..] else {
        unreachable!("a product has two operands")
    };
    let output = node.outputs[0];
    let layouts = [left, right].map(|value: ValueId| plan.layout(value));
    let stored = plan.dtypes(left, output);
    let dtypes = Dtypes {
        product: match stored.stored {
            Dtype::F16 => target.precision.product(),
            Dtype::F32 => Dtype::F32,
        },
        ..stored
    };
    let dispatch = matrix::dispatch(&layouts[0], &layouts[1], dtypes);
    let operands = plan.operands([left, right, output]);
    let depth = layouts[0].channels();
    let flop = 2 * (plan.layout(output).len() * depth) as u64;
    plan.push(Draft::making("product", dispatch, operands, output).computing(flop));
}
