//! Whether a graph means something: checked after lowering and after every pass.

mod node;
mod tensors;

use std::ops::Range;

use self::node::{NodeCheck, Outcome, one_map};
use super::graph::{Graph, GraphOutput, Node, Op};
use super::layouts::Lies;
use crate::plan::{ValueId, ValueKind};

/// A graph that is no graph, or computes something that no kernel does.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("after {stage}, {node}: {problem}")]
pub struct GraphError {
    /// The pass after which it was found, or `lowering`.
    pub stage: &'static str,
    /// Which node, and its place in the model.
    pub node: String,
    /// What is wrong with it.
    pub problem: String,
}

/// Check a graph that `stage` has made.
///
/// # Errors
/// If a node reads a value before all of it is made, or makes one again; if shapes do not fit, or a value
/// holds something else than is expected; if a map of several items is given back.
pub fn check(graph: &Graph, stage: &'static str) -> Result<(), GraphError> {
    let of = |node: String| {
        move |problem: String| GraphError {
            stage,
            node,
            problem,
        }
    };
    known(graph).map_err(of("the graph".to_owned()))?;
    let mut made = Made::new(graph);
    for (index, node) in graph.nodes.iter().enumerate() {
        let outcome = made
            .reads(node)
            .and_then(|()| NodeCheck { graph, node }.check())
            .and_then(|()| made.makes(node));
        outcome.map_err(|problem| of(describe(graph, index))(problem))?;
    }
    made.gives_back().map_err(of("its outputs".to_owned()))
}

/// Check that every tensor of a graph lies in memory as those who make and read it take it to lie.
///
/// # Errors
/// If one does not.
pub fn check_layouts(graph: &Graph) -> Result<(), GraphError> {
    for (index, node) in graph.nodes.iter().enumerate() {
        let lies = Lies::of(&node.op);
        let first = graph.value(node.inputs[0]).inner;
        let mut tensors = node.inputs.iter().chain(&node.outputs);
        let wrong = tensors.find(|value| {
            let value = graph.value(**value);
            let wanted = match lies {
                Lies::Alike => Some(first),
                _ => lies.inner(value.shape.len()),
            };
            value.kind.is_tensor() && wanted.is_some_and(|inner| inner != value.inner)
        });
        if let Some(value) = wrong {
            return Err(GraphError {
                stage: "the passes",
                node: describe(graph, index),
                problem: format!(
                    "dimension {} of value {} lies side by side, where another is expected",
                    graph.value(*value).inner,
                    value.0
                ),
            });
        }
    }
    Ok(())
}

/// Whether every value that is named is there, and its input is a map.
fn known(graph: &Graph) -> Outcome {
    let nodes = graph.nodes.iter();
    let ids = nodes.flat_map(|node| node.inputs.iter().chain(&node.outputs));
    let ids = ids.chain(&graph.inputs).chain(&graph.frame);
    let ids = ids.chain(graph.constants.keys());
    let outputs = graph.outputs.iter().flat_map(GraphOutput::values);
    let mut ids = ids.chain(outputs).chain(&graph.checked);
    if let Some(unknown) = ids.find(|id| id.0 >= graph.values.len()) {
        return Err(format!(
            "there is no value {} among {}",
            unknown.0,
            graph.values.len()
        ));
    }
    let inputs = graph.inputs.iter().map(|input| graph.value(*input));
    for input in inputs {
        let (kind, shape) = (input.kind, &input.shape);
        if kind != ValueKind::Floats || shape.contains(&0) {
            return Err(format!(
                "its input holds {} of shape {shape:?}, where floats are expected",
                kind.name()
            ));
        }
    }
    Ok(())
}

/// What is made of each value.
struct Made<'a> {
    graph: &'a Graph,
    /// Channels by value, which the parts of a concat write side by side.
    channels: Vec<Vec<Range<usize>>>,
}

impl<'a> Made<'a> {
    /// What is there before the first node.
    fn new(graph: &'a Graph) -> Self {
        let mut channels = vec![Vec::new(); graph.values.len()];
        let given = graph.inputs.iter().chain(&graph.frame);
        for value in given.chain(graph.constants.keys()) {
            channels[value.0].push(0..width(graph, *value));
        }
        Self { graph, channels }
    }

    fn is_whole(&self, value: ValueId) -> bool {
        // None overlaps another.
        let made: usize = self.channels[value.0].iter().map(Range::len).sum();
        made == width(self.graph, value)
    }

    fn reads(&self, node: &Node) -> Outcome {
        match node.inputs.iter().find(|input| !self.is_whole(**input)) {
            Some(input) => Err(format!(
                "it reads value {}, which is not made before it",
                input.0
            )),
            None => Ok(()),
        }
    }

    fn makes(&mut self, node: &Node) -> Outcome {
        for output in &node.outputs {
            let own = match &node.op {
                Op::Conv(conv) => conv.first_channel..conv.first_channel + conv.out_channels,
                _ => 0..width(self.graph, *output),
            };
            let made = &mut self.channels[output.0];
            let overlaps = |other: &Range<usize>| own.start < other.end && other.start < own.end;
            if made.iter().any(overlaps) {
                return Err(format!("it makes value {} again", output.0));
            }
            made.push(own);
        }
        Ok(())
    }

    /// Whether all that the graph gives back and looks into is there, and is what it is given as.
    fn gives_back(&self) -> Outcome {
        let graph = self.graph;
        let outputs = graph.outputs.iter().flat_map(GraphOutput::values);
        let mut all = outputs.chain(&graph.checked);
        if let Some(value) = all.find(|value| !self.is_whole(**value)) {
            return Err(format!("nothing makes all of value {}", value.0));
        }
        let is = |value: ValueId, kind: ValueKind| match graph.value(value).kind == kind {
            true => Ok(graph.shape(value)),
            false => Err(format!(
                "{} are given back where {} are expected",
                graph.value(value).kind.name(),
                kind.name()
            )),
        };
        for output in &graph.outputs {
            match output {
                GraphOutput::Map(_, map) => one_map(is(*map, ValueKind::Floats)?).map(drop)?,
                GraphOutput::Tensor(_, tensor) => is(*tensor, ValueKind::Floats).map(drop)?,
                GraphOutput::Proposals([boxes, levels, count]) => {
                    let boxes = is(*boxes, ValueKind::Floats)?;
                    let levels = is(*levels, ValueKind::Integers)?;
                    let count = is(*count, ValueKind::Integers)?;
                    if !matches!((boxes, levels, count), ([n, 4], [l], [1]) if n == l) {
                        return Err(format!(
                            "proposals of boxes {boxes:?}, levels {levels:?} and count {count:?} are \
                             given back, where [R, 4], [R] and [1] are expected"
                        ));
                    }
                }
                GraphOutput::Detections(found) => is(*found, ValueKind::Detections).map(drop)?,
                GraphOutput::Instances(_, rows) => match is(*rows, ValueKind::Floats)? {
                    [_, _] => {}
                    shape => {
                        return Err(format!(
                            "{shape:?} is given back of detections, where rows are expected"
                        ));
                    }
                },
            }
        }
        for value in &graph.checked {
            let shape = is(*value, ValueKind::Floats)?;
            if !matches!(shape.len(), 2 | 4) {
                return Err(format!(
                    "{shape:?} is looked into, where maps or rows are expected"
                ));
            }
        }
        Ok(())
    }
}

/// Channels of a map, columns of rows; anything else is made at once.
fn width(graph: &Graph, value: ValueId) -> usize {
    match *graph.shape(value) {
        [_, channels, _, _] | [_, channels] => channels.max(1),
        _ => 1,
    }
}

/// Which node, and its place in the model: its own parameter, or the last one before it.
pub(super) fn describe(graph: &Graph, index: usize) -> String {
    let name = match &graph.nodes[index].op {
        Op::Conv(_) => "convolution".to_owned(),
        Op::Extension(extension) => extension.operation.id().to_owned(),
        Op::Chain(chain) => chain.to_string(),
        other => {
            let name: String = format!("{other:?}")
                .chars()
                .take_while(|c| c.is_alphanumeric())
                .collect();
            name.to_lowercase()
        }
    };
    let parameter = |node: &Node| match &node.op {
        Op::Conv(conv) => Some(conv.weight.clone()),
        Op::BatchNorm(norm) => Some(norm.path.clone()),
        Op::AddBias(bias) => Some(bias.clone()),
        Op::LayerNorm(norm) => Some(norm.weight.clone()),
        _ => None,
    };
    if let Some(own) = parameter(&graph.nodes[index]) {
        return format!("node {index}, {name} of {own}");
    }
    let before = graph.nodes[..index].iter().rev().find_map(parameter);
    match before {
        Some(before) => format!("node {index}, {name} after {before}"),
        None => format!("node {index}, {name}"),
    }
}
