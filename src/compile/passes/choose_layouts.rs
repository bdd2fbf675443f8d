//! Which dimension of each tensor lies side by side in memory, and copies where two readers want others.

use std::collections::BTreeMap;

use crate::compile::graph::{Graph, GraphOutput, Node, Op};
use crate::compile::layouts::Lies;
use crate::kernels::Layout;
use crate::kernels::chain::{Chain, View};
use crate::plan::ValueId;

/// Values that lie as those who read them ask for: chains make theirs so that as little as possible is looked
/// at value by value, and a view that changes nothing in memory costs nothing.
pub fn choose_layouts(mut graph: Graph) -> Graph {
    let demands = demands(&graph);
    let mut copies = BTreeMap::new();
    let mut nodes = Vec::with_capacity(graph.nodes.len());
    for mut node in std::mem::take(&mut graph.nodes) {
        let lies = Lies::of(&node.op);
        for input in &mut node.inputs {
            let dimensions = graph.shape(*input).len();
            if let Some(inner) = lies.inner(dimensions)
                && graph.value(*input).kind.is_tensor()
                && graph.value(*input).inner != inner
            {
                *input = lying_so(&mut graph, *input, inner, &mut copies, &mut nodes);
            }
        }
        let chosen = match (&node.op, lies) {
            (Op::Chain(chain), _) => Some(cheapest(&graph, chain, &node, &demands)),
            (_, Lies::Alike) => Some(graph.value(node.inputs[0]).inner),
            _ => None,
        };
        for output in &node.outputs {
            let dimensions = graph.shape(*output).len();
            let inner = chosen.or(lies.inner(dimensions));
            if let Some(inner) = inner {
                graph.values[output.0].inner = inner;
            }
        }
        nodes.push(node);
    }
    // Maps are given back as maps lie.
    let mut outputs = std::mem::take(&mut graph.outputs);
    for output in &mut outputs {
        if let GraphOutput::Map(_, map) = output
            && graph.value(*map).inner != 1
        {
            *map = lying_so(&mut graph, *map, 1, &mut copies, &mut nodes);
        }
    }
    graph.outputs = outputs;
    graph.nodes = nodes;
    graph
}

/// The dimension that readers want side by side, by value; where they differ, the first one's.
fn demands(graph: &Graph) -> BTreeMap<ValueId, usize> {
    let mut demands = BTreeMap::new();
    for output in &graph.outputs {
        if let GraphOutput::Map(_, map) = output {
            demands.insert(*map, 1);
        }
    }
    for node in graph.nodes.iter().rev() {
        let lies = Lies::of(&node.op);
        for input in &node.inputs {
            let wanted = match lies {
                Lies::Alike => demands.get(&node.outputs[0]).copied(),
                _ => lies.inner(graph.shape(*input).len()),
            };
            if let Some(inner) = wanted {
                demands.insert(*input, inner);
            }
        }
    }
    demands
}

/// What lies side by side in what a chain makes, so that it and its readers cost least.
fn cheapest(
    graph: &Graph,
    chain: &Chain,
    node: &Node,
    demands: &BTreeMap<ValueId, usize>,
) -> usize {
    let inputs: Vec<Layout> = node
        .inputs
        .iter()
        .map(|input| graph.value(*input).layout())
        .collect();
    let output = node.outputs[0];
    let shape = graph.shape(output);
    let usual = Layout::usual_inner(shape.len());
    let cost = |inner: usize| {
        let layout = Layout {
            shape: shape.to_vec(),
            inner,
        };
        let own = match chain.is_free(&inputs, &layout) {
            true => 0,
            false => chain.cost(&inputs, &layout),
        };
        let again = match demands.get(&output) {
            Some(wanted) if *wanted != inner => 9 * layout.all_blocks(),
            _ => 0,
        };
        (own + again, inner != usual)
    };
    (0..shape.len())
        .min_by_key(|inner| cost(*inner))
        .unwrap_or(0)
}

/// A copy of a value that lies so, made once.
fn lying_so(
    graph: &mut Graph,
    value: ValueId,
    inner: usize,
    copies: &mut BTreeMap<(ValueId, usize), ValueId>,
    nodes: &mut Vec<Node>,
) -> ValueId {
    if let Some(copy) = copies.get(&(value, inner)) {
        return *copy;
    }
    let shape = graph.shape(value).to_vec();
    let view = View::of(&shape);
    let kind = graph.value(value).kind;
    let copy = graph.add_value(shape, kind);
    graph.values[copy.0].inner = inner;
    nodes.push(Node {
        op: Op::Chain(Chain::copy(view)),
        inputs: vec![value],
        outputs: vec![copy],
    });
    copies.insert((value, inner), copy);
    copy
}
