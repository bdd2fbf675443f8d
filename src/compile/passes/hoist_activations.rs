//! Concat, activation → activations, concat.

use crate::compile::graph::{Graph, Node, Op};
use crate::plan::ValueKind;

/// Concat, activation → activations, concat: there each can be fused into what comes before it.
pub fn hoist_activations(mut graph: Graph) -> Graph {
    let is_pair = |graph: &Graph, node: &Node| match node.op {
        Op::Activation(_) => graph.producer(node.inputs[0]).filter(|&concat| {
            graph.nodes[concat].op == Op::Concat && graph.uses(node.inputs[0]) == 1
        }),
        _ => None,
    };
    while let Some((index, concat)) = graph
        .nodes
        .iter()
        .enumerate()
        .find_map(|(index, node)| Some((index, is_pair(&graph, node)?)))
    {
        let activation = graph.nodes.remove(index);
        graph.nodes[concat].outputs = activation.outputs;
        let parts = graph.nodes[concat].inputs.len();
        for position in 0..parts {
            // Each activation put in before it moves the concat on.
            let concat = concat + position;
            let input = graph.nodes[concat].inputs[position];
            let shape = graph.shape(input).to_vec();
            let activated = graph.add_value(shape, ValueKind::Floats);
            graph.nodes[concat].inputs[position] = activated;
            let activation = Node {
                op: activation.op.clone(),
                inputs: vec![input],
                outputs: vec![activated],
            };
            graph.nodes.insert(concat, activation);
        }
    }
    graph
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::passes::graphs::stacked;

    #[test]
    fn an_activation_moves_before_the_concat() {
        let (mut builder, _, whole) = stacked(&[8, 4]);
        let active = builder.same(Op::Activation(0.0), whole);
        let graph = hoist_activations(builder.giving(&[active]));
        let concat = graph.nodes.last().expect("the concat");
        assert_eq!((&concat.op, &concat.outputs), (&Op::Concat, &vec![active]));
        for &part in &concat.inputs {
            let producer = graph.producer(part).expect("a part is made");
            assert_eq!(graph.nodes[producer].op, Op::Activation(0.0));
        }
        let shapes = concat.inputs.iter().map(|part| graph.shape(*part)[1]);
        assert_eq!(shapes.collect::<Vec<_>>(), [8, 4]);
    }

    #[test]
    fn a_concat_that_others_read_is_not_activated_in_parts() {
        let (mut builder, _, whole) = stacked(&[8, 4]);
        let active = builder.same(Op::Activation(0.0), whole);
        let graph = builder.giving(&[active, whole]);
        assert_eq!(hoist_activations(graph.clone()), graph);
    }
}
