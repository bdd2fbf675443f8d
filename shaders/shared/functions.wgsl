#define_import_path fpn::functions

// The functions that chains of element-wise operations are made of, but for operators. Truth is 1, falsehood
// 0. As Burn's CPU engine computes them.

fn truth(value: vec4<bool>) -> vec4<f32> {
    return select(vec4<f32>(0.0), vec4<f32>(1.0), value);
}

fn equal(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return truth(a == b);
}

fn not_equal(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return truth(a != b);
}

fn greater(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return truth(a > b);
}

fn greater_equal(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return truth(a >= b);
}

fn lower(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return truth(a < b);
}

fn lower_equal(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return truth(a <= b);
}

fn invert(a: vec4<f32>) -> vec4<f32> {
    return vec4<f32>(1.0) - a;
}

// Truth of both, one, or just one.
fn both(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return a * b;
}

fn either(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return max(a, b);
}

fn differ(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return abs(a - b);
}

// The second where the first is true, else the third.
fn choose(mask: vec4<f32>, a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return select(b, a, mask != vec4<f32>(0.0));
}

// Not max and min, which may swallow NaN.
fn at_least(a: vec4<f32>, limit: vec4<f32>) -> vec4<f32> {
    return select(a, limit, a < limit);
}

fn at_most(a: vec4<f32>, limit: vec4<f32>) -> vec4<f32> {
    return select(a, limit, a > limit);
}

fn rectify(a: vec4<f32>) -> vec4<f32> {
    return at_least(a, vec4<f32>(0.0));
}

fn leaky(a: vec4<f32>, slope: vec4<f32>) -> vec4<f32> {
    return select(slope * a, a, a > vec4<f32>(0.0));
}

// Drivers make tanh of exponentials, which overflow; from 10 on it is 1 in 32 bits.
fn hyperbolic_tangent(a: vec4<f32>) -> vec4<f32> {
    return tanh(clamp(a, vec4<f32>(-10.0), vec4<f32>(10.0)));
}

fn sigmoid(a: vec4<f32>) -> vec4<f32> {
    return vec4<f32>(1.0) / (vec4<f32>(1.0) + exp(-a));
}

// ln(1 + a) without the digits that 1 + a would lose where a is small: Kahan's correction.
fn log_1p(a: vec4<f32>) -> vec4<f32> {
    let sum = vec4<f32>(1.0) + a;
    let lost = (a - (sum - vec4<f32>(1.0))) / sum;
    let counts = (sum > vec4<f32>(0.0)) & (a < vec4<f32>(1e4));
    return log(sum) + select(vec4<f32>(0.0), lost, counts);
}

fn log_sigmoid(a: vec4<f32>) -> vec4<f32> {
    return min(a, vec4<f32>(0.0)) - log_1p(exp(-abs(a)));
}

// The error function within 1.2e-7: a polynomial times exp(-a²) (W. J. Cody's bounds; Numerical Recipes'
// Chebyshev fit).
fn error(a: vec4<f32>) -> vec4<f32> {
    let t = vec4<f32>(1.0) / (vec4<f32>(1.0) + 0.5 * abs(a));
    var p = vec4<f32>(0.17087277);
    p = p * t - 0.82215223;
    p = p * t + 1.48851587;
    p = p * t - 1.13520398;
    p = p * t + 0.27886807;
    p = p * t - 0.18628806;
    p = p * t + 0.09678418;
    p = p * t + 0.37409196;
    p = p * t + 1.00002368;
    p = p * t - 1.26551223;
    let rest = t * exp(p - a * a);
    return select(rest - 1.0, 1.0 - rest, a >= vec4<f32>(0.0));
}

fn gelu(a: vec4<f32>) -> vec4<f32> {
    return 0.5 * a * (1.0 + error(a * 0.70710678));
}

fn hard_sigmoid(a: vec4<f32>, slope: vec4<f32>, shift: vec4<f32>) -> vec4<f32> {
    return at_most(at_least(slope * a + shift, vec4<f32>(0.0)), vec4<f32>(1.0));
}

// With the divisor's sign.
fn remainder(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return a - b * floor(a / b);
}

fn quotient(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return trunc(a / b);
}

// WGSL's pow is of positive numbers. A whole power of a negative one has its parity's sign, another is none.
fn power(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    let size = pow(abs(a), b);
    let is_negative = a < vec4<f32>(0.0);
    let is_odd = abs(b - 2.0 * floor(0.5 * b)) == vec4<f32>(1.0);
    let is_whole = b == floor(b);
    let signed = select(size, -size, is_odd & is_negative);
    let real = select(signed, sqrt(a), is_negative & !is_whole);
    return select(real, vec4<f32>(1.0), b == vec4<f32>(0.0));
}
