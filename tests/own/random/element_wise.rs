//! Instructions that compute value by value.

use burn::tensor::activation::{
    gelu, gelu_approximate, hard_sigmoid, hard_swish, leaky_relu, log_sigmoid, mish, prelu, relu,
    sigmoid, silu, softplus, tanh,
};
use burn::tensor::{Tensor, TensorData};

use super::instructions::{Binary, Unary};
use super::layers::{Layer, Spec};
use super::run::{Run, along, device};
use super::tensors::{Any, all, both, each};
use crate::seeded::number;

impl Run<'_> {
    pub fn unary(&self, unary: Unary, x: Any) -> Option<Any> {
        let fraction = |value: f32| value - value.floor();
        let suits = |value: f32| match unary {
            Unary::Log => value > 0.05,
            Unary::Log1p => value > -0.9,
            Unary::Sqrt => value > 0.01,
            Unary::Recip => value.abs() > 0.1,
            Unary::Exp => value < 5.0,
            Unary::Cos | Unary::Sin => value.abs() < 30.0,
            Unary::Sign | Unary::Above | Unary::NotAbove => value.abs() > 1e-3,
            Unary::Floor | Unary::Ceil | Unary::Trunc | Unary::Whole => {
                (fraction(value) - 0.5).abs() < 0.499
            }
            Unary::Round => (fraction(value) - 0.5).abs() > 1e-3,
            Unary::Rest => (fraction(value / 0.75) - 0.5).abs() < 0.499,
            _ => true,
        };
        let suits = self.mode.all(&|| x.clone(), &suits);
        suits.then(|| each!(x, x => function(unary, x).into()))
    }

    pub fn binary(&self, binary: Binary, x: Any, other: usize) -> Option<Any> {
        let shape = x.shape();
        let y = self.fitting(other, |other| broadcasts(&shape, other))?;
        let rank = shape.len().max(y.shape().len());
        let (x, y) = (x.in_front(rank), y.in_front(rank));
        let all = |tensor: &Any, suits: &dyn Fn(f32) -> bool| {
            let tensor = tensor.clone();
            self.mode.all(&|| tensor.clone(), suits)
        };
        let is_between = |low: f32, high: f32| move |value: f32| (low..high).contains(&value);
        let suits = match binary {
            Binary::Div => all(&y, &|value| value.abs() > 0.1),
            Binary::Power => all(&x, &is_between(0.1, 10.0)) && all(&y, &is_between(-3.0, 3.0)),
            Binary::Greater | Binary::LowerEqual => {
                self.is_clear(&|| both!(x.clone(), y.clone(), (x, y) => (x - y).into()))
            }
            Binary::Both | Binary::EitherNot => {
                self.is_clear(&|| x.clone()) && self.is_clear(&|| y.clone())
            }
            Binary::Atan2 => all(&x, &|value| value.abs() > 0.1),
            Binary::Rest => {
                let quotient = || both!(x.clone(), y.clone(), (x, y) => (x / y).into());
                let is_whole = |value: f32| (value - value.round()).abs() < 1e-3;
                all(&y, &|value| value.abs() > 0.1)
                    && self
                        .mode
                        .all(&quotient, &|value| value.abs() < 50.0 && !is_whole(value))
            }
            _ => true,
        };
        suits.then(|| both!(x, y, (x, y) => function_of_two(binary, x, y).into()))
    }

    pub fn choose(&self, x: Any, others: [usize; 2]) -> Option<Any> {
        let shape = x.shape();
        let [a, b] = others.map(|other| self.fitting(other, |other| other == shape));
        let (a, b) = (a?, b?);
        if !self.is_clear(&|| x.clone()) {
            return None;
        }
        Some(all!(x, a, b, (x, a, b) => a.mask_where(x.greater_elem(0.0), b).into()))
    }

    pub fn fill(&self, x: Any, other: usize) -> Option<Any> {
        let shape = x.shape();
        let y = self.fitting(other, |other| other == shape)?;
        let difference = || both!(x.clone(), y.clone(), (x, y) => (x - y).into());
        let is_clear = self.is_clear(&difference);
        is_clear.then(|| both!(x, y, (x, y) => x.clone().mask_fill(x.greater(y), 0.25).into()))
    }

    pub fn with_vector(&mut self, x: Any, axis: usize, how: usize) -> Option<Any> {
        let shape = x.shape();
        // Slopes are those of channels.
        let is_slope = how == 2 && shape.len() > 1;
        let axis = match is_slope {
            true => 1,
            false => axis % shape.len(),
        };
        let Layer::Vector(vector) = self.mode.layer(Spec::Vector(shape[axis])) else {
            return None;
        };
        let vector = vector.val();
        if is_slope {
            return Some(each!(x, x => prelu(x, vector).into()));
        }
        let vector = along(vector, &shape, axis);
        Some(both!(x, vector, (x, y) => match how {
            0 => (x + y).into(),
            _ => (x * y).into(),
        }))
    }

    pub fn with_map(&mut self, of: usize, adds: bool) -> Option<Any> {
        let x = self.map(of)?;
        let [_, channels, height, width] = x.dims();
        let spec = Spec::Map([1, channels, height, width]);
        let Layer::Map(map) = self.mode.layer(spec) else {
            return None;
        };
        Some(match adds {
            true => (x + map.val()).into(),
            false => (map.val() * x).into(),
        })
    }
}

pub fn with_literal(x: Any, axis: usize) -> Any {
    let shape = x.shape();
    let axis = axis % shape.len();
    let values: Vec<f32> = (0..shape[axis])
        .map(|index| number("literal", index))
        .collect();
    let literal = TensorData::new(values, [shape[axis]]);
    let literal = Tensor::<1>::from_data(literal, &device(&x));
    both!(x, along(literal, &shape, axis), (x, y) => (x * y).into())
}

/// Whether two shapes can be brought to one.
fn broadcasts(one: &[usize], other: &[usize]) -> bool {
    let pairs = one.iter().rev().zip(other.iter().rev());
    let mut extents = pairs.map(|(a, b)| a == b || *a == 1 || *b == 1);
    extents.all(|fits| fits)
}

fn function<const D: usize>(unary: Unary, x: Tensor<D>) -> Tensor<D> {
    match unary {
        Unary::Relu => relu(x),
        Unary::Leaky => leaky_relu(x, 0.1),
        Unary::Neg => -x,
        Unary::Abs => x.abs(),
        Unary::AddNumber => x + 0.7,
        Unary::MulNumber => x * -1.3,
        Unary::FromNumber => -(x - 0.4),
        Unary::Gelu => gelu(x),
        Unary::GeluByTanh => gelu_approximate(x),
        Unary::Sigmoid => sigmoid(x),
        Unary::LogSigmoid => log_sigmoid(x),
        Unary::Silu => silu(x),
        Unary::HardSigmoid => hard_sigmoid(x, 0.2, 0.5),
        Unary::HardSwish => hard_swish(x),
        Unary::Relu6 => x.clamp(0.0, 6.0),
        Unary::Tanh => tanh(x),
        Unary::Softplus => softplus(x, 1.0),
        Unary::Mish => mish(x),
        Unary::Exp => x.exp(),
        Unary::Log => x.log(),
        Unary::Log1p => x.log1p(),
        Unary::Erf => x.erf(),
        Unary::Sqrt => x.sqrt(),
        Unary::Cos => x.cos(),
        Unary::Sin => x.sin(),
        Unary::Recip => x.recip(),
        Unary::Square => x.powf_scalar(2.0),
        Unary::Cube => x.powi_scalar(3),
        Unary::Sign => x.sign(),
        Unary::Floor => x.floor(),
        Unary::Ceil => x.ceil(),
        Unary::Round => x.round(),
        Unary::Trunc => x.trunc(),
        Unary::AtLeast => x.clamp_min(-0.2),
        Unary::AtMost => x.clamp_max(0.3),
        Unary::Rest => x.remainder_scalar(0.75),
        Unary::Above => x.greater_elem(0.0).float(),
        Unary::NotAbove => x.greater_elem(0.0).bool_not().float(),
        Unary::Whole => x.int().float(),
    }
}

fn function_of_two<const D: usize>(binary: Binary, x: Tensor<D>, y: Tensor<D>) -> Tensor<D> {
    match binary {
        Binary::Add => x + y,
        Binary::Sub => x - y,
        Binary::Mul => x * y,
        Binary::Div => x / y,
        Binary::Power => x.powf(y),
        Binary::Greater => x.greater(y).float(),
        Binary::LowerEqual => x.lower_equal(y).float(),
        Binary::Max => x.max_pair(y),
        Binary::Both => x.greater_elem(0.0).bool_and(y.lower_elem(0.0)).float(),
        Binary::EitherNot => {
            let either = x.greater_elem(0.0).bool_or(y.greater_elem(0.0));
            either.bool_not().float()
        }
        Binary::Atan2 => x.atan2(y),
        Binary::Rest => x.remainder(y),
    }
}
