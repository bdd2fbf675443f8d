//! Rewrites of the graph, each of which keeps what it computes.

use super::graph::{Conv, ConvKind, Epilogue, Graph, Node, Op, Residual, ValueId};

/// Every pass, in the order that lets each see what it needs.
pub fn optimize(graph: Graph) -> Graph {
    let graph = fold_batch_norms(graph);
    let graph = absorb_flattens(graph);
    let graph = add_biases(graph);
    let graph = hoist_activations_over_concats(graph);
    let graph = fuse_activations(graph);
    let graph = add_enlarged(fuse_sums(graph));
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
        Op::AddBias(bias)
            if conv.bias.is_none() && conv.norm.is_none() && conv.epilogue == Epilogue::PLAIN =>
        {
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
        let shape = &graph.values[maps.0];
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
        let is_depthwise = matches!(conv.kind, ConvKind::Depthwise(_));
        if is_depthwise || conv.epilogue.residual != Residual::None {
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
        // One buffer must not be bound twice for writing.
        if added == input {
            continue;
        }
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
                    && producer.is_some_and(|node| writes_beside(&graph.nodes[node].op))
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

/// Whether an operation can write its channels beside others'.
fn writes_beside(op: &Op) -> bool {
    matches!(op, Op::Conv(conv) if !matches!(conv.kind, ConvKind::Depthwise(_)))
}

/// Enlargement, sum that no convolution took in → sum that reads the coarser map itself.
pub fn add_enlarged(mut graph: Graph) -> Graph {
    for index in 0..graph.nodes.len() {
        if graph.nodes[index].op != Op::Add {
            continue;
        }
        let [left, right] = graph.nodes[index].inputs[..] else {
            unreachable!("a sum has two operands")
        };
        for (fine, enlarged) in [(left, right), (right, left)] {
            let producer = graph.producer(enlarged);
            let upsample = producer.filter(|&node| graph.nodes[node].op == Op::Upsample);
            if let Some(node) = upsample {
                graph.nodes[index].inputs = vec![fine, graph.nodes[node].inputs[0]];
                break;
            }
        }
    }
    let unread =
        |graph: &Graph, node: &Node| node.op == Op::Upsample && graph.uses(node.outputs[0]) == 0;
    while let Some(index) = graph.nodes.iter().position(|node| unread(&graph, node)) {
        graph.nodes.remove(index);
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

#[cfg(test)]
mod tests {
    use super::super::graph::{Norm, Window};
    use super::*;

    /// A graph of maps, built node by node.
    struct Builder(Graph);

    impl Builder {
        /// With an image `[1, 3, 8, 8]`, value 0.
        fn new() -> Self {
            Self(Graph {
                values: vec![vec![1, 3, 8, 8]],
                nodes: Vec::new(),
                image: ValueId(0),
                pyramid: Vec::new(),
                detections: [ValueId(0); 5],
            })
        }

        fn image(&self) -> ValueId {
            self.0.image
        }

        fn node(&mut self, op: Op, inputs: &[ValueId], shape: &[usize]) -> ValueId {
            self.0.values.push(shape.to_vec());
            let output = ValueId(self.0.values.len() - 1);
            self.0.nodes.push(Node {
                op,
                inputs: inputs.to_vec(),
                outputs: vec![output],
            });
            output
        }

        fn conv(&mut self, name: &str, input: ValueId, channels: usize) -> ValueId {
            self.node(Op::Conv(conv(name)), &[input], &[1, channels, 8, 8])
        }

        /// What follows `input` without changing its shape.
        fn same(&mut self, op: Op, input: ValueId) -> ValueId {
            let shape = self.0.values[input.0].clone();
            self.node(op, &[input], &shape)
        }

        fn add(&mut self, left: ValueId, right: ValueId) -> ValueId {
            let shape = self.0.values[left.0].clone();
            self.node(Op::Add, &[left, right], &shape)
        }

        /// The graph that gives back `outputs`.
        fn giving(mut self, outputs: &[ValueId]) -> Graph {
            self.0.pyramid = outputs.to_vec();
            self.0
        }
    }

    fn conv(name: &str) -> Conv {
        Conv {
            weight: name.to_owned(),
            kind: ConvKind::Dense(Window {
                kernel: [3, 3],
                stride: [1, 1],
                padding: [1, 1],
            }),
            bias: None,
            norm: None,
            epilogue: Epilogue::PLAIN,
            first_channel: 0,
        }
    }

    fn norm() -> Norm {
        Norm {
            path: "norm".to_owned(),
            eps: 1e-5,
        }
    }

    fn convs(graph: &Graph) -> Vec<&Conv> {
        let convs = graph.nodes.iter().filter_map(|node| match &node.op {
            Op::Conv(conv) => Some(conv),
            _ => None,
        });
        convs.collect()
    }

    #[test]
    fn a_batch_norm_goes_into_the_convolution_before_it() {
        let mut builder = Builder::new();
        let made = builder.conv("a", builder.image(), 8);
        let normed = builder.same(Op::BatchNorm(norm()), made);
        let graph = fold_batch_norms(builder.giving(&[normed]));
        assert_eq!(graph.nodes.len(), 1);
        assert_eq!(graph.nodes[0].outputs, [normed]);
        assert_eq!(convs(&graph)[0].norm, Some(norm()));
    }

    #[test]
    fn a_convolution_that_others_read_keeps_its_result() {
        let mut builder = Builder::new();
        let made = builder.conv("a", builder.image(), 8);
        let normed = builder.same(Op::BatchNorm(norm()), made);
        let graph = builder.giving(&[normed, made]);
        assert_eq!(fold_batch_norms(graph.clone()), graph);
    }

    #[test]
    fn a_second_batch_norm_and_one_behind_an_activation_stay() {
        let mut builder = Builder::new();
        let made = builder.conv("a", builder.image(), 8);
        let once = builder.same(Op::BatchNorm(norm()), made);
        let twice = builder.same(Op::BatchNorm(norm()), once);
        let graph = fold_batch_norms(builder.giving(&[twice]));
        assert_eq!(graph.nodes.len(), 2);

        let mut builder = Builder::new();
        let made = builder.conv("a", builder.image(), 8);
        let active = builder.same(Op::Activation(0.0), made);
        let normed = builder.same(Op::BatchNorm(norm()), active);
        let graph = fold_batch_norms(fuse_activations(builder.giving(&[normed])));
        assert_eq!(graph.nodes.len(), 2);
    }

    #[test]
    fn a_bias_is_added_once() {
        let mut builder = Builder::new();
        let made = builder.conv("a", builder.image(), 8);
        let first = builder.same(Op::AddBias("b".to_owned()), made);
        let second = builder.same(Op::AddBias("c".to_owned()), first);
        let graph = add_biases(builder.giving(&[second]));
        assert_eq!(convs(&graph)[0].bias.as_deref(), Some("b"));
        assert_eq!(graph.nodes[1].op, Op::AddBias("c".to_owned()));
    }

    #[test]
    fn an_activation_before_the_sum_is_inner_and_one_after_it_outer() {
        let mut builder = Builder::new();
        let branch = builder.conv("a", builder.image(), 8);
        let branch = builder.same(Op::Activation(0.1), branch);
        let other = builder.same(Op::MaxPool(point()), branch);
        let own = builder.conv("b", branch, 8);
        let own = builder.same(Op::Activation(0.1), own);
        let sum = builder.add(own, other);
        let sum = builder.same(Op::Activation(0.0), sum);
        let graph = fuse_activations(fuse_sums(fuse_activations(builder.giving(&[sum]))));
        let expected = Epilogue {
            inner_slope: 0.1,
            residual: Residual::Same,
            outer_slope: 0.0,
        };
        assert_eq!(convs(&graph)[1].epilogue, expected);
        assert_eq!(graph.nodes.len(), 3);
    }

    fn point() -> Window {
        Window {
            kernel: [1, 1],
            stride: [1, 1],
            padding: [0, 0],
        }
    }

    #[test]
    fn a_sum_goes_into_the_convolution_whose_result_only_it_reads() {
        let mut builder = Builder::new();
        let kept = builder.conv("kept", builder.image(), 8);
        let only = builder.conv("only", builder.image(), 8);
        let sum = builder.add(kept, only);
        let graph = fuse_sums(builder.giving(&[sum, kept]));
        assert_eq!(graph.nodes.len(), 2);
        // It runs where the sum stood, when its other operand is there.
        assert_eq!(graph.nodes[1].inputs, [graph.image, kept]);
        assert_eq!(graph.nodes[1].outputs, [sum]);
        assert_eq!(convs(&graph)[1].epilogue.residual, Residual::Same);
    }

    #[test]
    fn a_sum_of_what_all_is_read_elsewhere_stays() {
        let mut builder = Builder::new();
        let left = builder.conv("left", builder.image(), 8);
        let right = builder.conv("right", builder.image(), 8);
        let sum = builder.add(left, right);
        let graph = builder.giving(&[sum, left, right]);
        assert_eq!(fuse_sums(graph.clone()), graph);
    }

    #[test]
    fn a_depthwise_convolution_takes_no_sum() {
        let mut builder = Builder::new();
        let other = builder.same(Op::MaxPool(point()), builder.image());
        let depthwise = Conv {
            kind: ConvKind::Depthwise(point()),
            ..conv("a")
        };
        let made = builder.same(Op::Conv(depthwise), builder.image());
        let sum = builder.add(made, other);
        let graph = builder.giving(&[sum]);
        assert_eq!(fuse_sums(graph.clone()), graph);
    }

    #[test]
    fn a_grouped_convolution_takes_what_a_dense_one_does() {
        let mut builder = Builder::new();
        let other = builder.node(Op::MaxPool(point()), &[builder.image()], &[1, 8, 8, 8]);
        let grouped = Conv {
            kind: ConvKind::Grouped(point(), 2),
            ..conv("a")
        };
        let made = builder.node(Op::Conv(grouped), &[builder.image()], &[1, 8, 8, 8]);
        let normed = builder.same(Op::BatchNorm(norm()), made);
        let sum = builder.add(other, normed);
        let active = builder.same(Op::Activation(0.0), sum);
        let graph = optimize(builder.giving(&[active]));
        assert_eq!(graph.nodes.len(), 2);
        let fused = convs(&graph)[0];
        assert_eq!(fused.kind, ConvKind::Grouped(point(), 2));
        assert_eq!(fused.norm, Some(norm()));
        let epilogue = Epilogue {
            residual: Residual::Same,
            outer_slope: 0.0,
            ..Epilogue::PLAIN
        };
        assert_eq!(fused.epilogue, epilogue);
    }

    /// A lateral convolution plus an enlarged coarser map, which is read twice if `shared`.
    fn top_down(shared: bool) -> (Graph, ValueId) {
        let mut builder = Builder::new();
        let coarse = builder.node(Op::MaxPool(point()), &[builder.image()], &[1, 8, 4, 4]);
        let lateral = builder.conv("lateral", builder.image(), 8);
        let enlarged = builder.node(Op::Upsample, &[coarse], &[1, 8, 8, 8]);
        let sum = builder.add(lateral, enlarged);
        let outputs = if shared {
            vec![sum, enlarged]
        } else {
            vec![sum]
        };
        (builder.giving(&outputs), coarse)
    }

    #[test]
    fn the_top_down_step_reads_the_coarser_map_itself() {
        let (graph, coarse) = top_down(false);
        let graph = fuse_sums(graph);
        assert_eq!(graph.nodes.len(), 2);
        assert_eq!(graph.nodes[1].inputs, [graph.image, coarse]);
        assert_eq!(convs(&graph)[0].epilogue.residual, Residual::Upsampled);
    }

    #[test]
    fn an_enlarged_map_that_others_read_stays() {
        let (graph, coarse) = top_down(true);
        let graph = fuse_sums(graph);
        assert_eq!(graph.nodes.len(), 3);
        assert!(graph.nodes.iter().any(|node| node.op == Op::Upsample));
        assert_eq!(graph.nodes[2].inputs, [graph.image, coarse]);
    }

    #[test]
    fn a_sum_on_its_own_reads_the_coarser_map_itself() {
        let mut builder = Builder::new();
        let coarse = builder.node(Op::MaxPool(point()), &[builder.image()], &[1, 3, 4, 4]);
        let enlarged = builder.node(Op::Upsample, &[coarse], &[1, 3, 8, 8]);
        let image = builder.image();
        let sum = builder.add(enlarged, image);
        let graph = add_enlarged(builder.giving(&[sum]));
        assert_eq!(graph.nodes.len(), 2);
        assert_eq!(graph.nodes[1].inputs, [image, coarse]);
    }

    #[test]
    fn a_flatten_becomes_the_matrix_products_layout() {
        let mut builder = Builder::new();
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

    /// Convolutions of so many channels, stacked.
    fn stacked(channels: &[usize]) -> (Builder, Vec<ValueId>, ValueId) {
        let mut builder = Builder::new();
        let parts: Vec<ValueId> = channels
            .iter()
            .map(|&channels| builder.conv("part", builder.image(), channels))
            .collect();
        let whole = [1, channels.iter().sum(), 8, 8];
        let whole = builder.node(Op::Concat, &parts, &whole);
        (builder, parts, whole)
    }

    #[test]
    fn an_activation_moves_before_the_concat() {
        let (mut builder, _, whole) = stacked(&[8, 4]);
        let active = builder.same(Op::Activation(0.0), whole);
        let graph = hoist_activations_over_concats(builder.giving(&[active]));
        let concat = graph.nodes.last().expect("the concat");
        assert_eq!((&concat.op, &concat.outputs), (&Op::Concat, &vec![active]));
        for &part in &concat.inputs {
            let producer = graph.producer(part).expect("a part is made");
            assert_eq!(graph.nodes[producer].op, Op::Activation(0.0));
        }
        let shapes = concat.inputs.iter().map(|part| graph.values[part.0][1]);
        assert_eq!(shapes.collect::<Vec<_>>(), [8, 4]);
    }

    #[test]
    fn a_concat_that_others_read_is_not_activated_in_parts() {
        let (mut builder, _, whole) = stacked(&[8, 4]);
        let active = builder.same(Op::Activation(0.0), whole);
        let graph = builder.giving(&[active, whole]);
        assert_eq!(hoist_activations_over_concats(graph.clone()), graph);
    }

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
