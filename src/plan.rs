//! A plan: the steps a GPU takes for one forward pass, as plain data. It prints, compares and
//! serializes, and needs no GPU.
//!
//! A map `[N, C, H, W]` lies in memory as `[N][H][W][C]` with C rounded up to a multiple of four; a
//! matrix `[R, C]` likewise, a row as a pixel.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use crate::models::Stage;

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
    /// What it is stored in.
    pub number: Number,
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
    /// The part of the detector it belongs to.
    pub stage: Stage,
    /// The shader.
    pub kernel: Kernel,
    /// What it reads, computes and writes in.
    pub numbers: Numbers,
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

/// A floating-point number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Number {
    /// Of 32 bits.
    #[default]
    F32,
    /// Of 16 bits.
    F16,
}

impl Number {
    /// Bytes of four channels of a pixel.
    pub fn quad_bytes(self) -> usize {
        match self {
            Self::F32 => 16,
            Self::F16 => 8,
        }
    }
}

/// The numbers of a kernel's maps and products. Boxes, scores, biases and sums are always of 32
/// bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Numbers {
    /// Of the maps and weights that are read.
    pub stored: Number,
    /// Of the map that is written.
    pub result: Number,
    /// Of a convolution's products.
    pub product: Number,
}

impl Numbers {
    /// 32 bits throughout.
    pub const F32: Self = Self {
        stored: Number::F32,
        result: Number::F32,
        product: Number::F32,
    };
}

/// A kernel for some numbers: what becomes a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shader {
    /// Which kernel.
    pub kernel: Kernel,
    /// Its numbers.
    pub numbers: Numbers,
}

impl From<Kernel> for Shader {
    /// The kernel in 32 bits throughout.
    fn from(kernel: Kernel) -> Self {
        Self {
            kernel,
            numbers: Numbers::F32,
        }
    }
}

impl Shader {
    /// All kernels in all their variants, with all the numbers that plans have them with.
    pub fn all() -> Vec<Self> {
        use Number::{F16, F32};
        let numbers = |stored, result, product| Numbers {
            stored,
            result,
            product,
        };
        let with_16_bits = |kernel: Kernel| match kernel {
            Kernel::Preprocess => vec![numbers(F32, F16, F32)],
            Kernel::Conv(_, Epilogue::None) => vec![],
            Kernel::Conv(ConvForm::Subgroup(..), _) => {
                vec![numbers(F16, F16, F32), numbers(F16, F32, F32)]
            }
            Kernel::Conv(..) => vec![
                numbers(F16, F16, F32),
                numbers(F16, F32, F32),
                numbers(F16, F16, F16),
                numbers(F16, F32, F16),
            ],
            Kernel::Grouped(_) => vec![numbers(F16, F16, F32), numbers(F16, F32, F32)],
            Kernel::Depthwise | Kernel::MaxPool | Kernel::UpsampleAdd | Kernel::RoiAlign => {
                vec![numbers(F16, F16, F32)]
            }
            Kernel::CheckFinite => vec![numbers(F16, F32, F32)],
            _ => vec![],
        };
        let shaders = Kernel::all().into_iter().flat_map(|kernel| {
            let others = with_16_bits(kernel)
                .into_iter()
                .map(move |numbers| Self { kernel, numbers });
            [kernel.into()].into_iter().chain(others)
        });
        shaders.collect()
    }
}

impl fmt::Display for Shader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kernel)?;
        let Numbers {
            stored,
            result,
            product,
        } = self.numbers;
        match (stored, result, product) {
            (Number::F32, Number::F32, Number::F32) => Ok(()),
            (Number::F32, ..) => write!(f, ", to f16"),
            (_, Number::F32, Number::F32) => write!(f, ", f16 to f32"),
            (_, Number::F16, Number::F32) => write!(f, ", f16"),
            (_, Number::F32, Number::F16) => write!(f, ", f16 products to f32"),
            (_, Number::F16, Number::F16) => write!(f, ", f16 products"),
        }
    }
}

impl Step {
    /// What its pipeline is made of.
    pub fn shader(&self) -> Shader {
        Shader {
            kernel: self.kernel,
            numbers: self.numbers,
        }
    }
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

/// The shaders, a file each, and their variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Kernel {
    Preprocess,
    Conv(ConvForm, Epilogue),
    WinogradInput,
    WinogradOutput(Epilogue),
    Depthwise,
    Grouped(Epilogue),
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
    /// What it is stored in.
    pub number: Number,
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
    /// Filters `[out, in, ky, kx]` as `[ky][kx][in][out]`, channels rounded up to fours. Where channels
    /// are grouped, the inputs are those of a group.
    Dense,
    /// Filters `[out, in, 3, 3]`, transformed for Winograd's F(4×4, 3×3), as `[36][in][out]`.
    Winograd,
    /// Filters `[channel, 1, ky, kx]` as `[ky][kx][channel]`.
    Depthwise,
    /// A matrix `[out, in]` as `[in][out]`; where its rows are flattened maps `[C, H, W]`, the inputs
    /// are put into the order of a map in memory.
    Linear(Option<[usize; 3]>),
    /// `[out]`; zeros where the layer has none.
    Bias,
}

/// How a convolution's products are shared among lanes: what a lane makes, and where it has the
/// weights from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum ConvForm {
    /// So many pixels (4 or 8) by 16 channels a lane, which loads all it needs.
    Registers(usize),
    /// So many pixels (4 or 8) by 32 channels a lane, in workgroups of so many lanes; eight lanes
    /// hand each other the weights. Needs subgroups of at least eight lanes.
    Subgroup(usize, usize),
    /// 64 pixels by 64 channels a workgroup, through its memory.
    Tiled,
}

/// What happens to a sum before it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Epilogue {
    /// Nothing.
    None,
    /// Bias and activation.
    Bias,
    /// Bias, activation, another map, activation.
    Residual,
}

/// A text that names no form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown form of the convolution '{0}'")]
pub struct UnknownForm(String);

impl ConvForm {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Registers(4),
        Self::Registers(8),
        Self::Subgroup(4, 8),
        Self::Subgroup(8, 8),
        Self::Subgroup(8, 64),
        Self::Tiled,
    ];

    /// Lanes of a workgroup.
    pub fn lanes(self) -> usize {
        match self {
            Self::Registers(_) | Self::Tiled => 64,
            Self::Subgroup(_, lanes) => lanes,
        }
    }

    /// Pixels, and channels by fours, that a workgroup makes.
    pub fn tile(self) -> [usize; 2] {
        match self {
            Self::Registers(pixels) => [pixels * self.lanes(), 4],
            Self::Subgroup(pixels, lanes) => [pixels * lanes, 8],
            Self::Tiled => [64, 16],
        }
    }
}

impl fmt::Display for ConvForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registers(pixels) => write!(f, "{pixels}×16"),
            Self::Subgroup(pixels, lanes) => write!(f, "{pixels}×32 shared by {lanes}"),
            Self::Tiled => write!(f, "tiled"),
        }
    }
}

impl From<ConvForm> for String {
    fn from(form: ConvForm) -> Self {
        form.to_string()
    }
}

impl TryFrom<String> for ConvForm {
    type Error = UnknownForm;

    fn try_from(name: String) -> Result<Self, UnknownForm> {
        let mut forms = Self::ALL.into_iter();
        forms
            .find(|form| form.to_string() == name)
            .ok_or(UnknownForm(name))
    }
}

impl Kernel {
    /// All kernels in all their variants.
    pub fn all() -> Vec<Self> {
        use Epilogue::{Bias, None, Residual};
        let convs = ConvForm::ALL
            .into_iter()
            .flat_map(|form| [None, Bias, Residual].map(|epilogue| Self::Conv(form, epilogue)));
        let others = [
            Self::WinogradInput,
            Self::WinogradOutput(Bias),
            Self::WinogradOutput(Residual),
            Self::Depthwise,
            Self::Grouped(Bias),
            Self::Grouped(Residual),
            Self::MaxPool,
            Self::UpsampleAdd,
            Self::RoiAlign,
            Self::TopAnchors,
            Self::DecodeProposals,
            Self::NmsLevels,
            Self::MergeProposals,
            Self::DecodeRois,
            Self::DecodeAnchors,
            Self::RankCandidates,
            Self::SelectDetections,
            Self::CheckFinite,
        ];
        [Self::Preprocess]
            .into_iter()
            .chain(convs)
            .chain(others)
            .collect()
    }

    /// Whether an adapter needs subgroups of at least eight lanes to run it.
    pub fn needs_subgroups(self) -> bool {
        matches!(self, Self::Conv(ConvForm::Subgroup(..), _))
    }
}

impl fmt::Display for Kernel {
    /// Its shader's name; a variant's says in what it differs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with = |epilogue: &Epilogue| match epilogue {
            Epilogue::None => ", sums alone",
            Epilogue::Bias => "",
            Epilogue::Residual => ", with residual",
        };
        match self {
            Self::Preprocess => f.write_str("preprocess"),
            Self::Conv(form, epilogue) => write!(f, "conv {form}{}", with(epilogue)),
            Self::WinogradInput => f.write_str("winograd_input"),
            Self::WinogradOutput(epilogue) => write!(f, "winograd_output{}", with(epilogue)),
            Self::Depthwise => f.write_str("depthwise"),
            Self::Grouped(epilogue) => write!(f, "grouped{}", with(epilogue)),
            Self::MaxPool => f.write_str("max_pool"),
            Self::UpsampleAdd => f.write_str("upsample_add"),
            Self::RoiAlign => f.write_str("roi_align"),
            Self::TopAnchors => f.write_str("top_anchors"),
            Self::DecodeProposals => f.write_str("decode_proposals"),
            Self::NmsLevels => f.write_str("nms_levels"),
            Self::MergeProposals => f.write_str("merge_proposals"),
            Self::DecodeRois => f.write_str("decode_rois"),
            Self::DecodeAnchors => f.write_str("decode_anchors"),
            Self::RankCandidates => f.write_str("rank_candidates"),
            Self::SelectDetections => f.write_str("select_detections"),
            Self::CheckFinite => f.write_str("check_finite"),
        }
    }
}

impl Serialize for Kernel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
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
