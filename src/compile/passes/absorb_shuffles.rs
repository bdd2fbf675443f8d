//! Convolution, PixelShuffle → convolution that stores each channel where it is shuffled to.

use super::fuse;
use crate::compile::graph::{ConvKind, Graph, Op};
use crate::ops::pixel_shuffle;

/// Convolution, PixelShuffle → convolution that stores each channel where it is shuffled to. Its weights are put
/// into another order for that, which dense ones alone allow: others make channels of certain ones. Those of a layer
/// that also runs without a shuffle are stored in both orders.
pub fn absorb_shuffles(graph: Graph) -> Graph {
    fuse(graph, |conv, next| {
        let factor = match (conv.kind, next) {
            (ConvKind::Dense(_), Op::Extension(extension)) => pixel_shuffle::factor(extension),
            _ => None,
        };
        let epilogue = &mut conv.epilogue;
        match factor {
            Some(factor) if epilogue.shuffle == 1 && epilogue.residual.is_none() => {
                epilogue.shuffle = factor;
                conv.out_channels /= factor * factor;
                true
            }
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use burn_ir::ScalarIr;

    use super::*;
    use crate::compile::graph::Conv;
    use crate::compile::passes::fuse_activations::fuse_activations;
    use crate::compile::passes::fuse_sums::fuse_sums;
    use crate::compile::passes::graphs::{GraphBuilder, conv, convs, point};
    use crate::ops::{Extension, by_id};
    use crate::plan::ValueId;

    /// A map shuffled by 2.
    fn shuffled(builder: &mut GraphBuilder, map: ValueId) -> ValueId {
        let [_, channels, height, width] = builder.0.shape(map)[..] else {
            panic!("a map has four dimensions")
        };
        let shuffle = Op::Extension(Extension {
            operation: by_id("fpn::pixel_shuffle").expect("there is such an operation"),
            scalars: vec![ScalarIr::UInt(2)],
        });
        let shape = [1, channels / 4, 2 * height, 2 * width];
        builder.node(shuffle, &[map], &shape)
    }

    #[test]
    fn activations_on_both_sides_of_a_shuffle_are_the_convolutions() {
        for is_before in [true, false] {
            let mut builder = GraphBuilder::new();
            let mut made = builder.conv("a", builder.image(), 20);
            if is_before {
                made = builder.same(Op::Activation(0.1), made);
            }
            made = shuffled(&mut builder, made);
            if !is_before {
                made = builder.same(Op::Activation(0.1), made);
            }
            let graph = absorb_shuffles(fuse_activations(builder.giving(&[made])));
            let graph = fuse_activations(graph);
            assert_eq!(graph.nodes.len(), 1);
            assert_eq!(graph.nodes[0].outputs, [made]);
            let conv = convs(&graph)[0];
            assert_eq!(conv.out_channels, 5);
            assert_eq!(conv.epilogue.shuffle, 2);
            assert_eq!(conv.epilogue.inner_slope, 0.1);
        }
    }

    #[test]
    fn what_others_read_and_a_second_shuffle_stay() {
        let mut builder = GraphBuilder::new();
        let made = builder.conv("a", builder.image(), 8);
        let once = shuffled(&mut builder, made);
        let graph = builder.giving(&[once, made]);
        assert_eq!(absorb_shuffles(graph.clone()), graph);

        let mut builder = GraphBuilder::new();
        let made = builder.conv("a", builder.image(), 32);
        let once = shuffled(&mut builder, made);
        let twice = shuffled(&mut builder, once);
        let graph = absorb_shuffles(builder.giving(&[twice]));
        assert_eq!(graph.nodes.len(), 2);
    }

    #[test]
    fn convolutions_that_add_or_have_groups_do_not_shuffle() {
        let mut builder = GraphBuilder::new();
        let other = builder.conv("a", builder.image(), 8);
        let made = builder.conv("b", builder.image(), 8);
        let sum = builder.add(made, other);
        let last = shuffled(&mut builder, sum);
        let graph = fuse_sums(builder.giving(&[last, other]));
        assert_eq!(absorb_shuffles(graph.clone()), graph);

        let mut builder = GraphBuilder::new();
        let made = builder.conv("a", builder.image(), 8);
        let grouped = Conv {
            kind: ConvKind::Grouped(point(), 2),
            ..conv("b")
        };
        let made = builder.same(Op::Conv(grouped), made);
        let last = shuffled(&mut builder, made);
        let graph = builder.giving(&[last]);
        assert_eq!(absorb_shuffles(graph.clone()), graph);
    }

    #[test]
    fn a_sum_of_what_is_shuffled_is_one_of_its_own() {
        let mut builder = GraphBuilder::new();
        let made = builder.conv("a", builder.image(), 8);
        let made = shuffled(&mut builder, made);
        let other = builder.conv("b", builder.image(), 8);
        let other = shuffled(&mut builder, other);
        let sum = builder.add(made, other);
        let graph = fuse_sums(absorb_shuffles(builder.giving(&[sum])));
        assert_eq!(graph.nodes.len(), 3);
    }
}
