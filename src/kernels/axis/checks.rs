//! The tensors that kernels are compared with their references over.

use super::{Along, Axis};
use crate::kernels::Layout;

/// Tensors of all shapes that matter with each of their dimensions whose values lie so.
pub(in crate::kernels) fn layouts(along: Along) -> Vec<(Layout, usize)> {
    let shapes: [&[usize]; 13] = [
        &[1],
        &[4],
        &[7],
        &[3, 5],
        &[8, 1],
        &[1, 6],
        &[2, 3, 9],
        &[5, 1, 4],
        &[1, 6, 5, 3],
        &[2, 16, 1, 7],
        &[1, 1, 1, 1],
        &[2, 3, 2, 5, 3],
        &[1, 33, 2, 1, 6],
    ];
    let layouts = shapes.into_iter().flat_map(|shape| {
        (0..shape.len()).map(|inner| Layout {
            shape: shape.to_vec(),
            inner,
        })
    });
    let cases = layouts.flat_map(|layout| {
        (0..layout.shape.len()).map(move |dimension| (layout.clone(), dimension))
    });
    let mut cases: Vec<(Layout, usize)> = cases.collect();
    cases.retain(|(layout, dimension)| Axis::of(layout, *dimension).0 == along);
    cases
}
