//! Rewrites of the graph, a file each, each of which keeps what it computes.

mod absorb_flattens;
mod absorb_shuffles;
mod add_biases;
mod add_upsampled;
mod choose_layouts;
mod end_convolutions;
mod fold_batch_norms;
mod fuse_activations;
mod fuse_chains;
mod fuse_sums;
#[cfg(test)]
mod graphs;
mod hoist_activations;
mod remove_unread;
mod spell_out;
mod write_into_concats;

use super::check::{GraphError, check};
use super::graph::{Conv, Graph, Op};
use crate::plan::ValueKind;

/// A pass and its name.
type Pass = (&'static str, fn(Graph) -> Graph);

/// Every pass, in the order that lets each see what it needs.
const PASSES: [Pass; 16] = [
    ("remove_unread", remove_unread::remove_unread),
    ("absorb_flattens", absorb_flattens::absorb_flattens),
    ("add_biases", add_biases::add_biases),
    ("fold_batch_norms", fold_batch_norms::fold_batch_norms),
    ("hoist_activations", hoist_activations::hoist_activations),
    ("fuse_activations", fuse_activations::fuse_activations),
    ("absorb_shuffles", absorb_shuffles::absorb_shuffles),
    ("fuse_sums", fuse_sums::fuse_sums),
    ("add_upsampled", add_upsampled::add_upsampled),
    ("fuse_activations", fuse_activations::fuse_activations),
    ("write_into_concats", write_into_concats::write_into_concats),
    ("remove_unread", remove_unread::remove_unread),
    ("spell_out", spell_out::spell_out),
    ("fuse_chains", fuse_chains::fuse_chains),
    ("end_convolutions", end_convolutions::end_convolutions),
    ("choose_layouts", choose_layouts::choose_layouts),
];

/// The graph after every pass, each of which is checked.
///
/// # Errors
/// If a graph means nothing, or computes what no kernel does: the error names the pass after which it
/// was found.
pub fn optimize(graph: Graph) -> Result<Graph, GraphError> {
    check(&graph, "lowering")?;
    PASSES.into_iter().try_fold(graph, |graph, (name, pass)| {
        let graph = pass(graph);
        check(&graph, name)?;
        Ok(graph)
    })
}

/// Let each convolution whose result only one node reads take that node in, as long as `take` does.
fn fuse(mut graph: Graph, take: impl Fn(&mut Conv, &Op) -> bool) -> Graph {
    let mut index = 0;
    while index < graph.nodes.len() {
        let node = &graph.nodes[index];
        let result = node.outputs[0];
        let next = graph.nodes.iter().position(|next| next.inputs == [result]);
        let taken = match (&node.op, next) {
            (Op::Conv(conv), Some(next))
                if graph.uses(result) == 1 && makes_floats(&graph, next) =>
            {
                let mut conv = conv.clone();
                take(&mut conv, &graph.nodes[next].op).then_some((conv, next))
            }
            _ => None,
        };
        match taken {
            Some((conv, next)) => {
                graph.nodes[index].op = Op::Conv(conv);
                graph.nodes[index].outputs = graph.nodes.remove(next).outputs;
            }
            None => index += 1,
        }
    }
    graph
}

/// Whether a node makes what a convolution does.
fn makes_floats(graph: &Graph, node: usize) -> bool {
    let mut outputs = graph.nodes[node].outputs.iter();
    outputs.all(|output| graph.value(*output).kind == ValueKind::Floats)
}

#[cfg(test)]
mod tests {
    use super::graphs::{GraphBuilder, conv, convs, norm, point};
    use super::*;
    use crate::compile::graph::{ConvKind, FusedEpilogue};
    use crate::kernels::upsample_add::Upsampling;

    #[test]
    fn a_batch_norm_behind_a_linear_layer_goes_into_it_with_the_bias() {
        let mut builder = GraphBuilder::new();
        let rows = builder.node(Op::Flatten, &[builder.image()], &[1, 192]);
        let matrix = Conv {
            kind: ConvKind::Linear(None),
            ..conv("a")
        };
        let made = builder.node(Op::Conv(matrix), &[rows], &[1, 8]);
        let biased = builder.same(Op::AddBias("bias".to_owned()), made);
        let normed = builder.same(Op::BatchNorm(norm()), biased);
        let mut graph = builder.giving(&[]);
        graph.checked = vec![normed];
        let graph = optimize(graph).expect("the graph is sound");
        assert_eq!(graph.nodes.len(), 1);
        let linear = convs(&graph)[0];
        assert_eq!(linear.bias.as_deref(), Some("bias"));
        assert_eq!(linear.norm, Some(norm()));
    }

    #[test]
    fn a_grouped_convolution_takes_what_a_dense_one_does() {
        let mut builder = GraphBuilder::new();
        let stem = builder.conv("stem", builder.image(), 8);
        let other = builder.same(Op::MaxPool(point()), stem);
        let grouped = Conv {
            kind: ConvKind::Grouped(point(), 2),
            ..conv("a")
        };
        let made = builder.same(Op::Conv(grouped), stem);
        let normed = builder.same(Op::BatchNorm(norm()), made);
        let sum = builder.add(other, normed);
        let active = builder.same(Op::Activation(0.0), sum);
        let graph = optimize(builder.giving(&[active])).expect("the graph is sound");
        assert_eq!(graph.nodes.len(), 3);
        let fused = convs(&graph)[1];
        assert_eq!(fused.kind, ConvKind::Grouped(point(), 2));
        assert_eq!(fused.norm, Some(norm()));
        let epilogue = FusedEpilogue {
            residual: Some(Upsampling::Nearest),
            outer_slope: 0.0,
            ..FusedEpilogue::PLAIN
        };
        assert_eq!(fused.epilogue, epilogue);
    }
}
