//! Tensors of any rank up to five.

use burn::tensor::Tensor;

/// A tensor of a rank that is known when it runs.
#[derive(Clone, Debug)]
pub enum Any {
    One(Tensor<1>),
    Two(Tensor<2>),
    Three(Tensor<3>),
    Four(Tensor<4>),
    Five(Tensor<5>),
}

/// The same expression for each rank.
macro_rules! each {
    ($any:expr, $x:ident => $made:expr) => {
        match $any {
            Any::One($x) => $made,
            Any::Two($x) => $made,
            Any::Three($x) => $made,
            Any::Four($x) => $made,
            Any::Five($x) => $made,
        }
    };
}

/// The same for two of one rank.
macro_rules! both {
    ($a:expr, $b:expr, ($x:ident, $y:ident) => $made:expr) => {
        match ($a, $b) {
            (Any::One($x), Any::One($y)) => $made,
            (Any::Two($x), Any::Two($y)) => $made,
            (Any::Three($x), Any::Three($y)) => $made,
            (Any::Four($x), Any::Four($y)) => $made,
            (Any::Five($x), Any::Five($y)) => $made,
            _ => unreachable!("both are of one rank"),
        }
    };
}

/// The same for three of one rank.
macro_rules! all {
    ($a:expr, $b:expr, $c:expr, ($x:ident, $y:ident, $z:ident) => $made:expr) => {
        match ($a, $b, $c) {
            (Any::One($x), Any::One($y), Any::One($z)) => $made,
            (Any::Two($x), Any::Two($y), Any::Two($z)) => $made,
            (Any::Three($x), Any::Three($y), Any::Three($z)) => $made,
            (Any::Four($x), Any::Four($y), Any::Four($z)) => $made,
            (Any::Five($x), Any::Five($y), Any::Five($z)) => $made,
            _ => unreachable!("all are of one rank"),
        }
    };
}

pub(super) use {all, both, each};

macro_rules! from {
    ($($rank:literal $name:ident)+) => {
        $(impl From<Tensor<$rank>> for Any {
            fn from(tensor: Tensor<$rank>) -> Self {
                Self::$name(tensor)
            }
        })+

        fn reshaped<const D: usize>(tensor: Tensor<D>, shape: &[usize]) -> Any {
            match shape.len() {
                $($rank => {
                    let shape: [usize; $rank] = shape.try_into().expect("it is as long");
                    Any::$name(tensor.reshape(shape))
                })+
                rank => unreachable!("{rank} dimensions"),
            }
        }
    };
}

from!(1 One 2 Two 3 Three 4 Four 5 Five);

impl Any {
    pub fn shape(&self) -> Vec<usize> {
        each!(self, x => x.dims().to_vec())
    }

    pub fn values(&self) -> Vec<f32> {
        each!(self.clone(), x => x.into_data().iter::<f32>().collect())
    }

    /// Of as many values.
    pub fn reshape(self, shape: &[usize]) -> Self {
        each!(self, x => reshaped(x, shape))
    }

    /// With dimensions of extent 1 in front, for a rank.
    pub fn in_front(self, rank: usize) -> Self {
        let own = self.shape();
        let ones = rank.saturating_sub(own.len());
        match ones {
            0 => self,
            _ => self.reshape(&[vec![1; ones], own].concat()),
        }
    }
}
