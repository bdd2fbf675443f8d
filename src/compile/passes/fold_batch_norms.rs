//! Convolution, batch norm → convolution with scaled weights.

use super::fuse;
use crate::compile::graph::{FusedEpilogue, Graph, Op};

/// Convolution, batch norm → convolution with scaled weights.
pub fn fold_batch_norms(graph: Graph) -> Graph {
    fuse(graph, |conv, next| match next {
        Op::BatchNorm(norm) if conv.norm.is_none() && conv.epilogue == FusedEpilogue::PLAIN => {
            conv.norm = Some(norm.clone());
            true
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::passes::fuse_activations::fuse_activations;
    use crate::compile::passes::graphs::{GraphBuilder, convs, norm};

    #[test]
    fn a_batch_norm_goes_into_the_convolution_before_it() {
        let mut builder = GraphBuilder::new();
        let made = builder.conv("a", builder.image(), 8);
        let normed = builder.same(Op::BatchNorm(norm()), made);
        let graph = fold_batch_norms(builder.giving(&[normed]));
        assert_eq!(graph.nodes.len(), 1);
        assert_eq!(graph.nodes[0].outputs, [normed]);
        assert_eq!(convs(&graph)[0].norm, Some(norm()));
    }

    #[test]
    fn a_convolution_that_others_read_keeps_its_result() {
        let mut builder = GraphBuilder::new();
        let made = builder.conv("a", builder.image(), 8);
        let normed = builder.same(Op::BatchNorm(norm()), made);
        let graph = builder.giving(&[normed, made]);
        assert_eq!(fold_batch_norms(graph.clone()), graph);
    }

    #[test]
    fn a_second_batch_norm_and_one_behind_an_activation_stay() {
        let mut builder = GraphBuilder::new();
        let made = builder.conv("a", builder.image(), 8);
        let once = builder.same(Op::BatchNorm(norm()), made);
        let twice = builder.same(Op::BatchNorm(norm()), once);
        let graph = fold_batch_norms(builder.giving(&[twice]));
        assert_eq!(graph.nodes.len(), 2);

        let mut builder = GraphBuilder::new();
        let made = builder.conv("a", builder.image(), 8);
        let active = builder.same(Op::Activation(0.0), made);
        let normed = builder.same(Op::BatchNorm(norm()), active);
        let graph = fold_batch_norms(fuse_activations(builder.giving(&[normed])));
        assert_eq!(graph.nodes.len(), 2);
    }
}
