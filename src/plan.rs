//! A plan: the steps a GPU takes for one forward pass, as plain data. It prints, compares and
//! serializes, and needs no GPU.
//!
//! A map `[N, C, H, W]` lies in memory as `[N][H][W][C]` with C rounded up to a multiple of four; a
//! matrix `[R, C]` likewise, a row as a pixel.

use serde::Serialize;

/// Pixels and channels by fours whose sums one lane of the convolution keeps.
pub const CONV_TILE: ConvTile = ConvTile {
    pixels: 8,
    quads: 4,
};

/// What one lane of a convolution computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvTile {
    /// Pixels.
    pub pixels: usize,
    /// Channels by fours.
    pub quads: usize,
}

/// The steps of one forward pass over inputs of one size.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// Height and width of the network's input.
    pub padded: [usize; 2],
    /// In the order of execution.
    pub steps: Vec<Step>,
    /// Tensors made of parameters.
    pub constants: Vec<Constant>,
    /// Bytes of each buffer that activations share.
    pub arenas: Vec<usize>,
    /// Bytes of the largest set of activations that are alive at once: no plan can do with less.
    pub lower_bound: usize,
    /// What the read-back holds.
    pub results: Results,
    /// The pyramid's levels, finest first.
    pub pyramid: Vec<MapSlot>,
    /// How many steps it takes to the heads' maps; the others choose among the boxes in them.
    pub trunk: usize,
    /// The maps that the trunk ends in, in the order of the operation that reads them: RPN logits,
    /// then deltas; class logits, boxes, then landmarks of a one-stage model; finest first.
    pub heads: Vec<MapSlot>,
}

/// The layout of the read-back: a header of four words (detections, whether a value was not finite,
/// candidates found, candidates that fit), then the detections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Results {
    /// Most detections.
    pub limit: usize,
    /// vec4 of each: the box and its landmarks, then score, label and level.
    pub quads: usize,
    /// Values of landmarks.
    pub landmarks: usize,
}

impl Results {
    /// Size in bytes.
    pub fn bytes(self) -> usize {
        16 + self.limit * self.quads * 16
    }
}

/// Where a map lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MapSlot {
    /// Channels, height, width.
    pub shape: [usize; 3],
    /// Its place.
    pub range: Range,
}

/// A part of an arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Range {
    /// Index in [`Plan::arenas`].
    pub arena: usize,
    /// First byte, a multiple of 256.
    pub offset: usize,
    /// Bytes.
    pub size: usize,
}

/// One dispatch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// What it computes, in the module's terms.
    pub name: String,
    /// The shader.
    pub kernel: Kernel,
    /// Its parameters, as the words of a uniform buffer.
    pub params: Vec<u32>,
    /// What is bound, from binding 1 on.
    pub bindings: Vec<Binding>,
    /// Workgroups.
    pub groups: [u32; 3],
    /// Shape of what it makes, as the model has it.
    pub output: Vec<usize>,
    /// Floating-point operations, two for a multiplication with addition; 0 where they are few.
    pub flop: u64,
}

/// Something a step reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Binding {
    /// The picture's sizes.
    Frame,
    /// The picture.
    Picture,
    /// A constant, by index.
    Constant(usize),
    /// An activation.
    Arena(Range),
    /// The read-back.
    Results,
}

/// The shaders, a file each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)]
pub enum Kernel {
    Preprocess,
    Conv,
    ConvResidual,
    Depthwise,
    MaxPool,
    UpsampleAdd,
    RoiAlign,
    TopAnchors,
    DecodeProposals,
    NmsLevels,
    MergeProposals,
    DecodeRois,
    DecodeAnchors,
    RankCandidates,
    SelectDetections,
    CheckFinite,
}

/// A tensor made of a layer's parameters, named by their paths. One store of them serves the plans
/// of all sizes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Constant {
    /// The layer's multipliers or its bias.
    pub part: ConstantPart,
    /// Path of the weight.
    pub weight: String,
    /// Path of the bias.
    pub bias: Option<String>,
    /// Path and eps of the batch norm that is folded in.
    pub norm: Option<(String, f64)>,
}

/// Which of a layer's two constants, and its layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ConstantPart {
    /// Filters `[out, in, ky, kx]` as `[ky][kx][in][out]`, channels rounded up to fours.
    Dense,
    /// Filters `[channel, 1, ky, kx]` as `[ky][kx][channel]`.
    Depthwise,
    /// A matrix `[out, in]` as `[in][out]`; where its rows are flattened maps `[C, H, W]`, the inputs
    /// are put into the order of a map in memory.
    Linear(Option<[usize; 3]>),
    /// `[out]`; zeros where the layer has none.
    Bias,
}

impl Kernel {
    /// Its name, which is its shader's; a variant's says in what it differs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Preprocess => "preprocess",
            Self::Conv => "conv",
            Self::ConvResidual => "conv with residual",
            Self::Depthwise => "depthwise",
            Self::MaxPool => "max_pool",
            Self::UpsampleAdd => "upsample_add",
            Self::RoiAlign => "roi_align",
            Self::TopAnchors => "top_anchors",
            Self::DecodeProposals => "decode_proposals",
            Self::NmsLevels => "nms_levels",
            Self::MergeProposals => "merge_proposals",
            Self::DecodeRois => "decode_rois",
            Self::DecodeAnchors => "decode_anchors",
            Self::RankCandidates => "rank_candidates",
            Self::SelectDetections => "select_detections",
            Self::CheckFinite => "check_finite",
        }
    }
}

impl Plan {
    /// Bytes of all activations together.
    pub fn peak(&self) -> usize {
        self.arenas.iter().sum()
    }

    /// Bytes of the largest activation that a step binds.
    pub fn largest_binding(&self) -> usize {
        let bindings = self.steps.iter().flat_map(|step| &step.bindings);
        let sizes = bindings.filter_map(|binding| match binding {
            Binding::Arena(range) => Some(range.size),
            _ => None,
        });
        sizes.max().unwrap_or(0)
    }

    /// Floating-point operations of the whole pass.
    pub fn flop(&self) -> u64 {
        self.steps.iter().map(|step| step.flop).sum()
    }
}
