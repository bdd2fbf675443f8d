//! Whether a node computes something that follows from what it reads.

use crate::compile::graph::{Conv, ConvKind, Graph, Node, Op, Window};
use crate::kernels::upsample_add::Upsampling;
use crate::plan::{Value, ValueId, ValueKind};

/// A node in its graph.
pub(super) struct NodeCheck<'a> {
    pub graph: &'a Graph,
    pub node: &'a Node,
}

/// With what is wrong.
pub(super) type Outcome = Result<(), String>;

impl NodeCheck<'_> {
    pub fn check(&self) -> Outcome {
        match &self.node.op {
            Op::Extension(extension) => {
                let operation = extension.operation;
                let (inputs, outputs) = operation.signature(self.node.inputs.len());
                self.kinds(&self.node.inputs, &inputs)?;
                self.kinds(&self.node.outputs, &outputs)?;
                self.candidates_are_whole()?;
                let values = |ids: &[ValueId]| -> Vec<&Value> {
                    ids.iter().map(|id| self.graph.value(*id)).collect()
                };
                let (inputs, outputs) = (values(&self.node.inputs), values(&self.node.outputs));
                operation.check(&extension.scalars, &inputs, &outputs)
            }
            op @ (Op::Chain(_)
            | Op::Reduce(..)
            | Op::Softmax(..)
            | Op::LayerNorm(_)
            | Op::Product) => self.tensors(op),
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

    /// Scores, labels and levels lie within the rows: those of others cannot be read with them.
    fn candidates_are_whole(&self) -> Outcome {
        let inputs = &self.node.inputs;
        for (index, input) in inputs.iter().enumerate() {
            if self.graph.value(*input).kind != ValueKind::Candidates {
                continue;
            }
            let maker = self.graph.producer(*input);
            let made = maker.map(|maker| &self.graph.nodes[maker].outputs[..]);
            if made.is_none_or(|made| !inputs[index..].starts_with(made)) {
                let whole = "their scores, labels, levels and count";
                return Err(format!("it takes rows of candidates apart from {whole}"));
            }
        }
        Ok(())
    }

    pub(super) fn input(&self, index: usize) -> Result<&[usize], String> {
        let value = self.node.inputs.get(index);
        let value = value.ok_or_else(|| format!("it has no input {index}"))?;
        Ok(self.graph.shape(*value))
    }

    pub(super) fn output(&self) -> &[usize] {
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
            Op::Upsample(_) | Op::UpsampleAligned => {
                self.has_inputs(1)?;
                let [items, channels, ..] = maps(self.input(0)?)?;
                let [_, _, height, width] = maps(output)?;
                self.is(output, &[items, channels, height, width])
            }
            Op::MaxPool(window) => {
                let size = self.pool(*window)?;
                all_touch(size, *window)
            }
            Op::AveragePool(window, _) => self.pool(*window).map(drop),
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
            _ => unreachable!("others are checked elsewhere"),
        }
    }

    pub(super) fn has_inputs(&self, expected: usize) -> Outcome {
        match self.node.inputs.len() {
            found if found == expected => Ok(()),
            found => Err(format!(
                "it has {found} inputs, where {expected} are expected"
            )),
        }
    }

    pub(super) fn is(&self, found: &[usize], expected: &[usize]) -> Outcome {
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
        let (shuffle, residual) = (conv.epilogue.shuffle, conv.epilogue.residual);
        let is_dense = matches!(conv.kind, ConvKind::Dense(_));
        if shuffle != 1 && (!is_dense || residual.is_some()) {
            return Err(
                "it shuffles pixels, which only dense convolutions do, without a sum".into(),
            );
        }
        match (conv.kind, input) {
            (ConvKind::Linear(None), &[rows, _]) => self.is(output, &[rows, conv.out_channels]),
            (ConvKind::Linear(Some(layout)), &[rows, channels, height, width]) => {
                self.is(&layout, &[channels, height, width])?;
                self.is(output, &[rows, conv.out_channels])
            }
            (ConvKind::Linear(_), shape) => {
                Err(format!("it multiplies {shape:?}, where rows are expected"))
            }
            (kind, shape) => {
                let [items, channels, height, width] = maps(shape)?;
                match kind {
                    ConvKind::Depthwise(_) => self.is(&[conv.out_channels], &[channels])?,
                    ConvKind::Grouped(_, groups) => grouped(channels, conv.out_channels, groups)?,
                    _ => {}
                }
                let size = moved([height, width], kind.window())?;
                let [height, width] = size.map(|side| side * shuffle);
                self.is(output, &[items, own, height, width])
            }
        }?;
        match residual {
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
                let [found_items, found, ..] = maps(shape)?;
                let [items, ..] = maps(output)?;
                self.is(&[found_items, found], &[items, channels])
            }
        }
    }

    fn add(&self, upsampling: Upsampling) -> Outcome {
        self.has_inputs(2)?;
        let (fine, coarse) = (self.input(0)?, self.input(1)?);
        self.is(self.output(), fine)?;
        if fine == coarse && upsampling == Upsampling::Nearest {
            return Ok(());
        }
        self.residual(coarse, fine.get(1).copied().unwrap_or(0), upsampling)
    }

    /// Height and width of what is pooled.
    fn pool(&self, window: Window) -> Result<[usize; 2], String> {
        self.has_inputs(1)?;
        let [items, channels, height, width] = maps(self.input(0)?)?;
        let [down, across] = moved([height, width], window)?;
        self.is(self.output(), &[items, channels, down, across])?;
        Ok([height, width])
    }

    fn concat(&self) -> Outcome {
        self.input(0)?;
        let [items, _, height, width] = maps(self.output())?;
        let mut sum = 0;
        for part in 0..self.node.inputs.len() {
            let [n, channels, h, w] = maps(self.input(part)?)?;
            self.is(&[n, h, w], &[items, height, width])?;
            sum += channels;
        }
        self.is(self.output(), &[items, sum, height, width])
    }
}

/// Whether all groups have as many channels.
fn grouped(channels: usize, out_channels: usize, groups: usize) -> Outcome {
    let by_groups = |channels: usize| groups > 0 && channels.is_multiple_of(groups);
    match by_groups(channels) && by_groups(out_channels) {
        true => Ok(()),
        false => Err(format!(
            "it makes {out_channels} channels of {channels}, which are no multiples of its {groups} groups"
        )),
    }
}

/// Items, channels, height and width of a map.
fn maps(shape: &[usize]) -> Result<[usize; 4], String> {
    <[usize; 4]>::try_from(shape)
        .map_err(|_| format!("it computes over {shape:?}, where maps, [N, C, H, W], are expected"))
}

/// Channels, height and width of a map of one item: nothing else is given back.
pub(super) fn one_map(shape: &[usize]) -> Result<[usize; 3], String> {
    match *shape {
        [1, channels, height, width] => Ok([channels, height, width]),
        _ => Err(format!(
            "it gives back {shape:?}, where only one map, [1, C, H, W], is known"
        )),
    }
}

/// Height and width after a window has moved over a map.
fn moved(size: [usize; 2], window: Window) -> Result<[usize; 2], String> {
    window
        .out_size(size)
        .ok_or_else(|| format!("its window {:?} does not fit into {size:?}", window.kernel))
}

/// Whether a window holds a cell of the map wherever it stands: it has no maximum otherwise.
fn all_touch(size: [usize; 2], window: Window) -> Outcome {
    let touches = |axis: usize, place: usize| {
        let map = window.padding[axis]..window.padding[axis] + size[axis];
        let taps = (0..window.kernel[axis]).map(|tap| tap * window.dilation[axis]);
        taps.map(|tap| place * window.stride[axis] + tap)
            .any(|cell| map.contains(&cell))
    };
    let made = moved(size, window)?;
    match (0..2).all(|axis| (0..made[axis]).all(|place| touches(axis, place))) {
        true => Ok(()),
        false => Err(format!(
            "its window {:?} holds no cell of {size:?} at some places",
            window.kernel
        )),
    }
}
