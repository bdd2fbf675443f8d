//! What the kernel is compared with its reference over.

use super::{Params, reference};
use crate::kernels::checks::{Case, Checks, Random, unwritten};
use crate::kernels::{Dtypes, words};

pub(super) const CHECKS: Checks = Checks {
    reference: reference::run,
    cases: |_, random| cases(random),
    tolerance: 1e-5,
};

/// Attention within windows of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttentionShape {
    /// Windows from top to bottom and from left to right.
    pub windows: [usize; 2],
    /// Side of a window.
    pub window: usize,
    /// How far a window of keys reaches beyond on each side.
    pub margin: usize,
    /// How far windows are shifted.
    pub shift: usize,
    /// Heads.
    pub heads: usize,
    /// Channel blocks of a head.
    pub blocks: usize,
}

/// The kernel over a random map.
pub fn case(shape: AttentionShape, random: &mut Random) -> Case {
    let AttentionShape {
        windows,
        window,
        margin,
        shift,
        heads,
        blocks,
    } = shape;
    let size = windows.map(|windows| windows * window);
    let key_window = window + 2 * margin;
    let (direction, first) = match margin {
        0 => (-1, window as i32 - 1),
        _ => (1, window as i32 - key_window as i32 + 1),
    };
    let [heads_word, blocks_word, window_word, key_word, shift_word] =
        words([heads, blocks, window, key_window, shift]);
    let params = Params {
        size: words(size),
        heads: heads_word,
        blocks: blocks_word,
        window: window_word,
        key_window: key_word,
        shift: shift_word,
        scale: 0.5,
        direction,
        first,
        unused: [0; 2],
    };
    let channels = size[0] * size[1] * heads * blocks * 4;
    let positions = (window + key_window - 1).pow(2);
    let bindings = vec![
        random.floats(3 * channels),
        random.floats(positions * heads.next_multiple_of(4)),
        unwritten(channels),
    ];
    Case::new(format!("{shape:?}"), params.dispatch(Dtypes::F32), bindings)
}

fn cases(random: &mut Random) -> Vec<Case> {
    [
        // windows, window, margin, shift, heads, blocks
        ([2, 3], 8, 0, 0, 2, 8),
        ([2, 2], 8, 0, 4, 3, 8),
        ([1, 1], 8, 0, 4, 1, 2),
        ([2, 1], 7, 0, 3, 2, 3),
        ([3, 4], 4, 0, 1, 5, 1),
        ([1, 1], 16, 0, 8, 2, 4),
        ([2, 2], 8, 2, 0, 2, 8),
        ([1, 3], 4, 1, 0, 3, 9),
        ([2, 2], 3, 4, 0, 1, 17),
        ([1, 1], 1, 0, 0, 1, 1),
        ([5, 4], 1, 2, 0, 6, 2),
    ]
    .map(|(windows, window, margin, shift, heads, blocks)| {
        let shape = AttentionShape {
            windows,
            window,
            margin,
            shift,
            heads,
            blocks,
        };
        case(shape, random)
    })
    .to_vec()
}
