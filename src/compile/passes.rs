//! Rewrites of the graph, each of which keeps what it computes.

use super::graph::{Conv, ConvKind, Epilogue, Graph, Node, Op, Residual, ValueId};

/// Every pass, in the order that lets each see what it needs.
pub fn optimize(graph: Graph) -> Graph {
    let graph = fold_batch_norms(graph);
    let graph = absorb_flattens(graph);
    let graph = add_biases(graph);
    let graph = hoist_activations_over_concats(graph);
    let graph = fuse_activations(graph);
    let graph = fuse_sums(graph);
    let graph = fuse_activations(graph);
    write_into_concats(graph)
}

/// Convolution, batch norm → convolution with scaled weights.
pub fn fold_batch_norms(graph: Graph) -> Graph {
    fuse(graph, |conv, next| match next {
        Op::BatchNorm(norm) if conv.norm.is_none() && conv.epilogue == Epilogue::PLAIN => {
            conv.norm = Some(norm.clone());
            true
        }
        _ => false,
    })
}

/// Matrix product, bias → matrix product with bias.
pub fn add_biases(graph: Graph) -> Graph {
    fuse(graph, |conv, next| match next {
        Op::AddBias(bias) if conv.bias.is_none() => {
            conv.bias = Some(bias.clone());
            true
        }
        _ => false,
    })
}

/// Convolution, activation → convolution that activates.
pub fn fuse_activations(graph: Graph) -> Graph {
    fuse(graph, |conv, next| match next {
        Op::Activation(slope) => {
            let epilogue = &mut conv.epilogue;
            let place = match epilogue.residual {
                Residual::None => &mut epilogue.inner_slope,
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

/// Flattened maps, matrix product → matrix product that knows the maps' layout.
pub fn absorb_flattens(mut graph: Graph) -> Graph {
    while let Some(index) = graph.nodes.iter().position(|node| node.op == Op::Flatten) {
        let node = graph.nodes.remove(index);
        let (maps, rows) = (node.inputs[0], node.outputs[0]);
        let shape = &graph.values[maps.0];
        let layout = [shape[1], shape[2], shape[3]];
        for node in graph
            .nodes
            .iter_mut()
            .filter(|node| node.inputs.contains(&rows))
        {
            if let Op::Conv(conv) = &mut node.op {
                conv.kind = ConvKind::Linear(Some(layout));
            }
        }
        graph.replace(rows, maps);
    }
    graph
}

/// Concat, activation → activations, concat: there each can be fused into what comes before it.
pub fn hoist_activations_over_concats(mut graph: Graph) -> Graph {
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
            graph.values.push(graph.values[input.0].clone());
            let activated = ValueId(graph.values.len() - 1);
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

/// Convolution, sum → convolution that adds, and reads a coarser map itself where one was enlarged.
pub fn fuse_sums(mut graph: Graph) -> Graph {
    let mut index = 0;
    while index < graph.nodes.len() {
        match graph.nodes[index].op == Op::Add {
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
        if conv.epilogue.residual != Residual::None {
            continue;
        }
        let input = graph.nodes[producer].inputs[0];
        let upsample = graph
            .producer(other)
            .filter(|&node| graph.nodes[node].op == Op::Upsample);
        let added = match upsample {
            Some(node) => graph.nodes[node].inputs[0],
            None => other,
        };
        conv.epilogue.residual = match upsample {
            Some(_) => Residual::Upsampled,
            None => Residual::Same,
        };
        // Where the sum stood, its other operand is there.
        graph.nodes[index].op = Op::Conv(conv);
        graph.nodes[index].inputs = vec![input, added];
        let mut removed = vec![producer];
        removed.extend(upsample.filter(|_| graph.uses(other) == 0));
        removed.sort_unstable();
        for &node in removed.iter().rev() {
            graph.nodes.remove(node);
        }
        return index + 1 - removed.len();
    }
    index + 1
}

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
            .map(|&part| (part, graph.values[part.0][1]))
            .collect();
        let aligned = parts
            .iter()
            .rev()
            .skip(1)
            .all(|(_, channels)| channels % 4 == 0);
        let fits = aligned
            && parts.iter().all(|&(part, _)| {
                let producer = graph.producer(part);
                graph.uses(part) == 1
                    && producer.is_some_and(|node| matches!(graph.nodes[node].op, Op::Conv(_)))
            });
        if !fits {
            index += 1;
            continue;
        }
        let whole = graph.nodes.remove(index).outputs[0];
        let mut first = 0;
        for (part, channels) in parts {
            let producer = graph.producer(part).expect("checked above");
            let node = &mut graph.nodes[producer];
            node.outputs = vec![whole];
            if let Op::Conv(conv) = &mut node.op {
                conv.first_channel = first;
            }
            first += channels;
        }
    }
    graph
}

/// Let each convolution whose result only one node reads take that node in, as long as `take` does.
fn fuse(mut graph: Graph, take: impl Fn(&mut Conv, &Op) -> bool) -> Graph {
    let mut index = 0;
    while index < graph.nodes.len() {
        let node = &graph.nodes[index];
        let result = node.outputs[0];
        let next = graph.nodes.iter().position(|next| next.inputs == [result]);
        let taken = match (&node.op, next) {
            (Op::Conv(conv), Some(next)) if graph.uses(result) == 1 => {
                let mut conv = conv.clone();
                take(&mut conv, &graph.nodes[next].op).then_some((conv, next))
            }
            _ => None,
        };
        match taken {
            Some((conv, next)) => {
                graph.nodes[index].op = Op::Conv(conv);
                graph.nodes[index].outputs = graph.nodes.remove(next).outputs;
            }
            None => index += 1,
        }
    }
    graph
}
