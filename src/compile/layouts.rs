//! Which dimension of a tensor lies side by side in memory: what operations ask for.

use super::graph::{ConvKind, Op};
use crate::kernels::Layout;

/// How an operation's tensors have to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lies {
    /// As they like, each for itself.
    Any,
    /// All alike.
    Alike,
    /// Each with its last dimension side by side.
    Rows,
    /// As such tensors usually do: maps with their channels side by side.
    Usually,
}

impl Lies {
    /// What an operation asks for.
    pub fn of(op: &Op) -> Self {
        match op {
            Op::Chain(_) => Self::Any,
            Op::Reduce(..) | Op::Softmax(..) => Self::Alike,
            Op::LayerNorm(_) | Op::Product => Self::Rows,
            // Its maps are flattened as they are.
            Op::Conv(conv) if conv.kind == ConvKind::Linear(None) => Self::Rows,
            _ => Self::Usually,
        }
    }

    /// The dimension, in a tensor of so many; none where it is free.
    pub fn inner(self, dimensions: usize) -> Option<usize> {
        match self {
            Self::Any | Self::Alike => None,
            Self::Rows => Some(dimensions.saturating_sub(1)),
            Self::Usually => Some(Layout::usual_inner(dimensions)),
        }
    }
}
