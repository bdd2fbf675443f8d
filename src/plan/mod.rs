//! A plan: the steps a GPU takes for one forward pass, as plain data. It prints, compares and
//! serializes, and needs no GPU.
//!
//! A map `[N, C, H, W]` lies in memory as `[N][H][W][C]` with C rounded up to a multiple of four; a
//! matrix `[R, C]` likewise, a row as a pixel, and other tensors as their [`Layout`](crate::kernels::Layout)
//! says.

mod builder;
mod check;
mod constant;
mod memory;
mod outputs;
mod value;

use serde::Serialize;

pub use builder::{Draft, Operand, PlanBuilder};
pub use check::PlanError;
pub use constant::{
    Constant, ConstantPart, ConstantSource, LayerConstant, Literal, TensorConstant,
};
pub use memory::{Lifetime, place};
pub(crate) use outputs::planar;
pub use outputs::{
    DetectionsLayout, HEADER_WORDS, InstanceKind, MapInfo, MapKind, MapSlot, Output, ProposalsSlot,
    TensorSlot,
};
pub use value::{Value, ValueId, ValueKind};

use crate::kernels::Shader;
use crate::stage::Stage;

/// The steps of one forward pass over inputs of one size.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// Height and width of the network's input.
    pub padded: [usize; 2],
    /// In the order of execution.
    pub steps: Vec<Step>,
    /// Tensors that are there before.
    pub constants: Vec<Constant>,
    /// Bytes of each buffer that activations share.
    pub arenas: Vec<usize>,
    /// Bytes of the largest set of activations that are alive at once: no plan can do with less.
    pub lower_bound: usize,
    /// Tensors that somebody else has to fill before the first step; a model's first step makes its input
    /// of the picture.
    pub inputs: Vec<TensorSlot>,
    /// What it leaves behind, maps finest first.
    pub outputs: Vec<Output>,
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

impl Range {
    /// Whether two have bytes in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.arena == other.arena
            && self.offset < other.offset + other.size
            && other.offset < self.offset + self.size
    }
}

/// One dispatch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// What it computes, in the module's terms.
    pub name: String,
    /// The part of the model it belongs to.
    pub stage: Stage,
    /// The kernel, and what it reads, computes and writes in.
    pub shader: Shader,
    /// Its parameters, as the words of a uniform buffer.
    pub params: Vec<u32>,
    /// What is bound, from binding 1 on.
    pub bindings: Vec<Binding>,
    /// Workgroups.
    pub workgroups: [u32; 3],
    /// The value it makes, or the last of them.
    #[serde(skip)]
    pub value: Option<ValueId>,
    /// Shape of what it makes, as the model has it.
    pub output: Vec<usize>,
    /// Floating-point operations, two for a multiplication with addition; 0 where they are few.
    pub flop: u64,
    /// Accesses to memory that wait for each other, at most, where a single workgroup does all; 0 where many
    /// do, or they are few.
    pub waits: u64,
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

    /// The maps that it leaves behind, finest first within a kind.
    pub fn maps(&self) -> impl Iterator<Item = (&MapInfo, &MapSlot)> {
        self.outputs.iter().filter_map(|output| match output {
            Output::Map(info, slot) => Some((info, slot)),
            _ => None,
        })
    }

    /// The tensors that it leaves behind by name, in the order in which they were given back.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &TensorSlot)> {
        self.outputs.iter().filter_map(|output| match output {
            Output::Tensor(name, slot) => Some((name.as_str(), slot)),
            _ => None,
        })
    }

    /// How its detections lie in the read-back, if it finds any.
    pub fn detections(&self) -> Option<DetectionsLayout> {
        self.outputs.iter().find_map(|output| match output {
            Output::Detections(layout) => Some(*layout),
            _ => None,
        })
    }

    /// Where its proposals lie, if they were asked for.
    pub fn proposals(&self) -> Option<ProposalsSlot> {
        self.outputs.iter().find_map(|output| match output {
            Output::Proposals(slot) => Some(*slot),
            _ => None,
        })
    }

    /// Bytes of the read-back: its header and the detections.
    pub fn results_bytes(&self) -> usize {
        4 * HEADER_WORDS + self.detections().map_or(0, DetectionsLayout::bytes)
    }
}
