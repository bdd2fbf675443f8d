//! The compiler's own graph: what the passes rewrite, between Burn's recording and a plan.

use std::collections::BTreeMap;

use crate::kernels::chain::Chain;
use crate::kernels::reduce::Reduction;
use crate::kernels::softmax::Softmax;
use crate::kernels::upsample_add::Upsampling;
use crate::ops::Extension;
use crate::plan::{ConstantSource, InstanceKind, MapInfo, Value, ValueId, ValueKind};

/// What one forward pass computes. Nodes stand in the order of execution.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    /// What is known of each value.
    pub values: Vec<Value>,
    /// The operations.
    pub nodes: Vec<Node>,
    /// What is given from outside; a detector's is the picture, `[1, 3, H, W]`.
    pub inputs: Vec<ValueId>,
    /// The picture's sizes, where anything reads them.
    pub frame: Option<ValueId>,
    /// Tensors that are there before the first node: parameters, and what the module made without computing.
    pub constants: BTreeMap<ValueId, ConstantSource>,
    /// What it gives back.
    pub outputs: Vec<GraphOutput>,
    /// Maps and rows in which NaN and infinities are looked for.
    pub checked: Vec<ValueId>,
}

/// One of the things that a model gives back, by its values or its tensors.
#[derive(Clone, Debug, PartialEq)]
pub enum GraphOutput<V = ValueId> {
    /// A map.
    Map(MapInfo, V),
    /// Any tensor, by name.
    Tensor(String, V),
    /// Proposals: boxes, their levels, their count.
    Proposals([V; 3]),
    /// Detections, by the value that stands for all of theirs.
    Detections(V),
    /// What was found in detections, rows `[D, values]`.
    Instances(InstanceKind, V),
}

impl<V> GraphOutput<V> {
    /// What it is made of.
    pub fn values(&self) -> &[V] {
        match self {
            Self::Map(_, value)
            | Self::Tensor(_, value)
            | Self::Detections(value)
            | Self::Instances(_, value) => std::slice::from_ref(value),
            Self::Proposals(values) => values,
        }
    }

    fn values_mut(&mut self) -> &mut [V] {
        match self {
            Self::Map(_, value)
            | Self::Tensor(_, value)
            | Self::Detections(value)
            | Self::Instances(_, value) => std::slice::from_mut(value),
            Self::Proposals(values) => values,
        }
    }

    /// The same, made of what `other` gives for each part.
    pub(super) fn try_map<W, E>(
        &self,
        mut other: impl FnMut(&V) -> Result<W, E>,
    ) -> Result<GraphOutput<W>, E> {
        Ok(match self {
            Self::Map(info, map) => GraphOutput::Map(info.clone(), other(map)?),
            Self::Tensor(name, tensor) => GraphOutput::Tensor(name.clone(), other(tensor)?),
            Self::Proposals([boxes, levels, count]) => {
                GraphOutput::Proposals([other(boxes)?, other(levels)?, other(count)?])
            }
            Self::Detections(found) => GraphOutput::Detections(other(found)?),
            Self::Instances(kind, rows) => GraphOutput::Instances(*kind, other(rows)?),
        })
    }
}

/// One operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What is done.
    pub op: Op,
    /// The values it reads, but for parameters.
    pub inputs: Vec<ValueId>,
    /// The values it makes.
    pub outputs: Vec<ValueId>,
}

/// What a node does. Parameters are named by their path in the module.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// A convolution, or a matrix product, with what was fused into it.
    Conv(Conv),
    /// Batch norm at inference.
    BatchNorm(Norm),
    /// `max(x, 0) + slope · min(x, 0)`: ReLU at slope 0, leaky ReLU above.
    Activation(f32),
    /// A bias for each channel.
    AddBias(String),
    /// The sum of two maps, the second of which may be coarser and is upsampled then.
    Add(Upsampling),
    /// A map brought to the output's size, which may be larger or smaller.
    Upsample(Upsampling),
    /// The same bilinearly, the corner cells' centres on each other: PyTorch's `align_corners=True`.
    UpsampleAligned,
    /// Maximum over windows; what lies outside the map does not count.
    MaxPool(Window),
    /// Mean over windows of the cells that count: those of the map, and as zeros so many rows above and
    /// below it and columns beside it.
    AveragePool(Window, [usize; 2]),
    /// Maps stacked along their channels.
    Concat,
    /// `[N, C, H, W]` as `[N, C · H · W]`.
    Flatten,
    /// Element-wise operations over tensors that are read through views.
    Chain(Chain),
    /// A dimension reduced to one value.
    Reduce(Reduction, usize),
    /// Shares along a dimension.
    Softmax(Softmax, usize),
    /// Rows normalized to mean 0 and variance 1, each value then with a scale and a shift of its own.
    LayerNorm(LayerNorm),
    /// The product of two matrices that are computed, or many: `[…, M, K]` and `[…, K, N]`.
    Product,
    /// An operation of ours. Passes look into none but PixelShuffle.
    Extension(Extension),
}

/// How a window moves over a map, height before width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its size.
    pub kernel: [usize; 2],
    /// Its step.
    pub stride: [usize; 2],
    /// Cells from one of its taps to the next.
    pub dilation: [usize; 2],
    /// Cells added above and to the left.
    pub padding: [usize; 2],
    /// Cells added below and to the right.
    pub padding_after: [usize; 2],
}

impl Window {
    /// A single cell.
    pub const POINT: Self = Self {
        kernel: [1, 1],
        stride: [1, 1],
        dilation: [1, 1],
        padding: [0, 0],
        padding_after: [0, 0],
    };

    /// Height and width of what it makes of a map of some size; none where it does not fit in.
    pub fn out_size(&self, size: [usize; 2]) -> Option<[usize; 2]> {
        let side = |axis: usize| {
            let extent = self.dilation[axis] * self.kernel[axis].checked_sub(1)? + 1;
            let padded = size[axis] + self.padding[axis] + self.padding_after[axis];
            Some(padded.checked_sub(extent)?.checked_div(self.stride[axis])? + 1)
        };
        Some([side(0)?, side(1)?])
    }
}

/// A batch norm with its running statistics.
#[derive(Clone, Debug, PartialEq)]
pub struct Norm {
    /// Path of the module.
    pub path: String,
    /// Added to the variance.
    pub eps: f64,
}

/// A layer norm's parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerNorm {
    /// Path of the scale.
    pub weight: String,
    /// Path of the shift.
    pub bias: Option<String>,
    /// Added to the variance.
    pub eps: f32,
}

/// A convolution. A matrix product is one of a 1×1 window whose pixels are the matrix' rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv {
    /// Path of the weight.
    pub weight: String,
    /// What multiplies: filters, or a matrix.
    pub kind: ConvKind,
    /// Channels that it makes of a pixel of its output, which may hold others' beside them.
    pub out_channels: usize,
    /// Path of the bias.
    pub bias: Option<String>,
    /// The batch norm folded into weight and bias.
    pub norm: Option<Norm>,
    /// What happens to a sum before it is stored.
    pub epilogue: FusedEpilogue,
    /// What follows the epilogue: element-wise steps over nothing else.
    pub tail: Option<Chain>,
    /// Where the channels lie in the output.
    pub first_channel: usize,
}

/// What multiplies a convolution's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConvKind {
    /// Every input channel with every output channel.
    Dense(Window),
    /// One filter a channel.
    Depthwise(Window),
    /// So many groups of input channels, each with the output channels of its own group alone.
    Grouped(Window, usize),
    /// A transposed convolution of this stride, as a dense one that makes a stride's cells as channels, `[a, b,
    /// out]`; the window is that one's.
    Transposed(Window, [usize; 2]),
    /// A matrix over rows; where the rows are flattened maps, their channels, height and width.
    Linear(Option<[usize; 3]>),
}

impl ConvKind {
    /// The window; that of a matrix is a point.
    pub fn window(self) -> Window {
        match self {
            Self::Dense(window)
            | Self::Depthwise(window)
            | Self::Grouped(window, _)
            | Self::Transposed(window, _) => window,
            Self::Linear(_) => Window::POINT,
        }
    }
}

/// What happens to a convolution's sums, in this order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FusedEpilogue {
    /// Slope of the activation right after the bias; 1 for none.
    pub inner_slope: f32,
    /// Whether the node's second input is added, and how it is upsampled where it is coarser.
    pub residual: Option<Upsampling>,
    /// Slope of the activation at the end; 1 for none.
    pub outer_slope: f32,
    /// Factor of the PixelShuffle by which it is stored; 1 for none.
    pub shuffle: usize,
}

impl FusedEpilogue {
    /// Nothing but the bias.
    pub const PLAIN: Self = Self {
        inner_slope: 1.0,
        residual: None,
        outer_slope: 1.0,
        shuffle: 1,
    };
}

impl Graph {
    /// What is known of a value.
    pub fn value(&self, value: ValueId) -> &Value {
        &self.values[value.0]
    }

    /// A value's shape.
    pub fn shape(&self, value: ValueId) -> &[usize] {
        &self.value(value).shape
    }

    /// A new value.
    pub fn add_value(&mut self, shape: Vec<usize>, kind: ValueKind) -> ValueId {
        self.values.push(Value::new(shape, kind));
        ValueId(self.values.len() - 1)
    }

    /// How many nodes read `value`; what the graph gives back or looks into counts too.
    pub fn uses(&self, value: ValueId) -> usize {
        let reads = self.nodes.iter().flat_map(|node| &node.inputs);
        let outputs = self.outputs.iter().flat_map(GraphOutput::values);
        let read = reads.chain(outputs).chain(&self.checked);
        read.filter(|&&read| read == value).count()
    }

    /// The node that makes `value`; none makes the image.
    pub fn producer(&self, value: ValueId) -> Option<usize> {
        self.nodes
            .iter()
            .position(|node| node.outputs.contains(&value))
    }

    /// Read `new` wherever `old` was read, and give it back wherever `old` was.
    pub fn replace(&mut self, old: ValueId, new: ValueId) {
        let reads = self.nodes.iter_mut().flat_map(|node| &mut node.inputs);
        let outputs = self.outputs.iter_mut();
        let outputs = outputs.flat_map(GraphOutput::values_mut);
        reads
            .chain(outputs)
            .chain(&mut self.checked)
            .filter(|read| **read == old)
            .for_each(|read| *read = new);
    }
}
