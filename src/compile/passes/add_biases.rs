//! Matrix product, bias → matrix product with bias.

use super::fuse;
use crate::compile::graph::{FusedEpilogue, Graph, Op};

/// Matrix product, bias → matrix product with bias.
pub fn add_biases(graph: Graph) -> Graph {
    fuse(graph, |conv, next| match next {
        Op::AddBias(bias)
            if conv.bias.is_none()
                && conv.norm.is_none()
                && conv.epilogue == FusedEpilogue::PLAIN =>
        {
            conv.bias = Some(bias.clone());
            true
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::passes::graphs::{GraphBuilder, convs};

    #[test]
    fn a_bias_is_added_once() {
        let mut builder = GraphBuilder::new();
        let made = builder.conv("a", builder.image(), 8);
        let first = builder.same(Op::AddBias("b".to_owned()), made);
        let second = builder.same(Op::AddBias("c".to_owned()), first);
        let graph = add_biases(builder.giving(&[second]));
        assert_eq!(convs(&graph)[0].bias.as_deref(), Some("b"));
        assert_eq!(graph.nodes[1].op, Op::AddBias("c".to_owned()));
    }
}
