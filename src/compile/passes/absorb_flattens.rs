//! Flattened maps, matrix product → matrix product that knows the maps' layout.

use crate::compile::graph::{ConvKind, Graph, Node, Op};

/// Flattened maps, matrix product → matrix product that knows the maps' layout.
pub fn absorb_flattens(mut graph: Graph) -> Graph {
    let is_plain =
        |node: &Node| matches!(&node.op, Op::Conv(conv) if conv.kind == ConvKind::Linear(None));
    let mut index = 0;
    while index < graph.nodes.len() {
        let node = &graph.nodes[index];
        let (maps, rows) = (node.inputs[0], node.outputs[0]);
        let readers = || {
            graph
                .nodes
                .iter()
                .filter(|node| node.inputs.contains(&rows))
        };
        let absorbed = node.op == Op::Flatten
            && readers().count() == graph.uses(rows)
            && readers().all(is_plain);
        if !absorbed {
            index += 1;
            continue;
        }
        graph.nodes.remove(index);
        let shape = graph.shape(maps);
        let layout = [shape[1], shape[2], shape[3]];
        for node in &mut graph.nodes {
            if let Op::Conv(conv) = &mut node.op
                && node.inputs.contains(&rows)
            {
                conv.kind = ConvKind::Linear(Some(layout));
            }
        }
        graph.replace(rows, maps);
    }
    graph
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::graph::Conv;
    use crate::compile::passes::graphs::{GraphBuilder, conv, convs};

    #[test]
    fn a_flatten_becomes_the_matrix_products_layout() {
        let mut builder = GraphBuilder::new();
        let maps = builder.conv("a", builder.image(), 8);
        let rows = builder.node(Op::Flatten, &[maps], &[1, 512]);
        let matrix = Conv {
            kind: ConvKind::Linear(None),
            ..conv("b")
        };
        let product = builder.node(Op::Conv(matrix), &[rows], &[1, 10]);
        let graph = absorb_flattens(builder.giving(&[product]));
        assert_eq!(graph.nodes.len(), 2);
        assert_eq!(graph.nodes[1].inputs, [maps]);
        assert_eq!(convs(&graph)[1].kind, ConvKind::Linear(Some([8, 8, 8])));
    }
}
