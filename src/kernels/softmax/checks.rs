//! What the kernels are compared with their references over.

use super::{Softmax, dispatch, reference, variant};
use crate::kernels::axis::{Along, layouts};
use crate::kernels::checks::{Case, Checks, Random, UNWRITTEN, unwritten};
use crate::kernels::{Dtypes, Kernel, Layout};

pub(super) const CHECKS: Checks = Checks {
    reference: reference::run,
    cases,
    // Adapters compute exponentials as inexactly as WGSL lets them.
    tolerance: 1e-5,
};

/// The kernel over a random tensor that lies so, of values up to `largest`.
pub fn case(
    kind: Softmax,
    layout: &Layout,
    dimension: usize,
    largest: f32,
    random: &mut Random,
) -> Case {
    let values = (0..layout.len()).map(|_| random.between(-largest, largest));
    let values: Vec<f32> = values.collect();
    of(kind, layout, dimension, &values)
}

/// NaN where channels only fill a block up.
fn of(kind: Softmax, layout: &Layout, dimension: usize, values: &[f32]) -> Case {
    let words = layout.all_blocks() * 4;
    let mut tensor = vec![UNWRITTEN; words];
    for (place, value) in layout.places().zip(values) {
        tensor[place] = value.to_bits();
    }
    Case::new(
        format!("dimension {dimension} of {layout:?}"),
        dispatch(kind, layout, dimension, Dtypes::F32),
        vec![tensor, unwritten(words)],
    )
}

fn cases(own: &'static Kernel, random: &mut Random) -> Vec<Case> {
    let (kind, along) = variant(own);
    // The logarithm of a lone share is 0, and no difference is a small part of that.
    let layouts = layouts(along).into_iter();
    let layouts =
        layouts.filter(|(layout, dimension)| kind != Softmax::Log || layout.shape[*dimension] > 1);
    let mut cases: Vec<Case> = layouts
        .map(|(layout, dimension)| case(kind, &layout, dimension, 3.0, random))
        .collect();
    cases.push(of_special_values(kind, along));
    cases
}

/// Rows of numbers far from 0 and from each other, of NaN, and of infinities.
fn of_special_values(kind: Softmax, along: Along) -> Case {
    const NONE: f32 = f32::NEG_INFINITY;
    let mut rows: Vec<[f32; 5]> = vec![
        [-3e4, -3e4, -2e4, -6e4, -3e4],
        [1e4, 1.001e4, 1e4, 1e4, 6e4],
        [-80.0, 0.0, -90.0, -100.0, -120.0],
        [f32::NAN, 1.0, -2.0, 0.25, 7.0],
        [1.0, -2.0, 0.25, 7.0, f32::NAN],
        [f32::INFINITY, 1.0, -1.0, 2.0, 0.5],
        [NONE; 5],
    ];
    // Logarithms would be infinite, which not all drivers store in 16 bits.
    if kind != Softmax::Log {
        rows.extend([[1.0, 2.0, NONE, 0.5, -1.0], [NONE, NONE, NONE, NONE, 0.5]]);
    }
    let inner = match along {
        Along::Pixels => 0,
        Along::Channels => 1,
    };
    let shape = vec![rows.len(), rows[0].len()];
    of(kind, &Layout { shape, inner }, 1, rows.as_flattened())
}
