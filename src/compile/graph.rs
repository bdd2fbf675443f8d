//! The compiler's own graph: what the passes rewrite, between Burn's recording and a plan.

use crate::ops::anchor_decode::AnchorDecodeOptions;
use crate::ops::proposals::ProposalOptions;
use crate::ops::roi_align::RoiAlignOptions;
use crate::ops::roi_decode::RoiDecodeOptions;
use crate::ops::select::SelectOptions;

/// Index of a value in [`Graph::values`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub usize);

/// What one forward pass computes. Nodes stand in the order of execution.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// Shape of each value, as Burn has it.
    pub values: Vec<Vec<usize>>,
    /// The operations.
    pub nodes: Vec<Node>,
    /// The network's input `[1, 3, H, W]`.
    pub image: ValueId,
    /// The pyramid's levels, finest first.
    pub pyramid: Vec<ValueId>,
    /// The detections' rows, scores, labels, levels and count.
    pub detections: [ValueId; 5],
}

/// One operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What is done.
    pub op: Op,
    /// The values it reads, but for parameters and the frame.
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
    /// The sum of two maps.
    Add,
    /// Nearest enlargement to the output's size.
    Upsample,
    /// Maximum over windows.
    MaxPool(Window),
    /// Maps stacked along their channels.
    Concat,
    /// `[N, C, H, W]` as `[N, C · H · W]`.
    Flatten,
    /// See [`select_proposals`](crate::ops::proposals::select_proposals): logits, then deltas.
    SelectProposals(ProposalOptions),
    /// See [`roi_align`](crate::ops::roi_align::roi_align).
    RoiAlign(RoiAlignOptions),
    /// See [`decode_rois`](crate::ops::roi_decode::decode_rois).
    DecodeRois(RoiDecodeOptions),
    /// See [`decode_anchors`](crate::ops::anchor_decode::decode_anchors).
    DecodeAnchors(AnchorDecodeOptions),
    /// See [`select_detections`](crate::ops::select::select_detections).
    SelectDetections(SelectOptions),
}

/// How a window moves over a map, height before width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its size.
    pub kernel: [usize; 2],
    /// Its step.
    pub stride: [usize; 2],
    /// Cells added above and to the left; what is added below and to the right follows from the
    /// output's size.
    pub padding: [usize; 2],
}

/// A batch norm with its running statistics.
#[derive(Clone, Debug, PartialEq)]
pub struct Norm {
    /// Path of the module.
    pub path: String,
    /// Added to the variance.
    pub eps: f64,
}

/// A convolution. A matrix product is one of a 1×1 window whose pixels are the matrix' rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv {
    /// Path of the weight.
    pub weight: String,
    /// What multiplies: filters, or a matrix.
    pub kind: ConvKind,
    /// Path of the bias.
    pub bias: Option<String>,
    /// The batch norm folded into weight and bias.
    pub norm: Option<Norm>,
    /// What happens to a sum before it is stored.
    pub epilogue: Epilogue,
    /// Where the channels lie in the output, which may hold those of others too.
    pub first_channel: usize,
}

/// What multiplies a convolution's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConvKind {
    /// Every input channel with every output channel.
    Dense(Window),
    /// One filter a channel.
    Depthwise(Window),
    /// So many groups of input channels, each with the output channels of its own group alone;
    /// multiples of four in each.
    Grouped(Window, usize),
    /// A matrix over rows; where the rows are flattened maps, their channels, height and width.
    Linear(Option<[usize; 3]>),
}

/// What happens to a convolution's sums, in this order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epilogue {
    /// Slope of the activation right after the bias; 1 for none.
    pub inner_slope: f32,
    /// What is added; the node's second input.
    pub residual: Residual,
    /// Slope of the activation at the end; 1 for none.
    pub outer_slope: f32,
}

/// What an epilogue adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Residual {
    /// Nothing.
    None,
    /// A map of the same size.
    Same,
    /// A coarser map, enlarged to the nearest: the pyramid's top-down step.
    Upsampled,
}

impl Epilogue {
    /// Nothing but the bias.
    pub const PLAIN: Self = Self {
        inner_slope: 1.0,
        residual: Residual::None,
        outer_slope: 1.0,
    };
}

impl Graph {
    /// How many nodes read `value`; what the graph gives back counts as one more.
    pub fn uses(&self, value: ValueId) -> usize {
        let reads = self.nodes.iter().flat_map(|node| &node.inputs);
        let outputs = self.pyramid.iter().chain(&self.detections);
        reads.chain(outputs).filter(|&&read| read == value).count()
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
        let outputs = self.pyramid.iter_mut().chain(&mut self.detections);
        reads
            .chain(outputs)
            .filter(|read| **read == old)
            .for_each(|read| *read = new);
    }
}
