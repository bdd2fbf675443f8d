//! What each value of a graph is stored in.

use super::graph::{ConvKind, Graph, GraphOutput, Node, Op};
use super::select::Precision;
use crate::kernels::conv::{self, ConvForm, Epilogue};
use crate::kernels::pool::{self, Pooling};
use crate::kernels::upsample_add::Upsampling;
use crate::kernels::{Dtype, Dtypes, chain, depthwise, grouped, upsample, upsample_add};
use crate::plan::{ValueId, ValueKind};

/// What each value is stored in: 16 bits where the precision asks for it, all that read it can, and
/// what makes it can write it.
pub(super) fn dtypes(graph: &Graph, precision: Precision) -> Vec<Dtype> {
    let stored = precision.stored();
    let mut dtypes = vec![Dtype::F32; graph.values.len()];
    for value in graph.inputs.iter().chain(graph.constants.keys()) {
        if graph.value(*value).kind == ValueKind::Floats {
            dtypes[value.0] = stored;
        }
    }
    for node in &graph.nodes {
        for output in &node.outputs {
            if graph.value(*output).kind == ValueKind::Floats {
                dtypes[output.0] = stored;
            }
        }
    }
    // Proposals are read back as they are.
    for output in &graph.outputs {
        if let GraphOutput::Proposals([boxes, ..]) = output {
            dtypes[boxes.0] = Dtype::F32;
        }
    }
    // What one node cannot take in 16 bits, another may then have to take in 32.
    while graph.nodes.iter().any(|node| widen(node, &mut dtypes)) {}
    dtypes
}

/// Store in 32 bits what the node's kernels cannot read or write in 16; whether anything changed.
fn widen(node: &Node, dtypes: &mut [Dtype]) -> bool {
    let (known, maps) = kernels(node);
    let (maps, others) = node.inputs.split_at(maps);
    let is_half = |dtypes: &[Dtype], values: &[ValueId]| {
        let mut values = values.iter();
        values.all(|value| dtypes[value.0] == Dtype::F16)
    };
    // The maps that a kernel reads are of one dtype.
    let stored = match !maps.is_empty() && is_half(dtypes, maps) {
        true => Dtype::F16,
        false => Dtype::F32,
    };
    let result = match is_half(dtypes, &node.outputs) {
        true => Dtype::F16,
        false => Dtype::F32,
    };
    let [stored, result] = [
        [stored, result],
        [stored, Dtype::F32],
        [Dtype::F32, Dtype::F32],
    ]
    .into_iter()
    .find(|[stored, result]| known.contains(&Dtypes::stored(*stored, *result)))
    .expect("every kernel exists in 32 bits");
    let wanted = [
        (others, Dtype::F32),
        (maps, stored),
        (&node.outputs, result),
    ];
    let mut changed = false;
    for (values, dtype) in wanted {
        for value in values {
            changed |= std::mem::replace(&mut dtypes[value.0], dtype) != dtype;
        }
    }
    changed
}

/// What the node's kernels exist in, and how many of its inputs, from the first, are maps to them.
fn kernels(node: &Node) -> (&'static [Dtypes], usize) {
    let all = node.inputs.len();
    match &node.op {
        Op::Conv(conv) => match conv.kind {
            ConvKind::Depthwise(_) => (depthwise::kernel(Epilogue::Bias).dtypes, all),
            ConvKind::Grouped(..) => (grouped::kernel(Epilogue::Bias).dtypes, all),
            ConvKind::Dense(_) | ConvKind::Transposed(..) | ConvKind::Linear(_) => {
                // All forms exist in the same, but for products in 16 bits.
                let kernel = conv::kernel(ConvForm::Registers(4), Epilogue::Bias);
                (kernel.dtypes, all)
            }
        },
        Op::MaxPool(_) => (pool::kernel(Pooling::Maximum).dtypes, all),
        Op::AveragePool(..) => (pool::kernel(Pooling::Average).dtypes, all),
        Op::Upsample(_) | Op::UpsampleAligned => {
            (upsample::kernel(Upsampling::Nearest).dtypes, all)
        }
        Op::Add(_) => (upsample_add::kernel(Upsampling::Nearest).dtypes, all),
        Op::Chain(_) => (chain::DTYPES, all),
        Op::Reduce(..) | Op::Softmax(..) | Op::LayerNorm(_) => (Dtypes::MAPS_AND_HEADS, all),
        Op::Product => (Dtypes::MAPS_AND_PRODUCTS, all),
        Op::Extension(extension) => {
            let operation = extension.operation;
            (operation.dtypes(), operation.maps(all))
        }
        // No kernel computes these on their own.
        Op::BatchNorm(_) | Op::Activation(_) | Op::AddBias(_) | Op::Concat | Op::Flatten => {
            (&[Dtypes::F32], all)
        }
    }
}
