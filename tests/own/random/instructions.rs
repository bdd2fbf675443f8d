//! Random graphs as lists of small instructions. What an instruction reads is an earlier tensor, by its index
//! modulo how many there are; one that does not fit is skipped.

use proptest::prelude::*;
use proptest::sample::select;

use super::layers::Sliding;

/// A graph: shapes of what it is given, what it does, and what it gives back besides its last tensor.
#[derive(Clone, Debug)]
pub struct Recipe {
    pub inputs: Vec<Vec<usize>>,
    pub instructions: Vec<Instruction>,
    pub outputs: Vec<usize>,
}

#[derive(Clone, Debug)]
pub struct Instruction {
    /// The tensor it is of.
    pub of: usize,
    pub op: Op,
}

/// Axes are modulo the rank.
#[derive(Clone, Debug)]
pub enum Op {
    Unary(Unary),
    Binary(Binary, usize),
    /// One of two others, by whether this is above 0.
    Choose([usize; 2]),
    /// A value where this is above another.
    Fill(usize),
    /// Axes in the order of these.
    Permute([u8; 5]),
    Merge(usize),
    Split(usize, usize),
    Flatten,
    Unsqueeze(usize),
    Squeeze,
    Slice {
        axis: usize,
        start: usize,
        extent: usize,
        step: isize,
    },
    /// A part replaced by a part of another of the same shape.
    Assign {
        other: usize,
        axis: usize,
        start: usize,
        extent: usize,
    },
    Flip(usize, usize),
    Pad(usize, [usize; 2], Padding),
    Repeat(usize, usize),
    Expand(usize),
    Roll(usize, i64),
    Cat(usize, Vec<usize>),
    Chunk(usize, usize),
    Reduce(Reduction, usize),
    ReduceAll(Reduction),
    Softmax(usize, usize),
    LayerNorm(bool),
    GroupNorm(usize),
    BatchNorm,
    Product(usize),
    Attention(bool),
    Linear(usize, bool),
    /// Times a matrix of parameters.
    ByMatrix(usize),
    /// With parameters along an axis: added, multiplied, or as slopes.
    WithVector(usize, usize),
    WithMap(bool),
    WithLiteral(usize),
    Conv {
        sliding: Sliding,
        groups: usize,
        channels: usize,
        bias: bool,
    },
    MaxPool(Sliding, bool),
    AveragePool(Sliding, bool, bool),
    AdaptivePool([usize; 2]),
    Interpolate([usize; 2], usize),
}

macro_rules! listed {
    ($($(#[$doc:meta])* $name:ident { $($variant:ident)+ })+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq)]
            pub enum $name {
                $($variant,)+
            }

            impl $name {
                pub const ALL: &[Self] = &[$(Self::$variant),+];
            }
        )+
    };
}

listed! {
    /// Functions of one tensor.
    Unary {
        Relu Leaky Neg Abs AddNumber MulNumber FromNumber Gelu GeluByTanh Sigmoid LogSigmoid Silu HardSigmoid
        HardSwish Relu6 Tanh Softplus Mish Exp Log Log1p Erf Sqrt Cos Sin Recip Square Cube Sign Floor Ceil
        Round Trunc AtLeast AtMost Rest Above NotAbove Whole
    }
    /// Functions of two tensors, which are broadcast.
    Binary {
        Add Sub Mul Div Power Greater LowerEqual Max Both EitherNot Atan2 Rest
    }
    /// What is around a tensor.
    Padding {
        Constant Reflect Edge
    }
    /// What is made of several values.
    Reduction {
        Mean Sum Max Min Product MaxAbs
    }
}

fn axis() -> impl Strategy<Value = usize> {
    0..5_usize
}

/// One of the tensors so far.
fn tensor() -> impl Strategy<Value = usize> {
    0..16_usize
}

fn sliding() -> impl Strategy<Value = Sliding> {
    let pair = |most: usize| [1..=most, 1..=most];
    let padding = [0..3_usize, 0..3_usize, 0..3_usize, 0..3_usize];
    (pair(3), pair(3), pair(2), padding).prop_map(|(kernel, stride, dilation, padding)| Sliding {
        kernel,
        stride,
        dilation,
        padding,
    })
}

fn views() -> impl Strategy<Value = Op> {
    let step = select(vec![1_isize, 2, 3, -1, -2]);
    prop_oneof![
        any::<[u8; 5]>().prop_map(Op::Permute),
        axis().prop_map(Op::Merge),
        (axis(), 2..4_usize).prop_map(|(axis, by)| Op::Split(axis, by)),
        Just(Op::Flatten),
        axis().prop_map(Op::Unsqueeze),
        Just(Op::Squeeze),
        (axis(), 0..6_usize, 1..8_usize, step).prop_map(|(axis, start, extent, step)| Op::Slice {
            axis,
            start,
            extent,
            step
        }),
        (tensor(), axis(), 0..6_usize, 1..8_usize).prop_map(|(other, axis, start, extent)| {
            Op::Assign {
                other,
                axis,
                start,
                extent,
            }
        }),
        (axis(), axis()).prop_map(|(one, other)| Op::Flip(one, other)),
        (axis(), [0..3_usize, 0..3_usize], select(Padding::ALL))
            .prop_map(|(axis, around, mode)| Op::Pad(axis, around, mode)),
        (axis(), 2..4_usize).prop_map(|(axis, times)| Op::Repeat(axis, times)),
        (2..5_usize).prop_map(Op::Expand),
        (axis(), -4..5_i64).prop_map(|(axis, shift)| Op::Roll(axis, shift)),
        (axis(), prop::collection::vec(tensor(), 1..9))
            .prop_map(|(axis, others)| Op::Cat(axis, others)),
        (axis(), 0..3_usize).prop_map(|(axis, part)| Op::Chunk(axis, part)),
    ]
}

fn element_wise() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => select(Unary::ALL).prop_map(Op::Unary),
        4 => (select(Binary::ALL), tensor()).prop_map(|(binary, other)| Op::Binary(binary, other)),
        1 => [tensor(), tensor()].prop_map(Op::Choose),
        1 => tensor().prop_map(Op::Fill),
        1 => (axis(), 0..3_usize).prop_map(|(axis, how)| Op::WithVector(axis, how)),
        1 => any::<bool>().prop_map(Op::WithMap),
        1 => axis().prop_map(Op::WithLiteral),
    ]
}

fn across() -> impl Strategy<Value = Op> {
    let reduction = || select(Reduction::ALL);
    prop_oneof![
        2 => (reduction(), axis()).prop_map(|(reduction, axis)| Op::Reduce(reduction, axis)),
        1 => reduction().prop_map(Op::ReduceAll),
        2 => (0..3_usize, axis()).prop_map(|(kind, axis)| Op::Softmax(kind, axis)),
        1 => any::<bool>().prop_map(Op::LayerNorm),
        1 => (1..4_usize).prop_map(Op::GroupNorm),
        1 => Just(Op::BatchNorm),
        2 => tensor().prop_map(Op::Product),
        1 => any::<bool>().prop_map(Op::Attention),
        2 => (1..7_usize, any::<bool>()).prop_map(|(features, bias)| Op::Linear(features, bias)),
        1 => (1..7_usize).prop_map(Op::ByMatrix),
    ]
}

fn maps() -> impl Strategy<Value = Op> {
    let side = || 1..9_usize;
    prop_oneof![
        3 => (sliding(), 1..4_usize, 1..7_usize, any::<bool>()).prop_map(
            |(sliding, groups, channels, bias)| Op::Conv {
                sliding,
                groups,
                channels,
                bias
            }
        ),
        1 => (sliding(), any::<bool>()).prop_map(|(sliding, ceil)| Op::MaxPool(sliding, ceil)),
        1 => (sliding(), any::<bool>(), any::<bool>())
            .prop_map(|(sliding, ceil, counts)| Op::AveragePool(sliding, ceil, counts)),
        1 => [1..4_usize, 1..4_usize].prop_map(Op::AdaptivePool),
        1 => ([side(), side()], 0..3_usize).prop_map(|(size, mode)| Op::Interpolate(size, mode)),
    ]
}

fn shape() -> impl Strategy<Value = Vec<usize>> {
    let side = || 1..8_usize;
    prop_oneof![
        3 => (1..3_usize, 1..7_usize, side(), side()).prop_map(|(n, c, h, w)| vec![n, c, h, w]),
        2 => prop::collection::vec(1..6_usize, 1..6),
    ]
}

pub fn recipe() -> impl Strategy<Value = Recipe> {
    let op = prop_oneof![element_wise(), views(), across(), maps()];
    let instruction = (tensor(), op).prop_map(|(of, op)| Instruction { of, op });
    let inputs = prop::collection::vec(shape(), 1..4);
    let instructions = prop::collection::vec(instruction, 1..14);
    let outputs = prop::collection::vec(tensor(), 0..4);
    (inputs, instructions, outputs).prop_map(|(inputs, instructions, outputs)| Recipe {
        inputs,
        instructions,
        outputs,
    })
}
