//! What a kernel's bindings are for: the one table that pipelines, plans and checks go by.

use super::dtype::{Dtype, Dtypes};

/// What a binding is to its kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The picture's sizes, as [`FrameUniform`](super::FrameUniform).
    Frame,
    /// The picture, a pixel a word.
    Picture,
    /// A layer's packed weights.
    Weights,
    /// A layer's bias, a value a channel.
    Bias,
    /// A map that is read.
    MapIn,
    /// The map that is written.
    MapOut,
    /// Floats of 32 bits that are read: boxes, and the maps that boxes and scores are made of.
    FloatsIn,
    /// Floats of 32 bits that are written.
    FloatsOut,
    /// Integers that are read.
    WordsIn,
    /// Integers that are written.
    WordsOut,
    /// Integers that are read and then written.
    WordsInOut,
    /// Words that mean nothing before and after.
    Scratch,
    /// A count that several dispatches add to, the first of which sets it.
    Counter,
    /// A number, then as many integers in any order.
    SetOut,
    /// Scored boxes that are read: a row of vec4 each, the last of which holds score, label and level.
    CandidatesIn,
    /// Scored boxes that are written, behind those that are there.
    CandidatesOut,
    /// The read-back: a header of four words, then detections.
    Results,
}

/// How a shader may use a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A uniform buffer.
    Uniform,
    /// A storage buffer that is only read.
    Read,
    /// A storage buffer that may be written. Activations share buffers, and one buffer must not be
    /// bound both ways, so those that are only read are bound so too.
    ReadWrite,
}

impl Role {
    /// How the shader declares it.
    pub fn access(self) -> Access {
        match self {
            Self::Frame => Access::Uniform,
            Self::Picture | Self::Weights | Self::Bias => Access::Read,
            _ => Access::ReadWrite,
        }
    }

    /// Whether the kernel reads what an earlier one wrote there.
    pub fn is_read(self) -> bool {
        matches!(
            self,
            Self::MapIn | Self::FloatsIn | Self::WordsIn | Self::WordsInOut | Self::CandidatesIn
        )
    }

    /// Whether the kernel writes there.
    pub fn is_written(self) -> bool {
        matches!(
            self,
            Self::MapOut
                | Self::FloatsOut
                | Self::WordsOut
                | Self::WordsInOut
                | Self::Scratch
                | Self::Counter
                | Self::SetOut
                | Self::CandidatesOut
                | Self::Results
        )
    }

    /// What its values are stored in by a kernel of `dtypes`; words count as 32 bits.
    pub fn dtype(self, dtypes: Dtypes) -> Dtype {
        match self {
            Self::Weights | Self::MapIn => dtypes.stored,
            Self::MapOut => dtypes.result,
            _ => Dtype::F32,
        }
    }
}
