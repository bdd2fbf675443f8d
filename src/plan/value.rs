//! The values that operations hand to each other.

use crate::kernels::Layout;

/// Index of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub usize);

/// What a graph knows of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// As Burn has it.
    pub shape: Vec<usize>,
    /// What it holds.
    pub kind: ValueKind,
    /// The dimension that lies side by side in memory: see [`Layout::inner`].
    pub inner: usize,
}

/// What a value holds, and how it lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// A map `[N, C, H, W]`, rows `[R, C]` or another tensor: floats of 32 or 16 bits.
    Floats,
    /// A tensor of whole numbers or of truth, 1 or 0, as floats of 32 bits.
    Numbers,
    /// Integers of 32 bits.
    Integers,
    /// The picture's sizes, which every kernel that needs them has at hand.
    Frame,
    /// Rows `[M, 4 + 2L]` of scored boxes with landmarks. Their scores, labels and levels lie within.
    Candidates,
    /// Scores, labels or levels that lie within the rows of candidates.
    CandidateColumn,
    /// Detections, which lie in the read-back alone.
    Detections,
}

impl ValueKind {
    /// Whether it is a tensor that lies in memory as its layout says.
    pub fn is_tensor(self) -> bool {
        matches!(self, Self::Floats | Self::Numbers)
    }

    /// What it is, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Floats => "floats",
            Self::Numbers => "numbers",
            Self::Integers => "integers",
            Self::Frame => "the picture's sizes",
            Self::Candidates => "rows of candidates",
            Self::CandidateColumn => "a column of candidates",
            Self::Detections => "detections",
        }
    }
}

impl Value {
    /// One that lies in memory as such tensors usually do.
    pub fn new(shape: Vec<usize>, kind: ValueKind) -> Self {
        let inner = Layout::usual_inner(shape.len());
        Self { shape, kind, inner }
    }

    /// How it lies in memory, where it is a tensor.
    pub fn layout(&self) -> Layout {
        Layout {
            shape: self.shape.clone(),
            inner: self.inner,
        }
    }

    /// Items of a map, which a kernel computes alike; a matrix is one.
    pub fn items(&self) -> usize {
        match *self.shape {
            [items, _, _, _] => items,
            _ => 1,
        }
    }

    /// Channels, height and width of a map; the columns of any other tensor, whose rows are pixels of one
    /// line.
    pub fn map(&self) -> [usize; 3] {
        match *self.shape {
            [_, channels, height, width] if self.inner == 1 => [channels, height, width],
            _ => {
                let layout = self.layout();
                [layout.channels(), 1, layout.pixels()]
            }
        }
    }
}
