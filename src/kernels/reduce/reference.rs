//! CPU reference of `shaders/reduce.wgsl`.

use std::array::from_fn;

use super::{Reduction, variant};
use crate::kernels::axis::{Along, Axis, Line};
use crate::kernels::checks::{Call, Vec4, vec4, vec4_mut};

/// A dimension's values become one.
///
/// - `map`: `[before][extent][after][block]`, `result`: `[before][after][block]`.
pub(super) fn run(call: Call<'_>) {
    let (reduction, along) = variant(call.kernel);
    let (axis, [map, result]) = call.split::<Axis, 2>();
    reduce(reduction, along, &axis, vec4(map), vec4_mut(result));
}

fn reduce(reduction: Reduction, along: Along, axis: &Axis, map: &[Vec4], result: &mut [Vec4]) {
    let combined = |a: Vec4, b: Vec4| from_fn(|c| reduction.combined(a[c], b[c]));
    for (index, line) in axis.all_lines(along).enumerate() {
        let mut total = reduction.values_at(map, &line, 0);
        for at in 1..line.count {
            total = combined(total, reduction.values_at(map, &line, at));
        }
        let are_made = match along {
            Along::Pixels => line.are_values(0),
            Along::Channels => {
                let [x, y, z, w] = total;
                total = combined(total, [z, w, x, y]);
                let [x, y, z, w] = total;
                total = combined(total, [y, x, w, z]);
                [true, false, false, false]
            }
        };
        if reduction == Reduction::Mean {
            total = total.map(|sum| sum / axis.extent as f32);
        }
        result[index] = from_fn(|c| if are_made[c] { total[c] } else { 0.0 });
    }
}

impl Reduction {
    fn combined(self, total: f32, value: f32) -> f32 {
        // Not max and min, which swallow NaN.
        let chosen = |takes: bool| {
            if takes || value.is_nan() {
                value
            } else {
                total
            }
        };
        match self {
            Self::Sum | Self::Mean => total + value,
            Self::Product => total * value,
            Self::Max | Self::MaxAbs => chosen(value > total),
            Self::Min => chosen(value < total),
        }
    }

    /// A block of a line; what changes no total in lanes that hold no value.
    fn values_at(self, map: &[Vec4], line: &Line, at: usize) -> Vec4 {
        let block = map[line.place(at)];
        let value = match self {
            Self::MaxAbs => block.map(f32::abs),
            _ => block,
        };
        let neutral = match self {
            Self::Sum | Self::Mean => 0.0,
            Self::Product => 1.0,
            Self::Max | Self::Min | Self::MaxAbs => value[0],
        };
        let are_values = line.are_values(at);
        from_fn(|c| if are_values[c] { value[c] } else { neutral })
    }
}
