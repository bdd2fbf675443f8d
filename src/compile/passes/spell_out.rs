//! What nothing took in → chains.

use crate::compile::graph::{Graph, Node, Op};
use crate::compile::reads::Reads;
use crate::kernels::chain::{Arg, Chain, Function, MOST_INPUTS, Read, Step, View, normalize, sums};
use crate::kernels::upsample_add::Upsampling;
use crate::plan::{ConstantSource, Value, ValueId, ValueKind};

/// Batch norms, biases, activations, sums, flattened and stacked maps that no convolution took in, as
/// element-wise chains.
pub fn spell_out(mut graph: Graph) -> Graph {
    for index in 0..graph.nodes.len() {
        if let Some((chain, inputs)) = spelled_out(&mut graph, index) {
            let node = &mut graph.nodes[index];
            node.op = Op::Chain(chain);
            node.inputs = inputs;
        }
    }
    graph
}

fn spelled_out(graph: &mut Graph, index: usize) -> Option<(Chain, Vec<ValueId>)> {
    let Node {
        op,
        inputs,
        outputs,
    } = graph.nodes[index].clone();
    let shape = graph.shape(inputs[0]).to_vec();
    let same = View::of(&shape);
    let steps_over = |function: Function, args: Vec<Arg>| vec![Step { function, args }];
    let reads_of = |views: Vec<View>| -> Vec<Read> {
        let reads = views.into_iter().enumerate();
        reads.map(|(input, view)| Read { input, view }).collect()
    };
    Some(match op {
        Op::Activation(slope) => {
            let steps = match slope {
                0.0 => steps_over(Function::Relu, vec![Arg::Read(0)]),
                _ => steps_over(Function::LeakyRelu, vec![Arg::Read(0), Arg::Scalar(slope)]),
            };
            let reads = reads_of(vec![same]);
            (Chain { reads, steps }, inputs)
        }
        Op::AddBias(path) => {
            let (bias, view) = channel_parameter(graph, path, &shape);
            let steps = steps_over(Function::Add, vec![Arg::Read(0), Arg::Read(1)]);
            let reads = reads_of(vec![same, view]);
            (Chain { reads, steps }, vec![inputs[0], bias])
        }
        Op::BatchNorm(norm) => {
            let leaves = ["running_mean", "running_var", "weight", "bias"];
            let parameters = leaves
                .map(|leaf| channel_parameter(graph, format!("{}.{leaf}", norm.path), &shape));
            let mut all = vec![inputs[0]];
            let mut views = vec![same];
            for (parameter, view) in parameters {
                all.push(parameter);
                views.push(view);
            }
            let steps = normalize(norm.eps as f32);
            let reads = reads_of(views);
            (Chain { reads, steps }, all)
        }
        Op::Add(Upsampling::Nearest) if graph.shape(inputs[1]) == shape => {
            let is_twice = inputs[0] == inputs[1];
            let second = if is_twice { 0 } else { 1 };
            let steps = steps_over(Function::Add, vec![Arg::Read(0), Arg::Read(second)]);
            match is_twice {
                true => (
                    Chain {
                        reads: reads_of(vec![same]),
                        steps,
                    },
                    vec![inputs[0]],
                ),
                false => (
                    Chain {
                        reads: reads_of(vec![same.clone(), same]),
                        steps,
                    },
                    inputs,
                ),
            }
        }
        Op::Flatten => (
            Chain::copy(same.reshape(graph.shape(outputs[0]).to_vec())),
            inputs,
        ),
        Op::Concat => stacked(graph, &inputs, outputs[0])?,
        _ => return None,
    })
}

/// A parameter with a value for each channel of a map, or each column of rows.
fn channel_parameter(graph: &mut Graph, path: String, shape: &[usize]) -> (ValueId, View) {
    let channels = shape[1];
    graph
        .values
        .push(Value::new(vec![channels], ValueKind::Floats));
    let value = ValueId(graph.values.len() - 1);
    graph
        .constants
        .insert(value, ConstantSource::Parameter(path));
    let mut along = vec![1; shape.len()];
    along[1] = channels;
    (value, View::of(&[channels]).reshape(along).expand(shape))
}

/// Maps stacked along their channels, as a sum of each with zeros where others are. None where there are more
/// than can be bound.
fn stacked(graph: &Graph, inputs: &[ValueId], output: ValueId) -> Option<(Chain, Vec<ValueId>)> {
    let whole = graph.shape(output)[1];
    let mut read = Reads::default();
    let mut first = 0;
    for part in inputs {
        let shape = graph.shape(*part);
        read.read(*part, View::of(shape).beside(1, first, whole));
        first += shape[1];
    }
    let Reads { inputs, reads } = read;
    let steps = sums(reads.len());
    (inputs.len() <= MOST_INPUTS).then_some((Chain { reads, steps }, inputs))
}
