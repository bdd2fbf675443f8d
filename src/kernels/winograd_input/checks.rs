//! What the kernel is compared with its reference over.

use super::{dispatch, reference};
use crate::kernels::blocks;
use crate::kernels::checks::{Case, Checks, Random, unwritten};
use crate::kernels::conv::{ConvShape, FREQUENCIES};

pub(super) const CHECKS: Checks = Checks {
    reference: reference::run,
    cases: |_, random| cases(random),
    tolerance: 1e-5,
};

/// Some of a 3×3 convolution's tiles: the first, and how many.
pub fn case(shape: ConvShape, tiles: [usize; 2], random: &mut Random) -> Case {
    let blocks = blocks(shape.in_channels);
    let bindings = vec![
        shape.image(random),
        unwritten(FREQUENCIES * tiles[1] * blocks * 4),
    ];
    let about = format!("{shape:?}, tiles {tiles:?}");
    Case::new(about, dispatch(&shape.params(tiles)), bindings)
}

fn cases(random: &mut Random) -> Vec<Case> {
    let same = ConvShape::same;
    let several = |size, inputs, outputs| ConvShape {
        items: 3,
        ..same(size, inputs, outputs)
    };
    [
        (same([8, 8], 16, 16), [0, 4]),
        (same([7, 10], 5, 16), [0, 6]),
        (same([13, 18], 64, 16), [7, 9]),
        (same([1, 1], 16, 16), [0, 1]),
        (same([9, 6], 16, 16).window(3, 1, 0), [0, 2]),
        (several([5, 6], 16, 16), [3, 8]),
    ]
    .map(|(shape, tiles)| case(shape, tiles, random))
    .to_vec()
}
