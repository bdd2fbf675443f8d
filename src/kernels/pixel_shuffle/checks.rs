//! What the kernel is compared with its reference over.

use super::{Params, reference};
use crate::kernels::checks::{Case, Checks, Random, unwritten};
use crate::kernels::{Dtypes, blocks, words};

pub(super) const CHECKS: Checks = Checks {
    reference: reference::run,
    cases: |_, random| cases(random),
    tolerance: 0.0,
};

/// A map whose cells become squares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShuffleShape {
    /// Height and width of the input.
    pub size: [usize; 2],
    /// Channels of the output.
    pub channels: usize,
    /// Cells along a side of the square that a cell becomes.
    pub factor: usize,
}

/// The kernel over a random map.
pub fn case(shape: ShuffleShape, random: &mut Random) -> Case {
    let ShuffleShape {
        size,
        channels,
        factor,
    } = shape;
    let [in_blocks, out_blocks] = [channels * factor * factor, channels].map(blocks);
    let params = Params {
        in_size: words(size),
        in_blocks: in_blocks as u32,
        out_blocks: out_blocks as u32,
        channels: channels as u32,
        factor: factor as u32,
        unused: [0; 2],
    };
    let cells = size[0] * size[1];
    let bindings = vec![
        random.floats(cells * in_blocks * 4),
        unwritten(cells * factor * factor * out_blocks * 4),
    ];
    Case::new(format!("{shape:?}"), params.dispatch(Dtypes::F32), bindings)
}

fn cases(random: &mut Random) -> Vec<Case> {
    [
        ([5, 7], 64, 2),
        ([9, 4], 85, 2),
        ([3, 5], 1, 3),
        ([1, 1], 3, 4),
        ([6, 11], 5, 1),
        ([1, 9], 10, 5),
    ]
    .map(|(size, channels, factor)| {
        let shape = ShuffleShape {
            size,
            channels,
            factor,
        };
        case(shape, random)
    })
    .to_vec()
}
