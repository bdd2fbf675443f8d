//! Whether a graph means something: checked after lowering and after every pass.

use super::graph::{Conv, ConvKind, Graph, GraphOutput, Node, Op, Window};
use crate::kernels::upsample_add::Upsampling;
use crate::plan::{Value, ValueId, ValueKind};

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
/// If a node reads a value before it is made, or one that nobody makes; if shapes do not fit, or a value
/// holds something else than is expected; if a map of several items is computed as if it were one.
pub fn check(graph: &Graph, stage: &'static str) -> Result<(), GraphError> {
    let mut made = vec![false; graph.values.len()];
    made[graph.image.0] = true;
    graph.frame.iter().for_each(|frame| made[frame.0] = true);
    for (index, node) in graph.nodes.iter().enumerate() {
        let problem = |problem: String| GraphError {
            stage,
            node: describe(graph, index),
            problem,
        };
        for input in &node.inputs {
            if !made.get(input.0).copied().unwrap_or(false) {
                return Err(problem(format!(
                    "it reads value {}, which is not made before it",
                    input.0
                )));
            }
        }
        NodeCheck { graph, node }.check().map_err(problem)?;
        for output in &node.outputs {
            // Parts of a concat write side by side.
            let is_part = matches!(&node.op, Op::Conv(_));
            if made[output.0] && !is_part {
                return Err(problem(format!("it makes value {} again", output.0)));
            }
            made[output.0] = true;
        }
    }
    let given_back = graph.outputs.iter().flat_map(GraphOutput::values);
    match given_back
        .chain(&graph.checked)
        .find(|value| !made[value.0])
    {
        Some(value) => Err(GraphError {
            stage,
            node: "its outputs".to_owned(),
            problem: format!("nothing makes value {}", value.0),
        }),
        None => Ok(()),
    }
}

/// Which node, and its place in the model: its own parameter, or the last one before it.
fn describe(graph: &Graph, index: usize) -> String {
    let name = match &graph.nodes[index].op {
        Op::Conv(_) => "convolution".to_owned(),
        Op::Extension(extension) => extension.operation.id().to_owned(),
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

/// A node in its graph.
struct NodeCheck<'a> {
    graph: &'a Graph,
    node: &'a Node,
}

type Outcome = Result<(), String>;

impl NodeCheck<'_> {
    fn check(&self) -> Outcome {
        match &self.node.op {
            Op::Extension(extension) => {
                let operation = extension.operation;
                let (inputs, outputs) = operation.signature(self.node.inputs.len());
                self.kinds(&self.node.inputs, &inputs)?;
                self.kinds(&self.node.outputs, &outputs)?;
                let values = |ids: &[ValueId]| -> Vec<&Value> {
                    ids.iter().map(|id| self.graph.value(*id)).collect()
                };
                let (inputs, outputs) = (values(&self.node.inputs), values(&self.node.outputs));
                operation.check(&extension.scalars, &inputs, &outputs)
            }
            op => {
                self.kinds(
                    &self.node.inputs,
                    &vec![ValueKind::Floats; self.node.inputs.len()],
                )?;
                self.kinds(&self.node.outputs, &[ValueKind::Floats])?;
                self.shapes(op)
            }
        }
    }

    /// What values hold.
    fn kinds(&self, values: &[ValueId], expected: &[ValueKind]) -> Outcome {
        if values.len() != expected.len() {
            let (found, expected) = (values.len(), expected.len());
            return Err(format!(
                "it has {found} values where {expected} are expected"
            ));
        }
        for (value, expected) in values.iter().zip(expected) {
            let found = self.graph.value(*value).kind;
            if found != *expected {
                let (found, expected) = (found.name(), expected.name());
                return Err(format!("it has {found} where {expected} are expected"));
            }
        }
        Ok(())
    }

    fn input(&self, index: usize) -> Result<&[usize], String> {
        let value = self.node.inputs.get(index);
        let value = value.ok_or_else(|| format!("it has no input {index}"))?;
        Ok(self.graph.shape(*value))
    }

    fn output(&self) -> &[usize] {
        self.graph.shape(self.node.outputs[0])
    }

    fn shapes(&self, op: &Op) -> Outcome {
        let output = self.output();
        match op {
            Op::Conv(conv) => self.conv(conv),
            Op::BatchNorm(_) | Op::Activation(_) | Op::AddBias(_) => {
                self.has_inputs(1)?;
                self.is(output, self.input(0)?)
            }
            Op::Add(upsampling) => self.add(*upsampling),
            Op::Upsample(_) => {
                self.has_inputs(1)?;
                let [channels, ..] = one_map(self.input(0)?)?;
                let [made, ..] = one_map(output)?;
                self.is(&[made], &[channels])
            }
            Op::MaxPool(window) => {
                self.has_inputs(1)?;
                let [channels, height, width] = one_map(self.input(0)?)?;
                let size = pooled([height, width], *window)?;
                self.is(output, &[1, channels, size[0], size[1]])
            }
            Op::Concat => self.concat(),
            Op::Flatten => {
                self.has_inputs(1)?;
                match *self.input(0)? {
                    [rows, channels, height, width] => {
                        self.is(output, &[rows, channels * height * width])
                    }
                    ref shape => Err(format!("it flattens {shape:?}, where maps are expected")),
                }
            }
            Op::Extension(_) => unreachable!("extensions check themselves"),
        }
    }

    fn has_inputs(&self, expected: usize) -> Outcome {
        match self.node.inputs.len() {
            found if found == expected => Ok(()),
            found => Err(format!(
                "it has {found} inputs, where {expected} are expected"
            )),
        }
    }

    fn is(&self, found: &[usize], expected: &[usize]) -> Outcome {
        match found == expected {
            true => Ok(()),
            false => Err(format!("it makes {found:?} where {expected:?} follows")),
        }
    }

    fn conv(&self, conv: &Conv) -> Outcome {
        self.has_inputs(1 + usize::from(conv.epilogue.residual.is_some()))?;
        let (input, output) = (self.input(0)?, self.output());
        let own = output.get(1).copied().unwrap_or(0);
        let last = conv.first_channel + conv.out_channels;
        if last > own || !conv.first_channel.is_multiple_of(4) {
            return Err(format!(
                "it makes channels {} to {last} of {own}",
                conv.first_channel
            ));
        }
        match (conv.kind, input) {
            (ConvKind::Linear(None), &[rows, _]) => self.is(output, &[rows, own]),
            (ConvKind::Linear(Some(layout)), &[rows, channels, height, width]) => {
                self.is(&layout, &[channels, height, width])?;
                self.is(output, &[rows, own])
            }
            (ConvKind::Linear(_), shape) => {
                Err(format!("it multiplies {shape:?}, where rows are expected"))
            }
            (kind, shape) => {
                let [channels, height, width] = one_map(shape)?;
                match kind {
                    ConvKind::Depthwise(_) => self.is(&[own], &[channels])?,
                    ConvKind::Grouped(_, groups)
                        if !channels.is_multiple_of(groups)
                            || !conv.out_channels.is_multiple_of(groups) =>
                    {
                        return Err(format!(
                            "its {channels} channels are not of {groups} groups"
                        ));
                    }
                    _ => {}
                }
                let size = convolved([height, width], kind.window(), output)?;
                self.is(output, &[1, own, size[0], size[1]])
            }
        }?;
        match conv.epilogue.residual {
            Some(upsampling) => self.residual(self.input(1)?, conv.out_channels, upsampling),
            None => Ok(()),
        }
    }

    /// A map that is added: of the output's size, or coarser where it is upsampled.
    fn residual(&self, shape: &[usize], channels: usize, upsampling: Upsampling) -> Outcome {
        let output = self.output();
        match (shape, output) {
            (&[rows, columns], &[r, c]) if upsampling == Upsampling::Nearest => {
                self.is(&[rows, columns], &[r, c])
            }
            (shape, output) => {
                let [found, ..] = one_map(shape)?;
                one_map(output)?;
                self.is(&[found], &[channels])
            }
        }
    }

    fn add(&self, upsampling: Upsampling) -> Outcome {
        self.has_inputs(2)?;
        let (fine, coarse) = (self.input(0)?, self.input(1)?);
        self.is(self.output(), fine)?;
        if fine.len() == 4 {
            one_map(fine)?;
        }
        self.residual(coarse, fine.get(1).copied().unwrap_or(0), upsampling)
    }

    fn concat(&self) -> Outcome {
        let [_, height, width] = one_map(self.output())?;
        let mut sum = 0;
        for part in 0..self.node.inputs.len() {
            let [channels, h, w] = one_map(self.input(part)?)?;
            self.is(&[h, w], &[height, width])?;
            sum += channels;
        }
        self.is(self.output(), &[1, sum, height, width])
    }
}

/// Channels, height and width of a map of one item: kernels compute no more.
fn one_map(shape: &[usize]) -> Result<[usize; 3], String> {
    match *shape {
        [1, channels, height, width] => Ok([channels, height, width]),
        _ => Err(format!(
            "it computes over {shape:?}, where only one map, [1, C, H, W], is known"
        )),
    }
}

/// Height and width of a convolution's output. Burn knows padding that differs on two sides, and what
/// is less below and to the right shows in the output alone.
fn convolved(size: [usize; 2], window: Window, output: &[usize]) -> Result<[usize; 2], String> {
    let largest = pooled(size, window)?;
    let found = [output[2], output[3]];
    let fits = |axis: usize| {
        let least = (size[axis] + window.padding[axis]).saturating_sub(window.kernel[axis])
            / window.stride[axis]
            + 1;
        (least..=largest[axis]).contains(&found[axis])
    };
    match fits(0) && fits(1) {
        true => Ok(found),
        false => Ok(largest),
    }
}

/// Height and width after a window has moved over a map padded alike on all sides.
fn pooled(size: [usize; 2], window: Window) -> Result<[usize; 2], String> {
    let side = |axis: usize| {
        let padded = size[axis] + 2 * window.padding[axis];
        match (padded.checked_sub(window.kernel[axis]), window.stride[axis]) {
            (Some(_), 0) | (None, _) => Err(format!(
                "its window {:?} does not fit into {size:?}",
                window.kernel
            )),
            (Some(rest), stride) => Ok(rest / stride + 1),
        }
    };
    Ok([side(0)?, side(1)?])
}
