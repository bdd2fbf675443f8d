//! Upsampling, sum that no convolution took in → sum that reads the coarser map itself.

use crate::compile::graph::{Graph, Op};
use crate::kernels::upsample_add::Upsampling;

/// Upsampling, sum that no convolution took in → sum that reads the coarser map itself.
pub fn add_upsampled(mut graph: Graph) -> Graph {
    for index in 0..graph.nodes.len() {
        if graph.nodes[index].op != Op::Add(Upsampling::Nearest) {
            continue;
        }
        let [left, right] = graph.nodes[index].inputs[..] else {
            unreachable!("a sum has two operands")
        };
        for (fine, upsampled) in [(left, right), (right, left)] {
            let producer = graph.producer(upsampled);
            let Some(node) = producer else { continue };
            if let Op::Upsample(upsampling) = graph.nodes[node].op {
                graph.nodes[index].op = Op::Add(upsampling);
                graph.nodes[index].inputs = vec![fine, graph.nodes[node].inputs[0]];
                break;
            }
        }
    }
    graph
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::passes::graphs::{GraphBuilder, point};
    use crate::compile::passes::remove_unread::remove_unread;

    #[test]
    fn a_sum_on_its_own_reads_the_coarser_map_itself() {
        let mut builder = GraphBuilder::new();
        let coarse = builder.node(Op::MaxPool(point()), &[builder.image()], &[1, 3, 4, 4]);
        let upsampled = builder.node(Op::Upsample(Upsampling::Nearest), &[coarse], &[1, 3, 8, 8]);
        let image = builder.image();
        let sum = builder.add(upsampled, image);
        let graph = remove_unread(add_upsampled(builder.giving(&[sum])));
        assert_eq!(graph.nodes.len(), 2);
        assert_eq!(graph.nodes[1].inputs, [image, coarse]);
    }
}
