//! Convolution, sum → convolution that adds.

use crate::compile::graph::{Graph, Op};
use crate::kernels::upsample_add::Upsampling;

/// Convolution, sum → convolution that adds, and reads a coarser map itself where one was upsampled.
pub fn fuse_sums(mut graph: Graph) -> Graph {
    let mut index = 0;
    while index < graph.nodes.len() {
        match graph.nodes[index].op == Op::Add(Upsampling::Nearest) {
            true => index = fuse_sum(&mut graph, index),
            false => index += 1,
        }
    }
    graph
}

/// Fuse the sum at `index` if one of its operands is a convolution's alone; where to go on.
fn fuse_sum(graph: &mut Graph, index: usize) -> usize {
    let [left, right] = graph.nodes[index].inputs[..] else {
        unreachable!("a sum has two operands")
    };
    for (own, other) in [(left, right), (right, left)] {
        let Some(producer) = graph.producer(own).filter(|_| graph.uses(own) == 1) else {
            continue;
        };
        let Op::Conv(mut conv) = graph.nodes[producer].op.clone() else {
            continue;
        };
        // What is stored as squares of pixels would have to be added so.
        if conv.epilogue.residual.is_some() || conv.epilogue.shuffle != 1 {
            continue;
        }
        let input = graph.nodes[producer].inputs[0];
        let upsample = graph.producer(other).and_then(|node| {
            let Op::Upsample(upsampling) = graph.nodes[node].op else {
                return None;
            };
            Some((node, upsampling))
        });
        let (added, upsampling) = match upsample {
            Some((node, upsampling)) => (graph.nodes[node].inputs[0], upsampling),
            None => (other, Upsampling::Nearest),
        };
        // What is read twice would have to be copied first: a sum on its own costs no more.
        if added == input {
            continue;
        }
        conv.epilogue.residual = Some(upsampling);
        // Where the sum stood, its other operand is there.
        graph.nodes[index].op = Op::Conv(conv);
        graph.nodes[index].inputs = vec![input, added];
        let mut removed = vec![producer];
        let unread = upsample.filter(|_| graph.uses(other) == 0);
        removed.extend(unread.map(|(node, _)| node));
        removed.sort_unstable();
        for &node in removed.iter().rev() {
            graph.nodes.remove(node);
        }
        return index + 1 - removed.len();
    }
    index + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::graph::{Conv, ConvKind};
    use crate::compile::passes::graphs::{GraphBuilder, conv, convs, point, top_down};

    #[test]
    fn a_sum_goes_into_the_convolution_whose_result_only_it_reads() {
        let mut builder = GraphBuilder::new();
        let kept = builder.conv("kept", builder.image(), 8);
        let only = builder.conv("only", builder.image(), 8);
        let sum = builder.add(kept, only);
        let graph = fuse_sums(builder.giving(&[sum, kept]));
        assert_eq!(graph.nodes.len(), 2);
        // It runs where the sum stood, when its other operand is there.
        assert_eq!(graph.nodes[1].inputs, [graph.inputs[0], kept]);
        assert_eq!(graph.nodes[1].outputs, [sum]);
        assert_eq!(
            convs(&graph)[1].epilogue.residual,
            Some(Upsampling::Nearest)
        );
    }

    #[test]
    fn a_sum_of_what_all_is_read_elsewhere_stays() {
        let mut builder = GraphBuilder::new();
        let left = builder.conv("left", builder.image(), 8);
        let right = builder.conv("right", builder.image(), 8);
        let sum = builder.add(left, right);
        let graph = builder.giving(&[sum, left, right]);
        assert_eq!(fuse_sums(graph.clone()), graph);
    }

    #[test]
    fn a_depthwise_convolution_takes_a_sum() {
        let mut builder = GraphBuilder::new();
        let other = builder.same(Op::MaxPool(point()), builder.image());
        let depthwise = Conv {
            kind: ConvKind::Depthwise(point()),
            ..conv("a")
        };
        let made = builder.same(Op::Conv(depthwise), builder.image());
        let sum = builder.add(made, other);
        let graph = fuse_sums(builder.giving(&[sum]));
        assert_eq!(graph.nodes.len(), 2);
        assert_eq!(
            convs(&graph)[0].epilogue.residual,
            Some(Upsampling::Nearest)
        );
    }

    #[test]
    fn the_top_down_step_reads_the_coarser_map_itself() {
        let (graph, coarse) = top_down(false);
        let graph = fuse_sums(graph);
        assert_eq!(graph.nodes.len(), 2);
        assert_eq!(graph.nodes[1].inputs, [graph.inputs[0], coarse]);
        assert_eq!(
            convs(&graph)[0].epilogue.residual,
            Some(Upsampling::Nearest)
        );
    }

    #[test]
    fn an_upsampled_map_that_others_read_stays() {
        let (graph, coarse) = top_down(true);
        let graph = fuse_sums(graph);
        assert_eq!(graph.nodes.len(), 3);
        assert!(
            graph
                .nodes
                .iter()
                .any(|node| node.op == Op::Upsample(Upsampling::Nearest))
        );
        assert_eq!(graph.nodes[2].inputs, [graph.inputs[0], coarse]);
    }
}
