//! Convolutions, concat → convolutions that write side by side.

use crate::compile::graph::{Graph, Node, Op};
use crate::plan::ValueId;

/// Convolutions, concat → convolutions that write side by side. Channels are stored by fours, so
/// this holds where every part but the last is a multiple of four.
pub fn write_into_concats(mut graph: Graph) -> Graph {
    let mut index = 0;
    while index < graph.nodes.len() {
        let node = &graph.nodes[index];
        if node.op != Op::Concat {
            index += 1;
            continue;
        }
        let parts: Vec<(ValueId, usize)> = node
            .inputs
            .iter()
            .map(|&part| (part, graph.shape(part)[1]))
            .collect();
        let aligned = parts
            .iter()
            .rev()
            .skip(1)
            .all(|(_, channels)| channels % 4 == 0);
        let fits = |part: ValueId| {
            let mut writers = writers(&graph, part).peekable();
            graph.uses(part) == 1
                && writers.peek().is_some()
                && writers.all(|node| matches!(node.op, Op::Conv(_)))
        };
        if !aligned || !parts.iter().all(|&(part, _)| fits(part)) {
            index += 1;
            continue;
        }
        let whole = graph.nodes.remove(index).outputs[0];
        let mut first = 0;
        for (part, channels) in parts {
            // A part that was stacked itself has several writers.
            let writers = graph.nodes.iter_mut();
            for node in writers.filter(|node| node.outputs == [part]) {
                node.outputs = vec![whole];
                if let Op::Conv(conv) = &mut node.op {
                    conv.first_channel += first;
                }
            }
            first += channels;
        }
    }
    graph
}

/// The nodes that make a value together.
fn writers(graph: &Graph, value: ValueId) -> impl Iterator<Item = &Node> {
    let nodes = graph.nodes.iter();
    nodes.filter(move |node| node.outputs.contains(&value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::passes::graphs::{GraphBuilder, convs, stacked};

    #[test]
    fn stacked_convolutions_write_side_by_side() {
        let (builder, _, whole) = stacked(&[8, 4, 3]);
        let graph = write_into_concats(builder.giving(&[whole]));
        let places: Vec<usize> = convs(&graph)
            .iter()
            .map(|conv| conv.first_channel)
            .collect();
        assert_eq!(places, [0, 8, 12]);
        assert!(graph.nodes.iter().all(|node| node.outputs == [whole]));
    }

    #[test]
    fn what_is_stacked_twice_is_written_where_it_belongs() {
        let (mut builder, _, inner) = stacked(&[8, 4]);
        let last = builder.conv("part", builder.image(), 6);
        let whole = builder.node(Op::Concat, &[last, inner], &[1, 18, 8, 8]);
        let unaligned = builder.0.clone();
        let graph = write_into_concats(builder.giving(&[whole]));
        // Six channels before others leave no room for blocks.
        assert_eq!(graph.nodes.last().expect("the concat").op, Op::Concat);

        let mut builder = GraphBuilder(unaligned);
        builder.0.nodes.pop();
        let whole = builder.node(Op::Concat, &[inner, last], &[1, 18, 8, 8]);
        let graph = write_into_concats(builder.giving(&[whole]));
        let places: Vec<usize> = convs(&graph)
            .iter()
            .map(|conv| conv.first_channel)
            .collect();
        assert_eq!(places, [0, 8, 12]);
        assert!(graph.nodes.iter().all(|node| node.outputs == [whole]));
    }

    #[test]
    fn parts_that_are_no_multiple_of_four_do_not() {
        let (builder, _, whole) = stacked(&[8, 3, 4]);
        let graph = builder.giving(&[whole]);
        assert_eq!(write_into_concats(graph.clone()), graph);
    }

    #[test]
    fn parts_that_others_read_do_not() {
        let (builder, parts, whole) = stacked(&[8, 4]);
        let graph = builder.giving(&[whole, parts[0]]);
        assert_eq!(write_into_concats(graph.clone()), graph);
    }
}
