//! The functions that chains are made of: one table of their names, their WGSL and what the CPU computes.

/// How a function is written in WGSL.
#[derive(Clone, Copy)]
pub(super) enum Syntax {
    /// Between its two arguments.
    Operator(&'static str),
    /// Before its one argument.
    Prefix(&'static str),
    /// A call of one of WGSL's own.
    Builtin(&'static str),
    /// A call of one in `shaders/shared/functions.wgsl`.
    Own(&'static str),
}

use Syntax::{Builtin, Operator, Own, Prefix};

/// Arguments, of which a function takes as many as its arity.
type Args = [f32; 3];

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident, $arity:literal, $syntax:expr, $cpu:expr;)+) => {
        /// A function of values, one by one. Truth is 1, falsehood 0.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Function {
            $($(#[$doc])* $name,)+
        }

        impl Function {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// How many arguments it takes, 1 to 3.
            pub fn arity(self) -> usize {
                match self {
                    $(Self::$name => $arity,)+
                }
            }

            pub(super) fn syntax(self) -> Syntax {
                match self {
                    $(Self::$name => $syntax,)+
                }
            }

            /// What it gives for the first of some arguments, as many as it takes.
            pub fn apply(self, args: Args) -> f32 {
                let function: fn(Args) -> f32 = match self {
                    $(Self::$name => $cpu,)+
                };
                function(args)
            }
        }
    };
}

functions! {
    /// a + b
    Add, 2, Operator("+"), |[a, b, _]| a + b;
    /// a − b
    Sub, 2, Operator("-"), |[a, b, _]| a - b;
    /// a · b
    Mul, 2, Operator("*"), |[a, b, _]| a * b;
    /// a / b
    Div, 2, Operator("/"), |[a, b, _]| a / b;
    /// a / b as whole numbers divide, towards 0.
    Quotient, 2, Own("quotient"), |[a, b, _]| (a / b).trunc();
    /// What remains of a / b, with b's sign.
    Remainder, 2, Own("remainder"), |[a, b, _]| a - b * (a / b).floor();
    /// a to the power b.
    Power, 2, Own("power"), |[a, b, _]| power(a, b);
    /// The angle of (b, a).
    Atan2, 2, Builtin("atan2"), |[a, b, _]| a.atan2(b);
    /// a where it is no less than b, else b.
    AtLeast, 2, Own("at_least"), |[a, limit, _]| at_least(a, limit);
    /// a where it is no more than b, else b.
    AtMost, 2, Own("at_most"), |[a, limit, _]| at_most(a, limit);
    /// a = b
    Equal, 2, Own("equal"), |[a, b, _]| truth(a == b);
    /// a ≠ b
    NotEqual, 2, Own("not_equal"), |[a, b, _]| truth(a != b);
    /// a > b
    Greater, 2, Own("greater"), |[a, b, _]| truth(a > b);
    /// a ≥ b
    GreaterEqual, 2, Own("greater_equal"), |[a, b, _]| truth(a >= b);
    /// a < b
    Lower, 2, Own("lower"), |[a, b, _]| truth(a < b);
    /// a ≤ b
    LowerEqual, 2, Own("lower_equal"), |[a, b, _]| truth(a <= b);
    /// Whether a is false.
    Invert, 1, Own("invert"), |[a, ..]| 1.0 - a;
    /// Whether a and b are true.
    Both, 2, Own("both"), |[a, b, _]| a * b;
    /// Whether a or b is true.
    Either, 2, Own("either"), |[a, b, _]| a.max(b);
    /// Whether just one of a and b is true.
    Differ, 2, Own("differ"), |[a, b, _]| (a - b).abs();
    /// b where a is true, else c.
    Choose, 3, Own("choose"), |[mask, a, b]| if mask == 0.0 { b } else { a };
    /// −a
    Neg, 1, Prefix("-"), |[a, ..]| -a;
    /// |a|
    Abs, 1, Builtin("abs"), |[a, ..]| a.abs();
    /// −1, 0 or 1.
    Sign, 1, Builtin("sign"), |[a, ..]| if a == 0.0 { 0.0 } else { a.signum() };
    /// eᵃ
    Exp, 1, Builtin("exp"), |[a, ..]| a.exp();
    /// ln a
    Log, 1, Builtin("log"), |[a, ..]| a.ln();
    /// ln(1 + a)
    Log1p, 1, Own("log_1p"), |[a, ..]| a.ln_1p();
    /// √a
    Sqrt, 1, Builtin("sqrt"), |[a, ..]| a.sqrt();
    /// sin a
    Sin, 1, Builtin("sin"), |[a, ..]| a.sin();
    /// cos a
    Cos, 1, Builtin("cos"), |[a, ..]| a.cos();
    /// tanh a
    Tanh, 1, Own("hyperbolic_tangent"), |[a, ..]| a.tanh();
    /// The error function.
    Erf, 1, Own("error"), |[a, ..]| error(a);
    /// The largest whole number that is no larger.
    Floor, 1, Builtin("floor"), |[a, ..]| a.floor();
    /// The smallest whole number that is no smaller.
    Ceil, 1, Builtin("ceil"), |[a, ..]| a.ceil();
    /// The nearest whole number, of two the even one.
    Round, 1, Builtin("round"), |[a, ..]| a.round_ties_even();
    /// Without what comes after the point.
    Trunc, 1, Builtin("trunc"), |[a, ..]| a.trunc();
    /// max(a, 0)
    Relu, 1, Own("rectify"), |[a, ..]| at_least(a, 0.0);
    /// a where it is above 0, else b · a.
    LeakyRelu, 2, Own("leaky"), |[a, slope, _]| if a > 0.0 { a } else { slope * a };
    /// 1 / (1 + e⁻ᵃ)
    Sigmoid, 1, Own("sigmoid"), |[a, ..]| 1.0 / (1.0 + (-a).exp());
    /// The logarithm of that.
    LogSigmoid, 1, Own("log_sigmoid"), |[a, ..]| a.min(0.0) - (-a.abs()).exp().ln_1p();
    /// a times the probability that a standard normal number is below a.
    Gelu, 1, Own("gelu"), |[a, ..]| 0.5 * a * (1.0 + error(a * std::f32::consts::FRAC_1_SQRT_2));
    /// b · a + c, held between 0 and 1.
    HardSigmoid, 3, Own("hard_sigmoid"), |[a, slope, shift]| at_most(at_least(slope * a + shift, 0.0), 1.0);
}

fn truth(value: bool) -> f32 {
    f32::from(value)
}

// As the WGSL: not max and min, which swallow NaN.
fn at_least(a: f32, limit: f32) -> f32 {
    if a < limit { limit } else { a }
}

fn at_most(a: f32, limit: f32) -> f32 {
    if a > limit { limit } else { a }
}

fn power(a: f32, b: f32) -> f32 {
    a.powf(b)
}

/// The error function within 1.2e-7, by the polynomial of `shaders/shared/functions.wgsl`.
fn error(a: f32) -> f32 {
    const COEFFICIENTS: [f32; 10] = [
        0.170_872_77,
        -0.822_152_2,
        1.488_515_9,
        -1.135_204,
        0.278_868_07,
        -0.186_288_06,
        0.096_784_18,
        0.374_091_96,
        1.000_023_7,
        -1.265_512_2,
    ];
    let t = 1.0 / (1.0 + 0.5 * a.abs());
    let p = COEFFICIENTS.iter().fold(0.0, |p, c| p * t + c);
    let rest = t * (p - a * a).exp();
    if a >= 0.0 { 1.0 - rest } else { rest - 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_function_is_what_tables_say() {
        for (a, expected) in [
            (0.0, 0.0),
            (0.5, 0.520_499_9),
            (1.0, 0.842_700_8),
            (2.0, 0.995_322_3),
            (-1.0, -0.842_700_8),
            (6.0, 1.0),
        ] {
            assert!((error(a) - expected).abs() < 3e-7, "{a}: {}", error(a));
        }
    }
}
