//! Running a recipe's instructions, over Burn's engine or while they are recorded.

use burn::tensor::Tensor;

use super::instructions::{Instruction, Op};
use super::layers::{Layer, Spec};
use super::tensors::{Any, each};

/// Where instructions run.
pub trait Mode {
    /// The next layer.
    fn layer(&mut self, spec: Spec) -> &Layer;

    /// Whether all values suit, where there are values.
    fn all(&self, tensor: &dyn Fn() -> Any, suits: &dyn Fn(f32) -> bool) -> bool;
}

/// Tensors so far.
pub struct Run<'a> {
    pub tensors: Vec<Any>,
    pub mode: &'a mut dyn Mode,
}

impl Run<'_> {
    /// What an instruction makes, where it fits.
    pub fn apply(&mut self, instruction: &Instruction) -> Option<Any> {
        let of = instruction.of;
        let x = self.tensor(of);
        match &instruction.op {
            Op::Unary(unary) => self.unary(*unary, x),
            Op::Binary(binary, other) => self.binary(*binary, x, *other),
            Op::Choose(others) => self.choose(x, *others),
            Op::Fill(other) => self.fill(x, *other),
            Op::WithVector(axis, how) => self.with_vector(x, *axis, *how),
            Op::WithMap(adds) => self.with_map(of, *adds),
            Op::WithLiteral(axis) => Some(super::element_wise::with_literal(x, *axis)),
            Op::Assign {
                other,
                axis,
                start,
                extent,
            } => self.assign(x, *other, *axis, [*start, *extent]),
            Op::Cat(axis, others) => self.cat(x, *axis, others),
            Op::Reduce(..) | Op::ReduceAll(_) | Op::Softmax(..) => {
                super::across::reduce(x, &instruction.op)
            }
            Op::LayerNorm(_) | Op::GroupNorm(_) | Op::BatchNorm => self.norm(x, &instruction.op),
            Op::Product(other) => self.product(x, *other),
            Op::Attention(causal) => self.attention(of, *causal),
            Op::Linear(features, bias) => self.linear(x, *features, *bias),
            Op::ByMatrix(features) => self.by_matrix(x, *features),
            Op::Conv { .. }
            | Op::MaxPool(..)
            | Op::AveragePool(..)
            | Op::AdaptivePool(_)
            | Op::Interpolate(..) => {
                let map = self.map(of)?;
                self.over_map(map, &instruction.op)
            }
            op => super::views::view(x, op),
        }
    }

    fn tensor(&self, index: usize) -> Any {
        self.tensors[index % self.tensors.len()].clone()
    }

    /// The first tensor that fits, from an index on.
    pub fn fitting(&self, from: usize, fits: impl Fn(&[usize]) -> bool) -> Option<Any> {
        let count = self.tensors.len();
        let places = (0..count).map(|place| &self.tensors[(from + place) % count]);
        places
            .into_iter()
            .find(|tensor| fits(&tensor.shape()))
            .cloned()
    }

    /// The first map, from an index on.
    pub fn map(&self, from: usize) -> Option<Tensor<4>> {
        match self.fitting(from, |shape| shape.len() == 4)? {
            Any::Four(map) => Some(map),
            _ => None,
        }
    }

    /// Whether no value is near 0, where a decision would be another for an error of rounding.
    pub fn is_clear(&self, tensor: &dyn Fn() -> Any) -> bool {
        self.mode.all(tensor, &|value| value.abs() > 1e-3)
    }
}

/// A vector along an axis of a shape.
pub fn along(vector: Tensor<1>, shape: &[usize], axis: usize) -> Any {
    let mut own = vec![1; shape.len()];
    own[axis] = shape[axis];
    Any::from(vector).reshape(&own)
}

/// The device of a tensor.
pub fn device(tensor: &Any) -> burn::tensor::Device {
    each!(tensor, x => x.device())
}
