//! Chain, chain → chain.

use crate::compile::graph::{Graph, Op};
use crate::compile::reads::Reads;
use crate::kernels::chain::{Arg, Chain, MOST_INPUTS, Step, View};
use crate::plan::ValueId;

/// Steps of a chain that is computed again for each of several readers' views.
const MOST_REPEATED: usize = 4;

/// Steps of a chain, at most: longer ones keep more in registers than they save.
const MOST_STEPS: usize = 48;

/// Reads of a chain, at most.
const MOST_READS: usize = 12;

/// Chains that take in those they read from: what only one reads is not written and read again.
pub fn fuse_chains(mut graph: Graph) -> Graph {
    let mut index = 0;
    while index < graph.nodes.len() {
        match fused(&graph, index) {
            Some((producer, chain, inputs)) => {
                graph.nodes[index].op = Op::Chain(chain);
                graph.nodes[index].inputs = inputs;
                graph.nodes.remove(producer);
                index -= 1;
            }
            None => index += 1,
        }
    }
    graph
}

/// The chain at `index` with one that it reads taken in, that one's place, and what the two read.
fn fused(graph: &Graph, index: usize) -> Option<(usize, Chain, Vec<ValueId>)> {
    let node = &graph.nodes[index];
    let Op::Chain(chain) = &node.op else {
        return None;
    };
    node.inputs.iter().enumerate().find_map(|(input, value)| {
        if graph.uses(*value) != 1 {
            return None;
        }
        let producer = graph.producer(*value)?;
        let Op::Chain(before) = &graph.nodes[producer].op else {
            return None;
        };
        if !can_be_taken_in(before, chain, input) {
            return None;
        }
        let (chain, inputs) = taken_in(
            (before, &graph.nodes[producer].inputs),
            (chain, &node.inputs),
            input,
        );
        let fits = chain.inputs() <= MOST_INPUTS
            && chain.steps.len() <= MOST_STEPS
            && chain.reads.len() <= MOST_READS;
        fits.then_some((producer, chain, inputs))
    })
}

fn can_be_taken_in(before: &Chain, chain: &Chain, input: usize) -> bool {
    let reads = chain.reads.iter().filter(|read| read.input == input);
    let views: Vec<_> = reads.map(|read| &read.view).collect();
    if before.is_copy() {
        return true;
    }
    let is_once = views.len() == 1 || before.steps.len() <= MOST_REPEATED;
    let zeros = before.apply(&vec![0.0; before.reads.len()]) == 0.0;
    // What is padded with zeros is what zeros come to.
    let mut views = views.into_iter();
    is_once && views.all(|view| view.only_moves() || (zeros && view.only_pads_with_zeros()))
}

fn taken_in(
    (before, before_inputs): (&Chain, &[ValueId]),
    (chain, chain_inputs): (&Chain, &[ValueId]),
    input: usize,
) -> (Chain, Vec<ValueId>) {
    let mut made = Fusion::default();
    let mut results = Vec::with_capacity(chain.reads.len());
    for read in &chain.reads {
        if read.input != input {
            results.push(made.read(chain_inputs[read.input], read.view.clone()));
            continue;
        }
        let reads: Vec<Arg> = before
            .reads
            .iter()
            .map(|own| {
                let view = own.view.clone().then(&read.view);
                made.read(before_inputs[own.input], view)
            })
            .collect();
        results.push(made.steps(&before.steps, &reads));
    }
    made.steps(&chain.steps, &results);
    (
        Chain {
            reads: made.read.reads,
            steps: made.steps,
        },
        made.read.inputs,
    )
}

/// A chain that is put together.
#[derive(Default)]
struct Fusion {
    read: Reads,
    steps: Vec<Step>,
}

impl Fusion {
    fn read(&mut self, value: ValueId, view: View) -> Arg {
        let Reads { inputs, reads } = &self.read;
        let mut all = reads.iter();
        let known = all.position(|read| inputs[read.input] == value && read.view == view);
        Arg::Read(known.unwrap_or_else(|| self.read.read(value, view)))
    }

    /// Steps over what was read; what the last one makes.
    fn steps(&mut self, steps: &[Step], reads: &[Arg]) -> Arg {
        let first = self.steps.len();
        for step in steps {
            let args = step.args.iter().map(|arg| match *arg {
                Arg::Read(read) => reads[read],
                Arg::Step(step) => Arg::Step(first + step),
                scalar => scalar,
            });
            self.steps.push(Step {
                function: step.function,
                args: args.collect(),
            });
        }
        match steps.is_empty() {
            true => reads[0],
            false => Arg::Step(self.steps.len() - 1),
        }
    }
}
