//! Convolution, activation → convolution that activates.

use super::fuse;
use crate::compile::graph::{Graph, Op};

/// Convolution, activation → convolution that activates.
pub fn fuse_activations(graph: Graph) -> Graph {
    fuse(graph, |conv, next| match next {
        Op::Activation(slope) => {
            let epilogue = &mut conv.epilogue;
            let place = match epilogue.residual {
                None => &mut epilogue.inner_slope,
                _ => &mut epilogue.outer_slope,
            };
            let free = *place == 1.0;
            if free {
                *place = *slope;
            }
            free
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::graph::FusedEpilogue;
    use crate::compile::passes::fuse_sums::fuse_sums;
    use crate::compile::passes::graphs::{GraphBuilder, convs, point};
    use crate::kernels::upsample_add::Upsampling;

    #[test]
    fn an_activation_before_the_sum_is_inner_and_one_after_it_outer() {
        let mut builder = GraphBuilder::new();
        let branch = builder.conv("a", builder.image(), 8);
        let branch = builder.same(Op::Activation(0.1), branch);
        let other = builder.same(Op::MaxPool(point()), branch);
        let own = builder.conv("b", branch, 8);
        let own = builder.same(Op::Activation(0.1), own);
        let sum = builder.add(own, other);
        let sum = builder.same(Op::Activation(0.0), sum);
        let graph = fuse_activations(fuse_sums(fuse_activations(builder.giving(&[sum]))));
        let expected = FusedEpilogue {
            inner_slope: 0.1,
            residual: Some(Upsampling::Nearest),
            outer_slope: 0.0,
            ..FusedEpilogue::PLAIN
        };
        assert_eq!(convs(&graph)[1].epilogue, expected);
        assert_eq!(graph.nodes.len(), 3);
    }
}
