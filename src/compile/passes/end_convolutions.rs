//! Convolution, chain → convolution that ends with the chain.

use super::fuse;
use crate::compile::graph::{Graph, Op};

/// Convolution, chain → convolution that ends with the chain, where that computes with nothing else.
pub fn end_convolutions(graph: Graph) -> Graph {
    fuse(graph, |conv, next| match next {
        Op::Chain(chain) if conv.tail.is_none() && chain.is_tail(conv.out_channels) => {
            conv.tail = Some(chain.clone());
            true
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::passes::graphs::{GraphBuilder, convs};
    use crate::kernels::chain::{Arg, Chain, Function, View};

    /// A chain of one function after a convolution of 8 channels, or of 6.
    fn ended(channels: usize, function: Function) -> Graph {
        let mut builder = GraphBuilder::new();
        let made = builder.conv("a", builder.image(), channels);
        let views = vec![View::of(&[1, channels, 8, 8])];
        let chain = Chain::function(function, vec![Arg::Read(0)], views);
        let last = builder.same(Op::Chain(chain), made);
        end_convolutions(builder.giving(&[last]))
    }

    #[test]
    fn a_function_goes_to_the_end() {
        let graph = ended(8, Function::Sigmoid);
        assert_eq!(graph.nodes.len(), 1);
        assert!(convs(&graph)[0].tail.is_some());
    }

    #[test]
    fn what_leaves_no_zeros_behind_the_last_channel_stays() {
        assert_eq!(ended(6, Function::Sigmoid).nodes.len(), 2);
        assert_eq!(ended(6, Function::Gelu).nodes.len(), 1);
    }
}
