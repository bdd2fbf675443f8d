//! CPU reference of `shaders/softmax.wgsl`.

use std::array::from_fn;

use super::{Softmax, variant};
use crate::kernels::axis::{Along, Axis, Line};
use crate::kernels::checks::{Call, Vec4, vec4, vec4_mut};

/// Exponentials of a dimension's values as shares of their sum.
///
/// - `map`, `result`: `[before][extent][after][block]`.
pub(super) fn run(call: Call<'_>) {
    let (kind, along) = variant(call.kernel);
    let (axis, [map, result]) = call.split::<Axis, 2>();
    softmax(kind, along, &axis, vec4(map), vec4_mut(result));
}

fn softmax(kind: Softmax, along: Along, axis: &Axis, map: &[Vec4], result: &mut [Vec4]) {
    for line in axis.all_lines(along) {
        let values_at = |at: usize| match kind {
            Softmax::Min => map[line.place(at)].map(|value| -value),
            _ => map[line.place(at)],
        };
        let most = largest_of(kind, along, &line, values_at);
        let sum = sum_of(kind, along, &line, |at| {
            let value = values_at(at);
            from_fn(|c| exponential(value[c] - most[c]))
        });
        for at in 0..line.count {
            let (value, are_values) = (values_at(at), line.are_values(at));
            let made = |c: usize| match kind {
                Softmax::Log => value[c] - most[c] - sum[c].ln(),
                _ => exponential(value[c] - most[c]) * (1.0 / sum[c]),
            };
            result[line.place(at)] = from_fn(|c| if are_values[c] { made(c) } else { 0.0 });
        }
    }
}

fn larger(a: f32, b: f32) -> f32 {
    if b > a { b } else { a }
}

fn exponential(value: f32) -> f32 {
    if value < -87.3 { 0.0 } else { value.exp() }
}

fn largest_of(kind: Softmax, along: Along, line: &Line, values_at: impl Fn(usize) -> Vec4) -> Vec4 {
    let filled_at = |at: usize| -> Vec4 {
        let (value, are_values) = (values_at(at), line.are_values(at));
        from_fn(|c| if are_values[c] { value[c] } else { value[0] })
    };
    let mut most = filled_at(0);
    for at in 1..line.count {
        let value = filled_at(at);
        most = from_fn(|c| larger(most[c], value[c]));
    }
    if along == Along::Channels {
        most = from_fn(|c| larger(most[c], most[(c + 2) % 4]));
        most = from_fn(|c| larger(most[c], most[c ^ 1]));
    }
    match kind {
        Softmax::Masked => most.map(|most| larger(most, f32::MIN)),
        _ => most,
    }
}

fn sum_of(
    kind: Softmax,
    along: Along,
    line: &Line,
    exponentials_at: impl Fn(usize) -> Vec4,
) -> Vec4 {
    let mut sum = [0.0; 4];
    for at in 0..line.count {
        let (value, are_values) = (exponentials_at(at), line.are_values(at));
        sum = from_fn(|c| sum[c] + if are_values[c] { value[c] } else { 0.0 });
    }
    if along == Along::Channels {
        sum = from_fn(|c| sum[c] + sum[(c + 2) % 4]);
        sum = from_fn(|c| sum[c] + sum[c ^ 1]);
    }
    match kind {
        Softmax::Masked => sum.map(|sum| larger(sum, f32::MIN_POSITIVE)),
        _ => sum,
    }
}
