//! Instructions that compute along dimensions: reductions, norms, products.

use burn::tensor::Tensor;
use burn::tensor::activation::{log_softmax, softmax, softmin};
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;

use super::instructions::{Op, Reduction};
use super::layers::{Layer, Spec};
use super::run::Run;
use super::tensors::{Any, both, each};

/// Whether Burn normalizes a tensor in so many groups: it refuses fewer than three values.
fn takes_groups(shape: &[usize], groups: usize) -> bool {
    let values: usize = shape.iter().product();
    shape.len() > 2 && values > 2 && shape[1].is_multiple_of(groups)
}

/// How much a norm over rows of so many values magnifies what was rounded off before it, squared: a row's mean
/// square over its variance. Of a row of equal values nothing else is left.
fn spread(x: &Any, row: usize) -> Any {
    let values: usize = x.shape().iter().product();
    each!(x.clone(), x => {
        let x: Tensor<2> = x.reshape([values / row, row]);
        let square = x.clone().square().mean_dim(1);
        let variance = (x.clone() - x.mean_dim(1)).square().mean_dim(1);
        (square / (variance + 1e-5)).into()
    })
}

impl Run<'_> {
    pub fn norm(&mut self, x: Any, op: &Op) -> Option<Any> {
        let shape = x.shape();
        let last = *shape.last()?;
        let spec = match *op {
            Op::LayerNorm(bias) => Spec::LayerNorm(last, bias),
            Op::GroupNorm(groups) if takes_groups(&shape, groups) => {
                Spec::GroupNorm(groups, shape[1])
            }
            Op::BatchNorm if shape.len() > 1 => Spec::BatchNorm(shape[1]),
            _ => return None,
        };
        let row = match spec {
            Spec::LayerNorm(..) => last,
            Spec::GroupNorm(groups, channels) => {
                channels / groups * shape[2..].iter().product::<usize>()
            }
            // It takes its variance from the parameters.
            _ => 0,
        };
        if row > 0 && !self.mode.all(&|| spread(&x, row), &|ratio| ratio <= 100.0) {
            return None;
        }
        let layer = self.mode.layer(spec);
        Some(each!(x, x => match layer {
            Layer::LayerNorm(norm) => norm.forward(x).into(),
            Layer::GroupNorm(norm) => norm.forward(x).into(),
            Layer::BatchNorm(norm) => norm.forward(x).into(),
            _ => return None,
        }))
    }

    /// With a tensor whose rows, or else whose columns, are as long.
    pub fn product(&self, x: Any, other: usize) -> Option<Any> {
        let shape = x.shape();
        let rank = shape.len();
        if rank < 2 {
            return None;
        }
        let fits = |other: &[usize]| {
            let alike = |(a, b): (&usize, &usize)| a == b || *a == 1 || *b == 1;
            other.len() == rank
                && shape.iter().zip(other).take(rank - 2).all(alike)
                && other[rank - 2..].contains(&shape[rank - 1])
        };
        let y = self.fitting(other, fits)?;
        let is_transposed = y.shape()[rank - 2] != shape[rank - 1];
        Some(both!(x, y, (x, y) => match is_transposed {
            true => x.matmul(y.transpose()).into(),
            false => x.matmul(y).into(),
        }))
    }

    /// Of a map with itself.
    pub fn attention(&self, of: usize, is_causal: bool) -> Option<Any> {
        let x = self.map(of)?;
        let options = AttentionModuleOptions {
            is_causal,
            ..AttentionModuleOptions::default()
        };
        Some(attention(x.clone(), x.clone(), x, None, None, options).into())
    }

    pub fn linear(&mut self, x: Any, after: usize, bias: bool) -> Option<Any> {
        let before = *x.shape().last()?;
        let features = [before, after];
        match self.mode.layer(Spec::Linear { features, bias }) {
            Layer::Linear(linear) => Some(each!(x, x => linear.forward(x).into())),
            _ => None,
        }
    }

    pub fn by_matrix(&mut self, x: Any, after: usize) -> Option<Any> {
        let shape = x.shape();
        if shape.len() < 2 {
            return None;
        }
        let before = *shape.last()?;
        match self.mode.layer(Spec::Matrix([before, after])) {
            Layer::Matrix(matrix) => {
                let matrix = Any::from(matrix.val()).in_front(shape.len());
                Some(both!(x, matrix, (x, matrix) => x.matmul(matrix).into()))
            }
            _ => None,
        }
    }
}

pub fn reduce(x: Any, op: &Op) -> Option<Any> {
    each!(x, x => match *op {
        Op::Reduce(reduction, axis) => Some(along(x, reduction, axis).into()),
        Op::ReduceAll(reduction) => Some(whole(x, reduction).into()),
        Op::Softmax(kind, axis) => Some(shares(x, kind, axis).into()),
        _ => None,
    })
}

fn along<const D: usize>(x: Tensor<D>, reduction: Reduction, axis: usize) -> Tensor<D> {
    let axis = axis % D;
    match reduction {
        Reduction::Mean => x.mean_dim(axis),
        Reduction::Sum => x.sum_dim(axis),
        Reduction::Max => x.max_dim(axis),
        Reduction::Min => x.min_dim(axis),
        Reduction::Product => x.prod_dim(axis),
        Reduction::MaxAbs => x.max_abs_dim(axis),
    }
}

fn whole<const D: usize>(x: Tensor<D>, reduction: Reduction) -> Tensor<1> {
    match reduction {
        Reduction::Mean => x.mean(),
        Reduction::Sum => x.sum(),
        Reduction::Max => x.max(),
        Reduction::Min => x.min(),
        Reduction::Product => x.prod(),
        Reduction::MaxAbs => x.max_abs(),
    }
}

fn shares<const D: usize>(x: Tensor<D>, kind: usize, axis: usize) -> Tensor<D> {
    match kind {
        0 => softmax(x, axis % D),
        1 => log_softmax(x, axis % D),
        _ => softmin(x, axis % D),
    }
}
