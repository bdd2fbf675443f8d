//! The values that operations hand to each other.

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
}

/// What a value holds, and how it lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// A map `[N, C, H, W]`, rows `[R, C]` or a vector: floats of 32 or 16 bits.
    Floats,
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
    /// What it is, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Floats => "floats",
            Self::Integers => "integers",
            Self::Frame => "the picture's sizes",
            Self::Candidates => "rows of candidates",
            Self::CandidateColumn => "a column of candidates",
            Self::Detections => "detections",
        }
    }
}

impl Value {
    /// Items of a map, which a kernel computes alike; a matrix is one.
    pub fn items(&self) -> usize {
        match *self.shape {
            [items, _, _, _] => items,
            _ => 1,
        }
    }

    /// Channels, height and width of a map; the columns of a matrix, whose rows are pixels of one line.
    ///
    /// # Panics
    /// If it is neither.
    pub fn map(&self) -> [usize; 3] {
        match *self.shape {
            [_, channels, height, width] => [channels, height, width],
            [rows, channels] => [channels, 1, rows],
            _ => panic!("a map has four dimensions, a matrix two: {:?}", self.shape),
        }
    }
}
