//! The tensors that kernels are compared with their references over.

use super::{Along, Axis};
use crate::kernels::Layout;

/// Tensors that matter, each with a dimension whose values lie so.
pub(in crate::kernels) fn layouts(along: Along) -> Vec<(Layout, usize)> {
    // Shape, the dimension that lies side by side, the one that is meant.
    let tensors: [(&[usize], usize, usize); 20] = [
        (&[1], 0, 0),
        (&[7], 0, 0),
        (&[3, 5], 0, 0),
        (&[3, 5], 1, 1),
        (&[8, 2], 1, 1),
        (&[2, 3, 9], 2, 2),
        (&[1, 6, 5, 3], 1, 1),
        (&[2, 3, 2, 5, 3], 3, 3),
        (&[1, 33, 2, 1, 6], 1, 1),
        (&[1, 1, 1, 1], 1, 3),
        (&[3, 5], 0, 1),
        (&[3, 5], 1, 0),
        (&[8, 2], 0, 1),
        (&[2, 3, 9], 1, 2),
        (&[2, 3, 9], 2, 0),
        (&[1, 6, 5, 3], 1, 2),
        (&[1, 6, 5, 3], 1, 3),
        (&[2, 16, 1, 7], 3, 1),
        (&[2, 3, 2, 5, 3], 1, 4),
        (&[1, 33, 2, 1, 6], 4, 1),
    ];
    let cases = tensors.into_iter().map(|(shape, inner, dimension)| {
        let shape = shape.to_vec();
        (Layout { shape, inner }, dimension)
    });
    let mut cases: Vec<(Layout, usize)> = cases.collect();
    cases.retain(|(layout, dimension)| Axis::of(layout, *dimension).0 == along);
    cases
}
