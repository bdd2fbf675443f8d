//! Steps that chains are often made of.

use super::{Arg, Function, Step};

/// One function.
pub fn step<const N: usize>(function: Function, args: [Arg; N]) -> Step {
    Step {
        function,
        args: args.to_vec(),
    }
}

/// The sum of so many reads.
pub fn sums(count: usize) -> Vec<Step> {
    let sum = |index: usize| {
        let before = match index {
            1 => Arg::Read(0),
            _ => Arg::Step(index - 2),
        };
        step(Function::Add, [before, Arg::Read(index)])
    };
    (1..count).map(sum).collect()
}

/// `(x − mean) / √(variance + eps) · gamma + beta`, of what is read in this order.
pub fn normalize(eps: f32) -> Vec<Step> {
    use Arg::{Read, Scalar};
    let made = Arg::Step;
    vec![
        step(Function::Sub, [Read(0), Read(1)]),
        step(Function::Add, [Read(2), Scalar(eps)]),
        step(Function::Sqrt, [made(1)]),
        step(Function::Div, [made(0), made(2)]),
        step(Function::Mul, [made(3), Read(3)]),
        step(Function::Add, [made(4), Read(4)]),
    ]
}
