//! What the kernel is compared with its reference over.

use super::{Params, reference};
use crate::kernels::checks::{Case, Checks, Random, unwritten};
use crate::kernels::{Dtypes, blocks, words};

pub(super) const CHECKS: Checks = Checks {
    reference: reference::run,
    cases: |_, random| cases(random),
    tolerance: 0.0,
};

/// A maximum over windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolShape {
    /// Maps that are pooled alike.
    pub items: usize,
    /// Height and width of the input.
    pub size: [usize; 2],
    /// Channels.
    pub channels: usize,
    /// Side of the window, its step, the cells from one of its taps to the next, and those added on each
    /// side of the map.
    pub window: [usize; 4],
}

/// The kernel over a random map.
pub fn case(shape: PoolShape, random: &mut Random) -> Case {
    let [kernel, stride, dilation, padding] = shape.window;
    let extent = dilation * (kernel - 1) + 1;
    let out_size = shape
        .size
        .map(|side| (side + 2 * padding - extent) / stride + 1);
    let blocks = blocks(shape.channels);
    let params = Params {
        in_size: words(shape.size),
        out_size: words(out_size),
        blocks: blocks as u32,
        items: shape.items as u32,
        kernel: words([kernel; 2]),
        stride: words([stride; 2]),
        dilation: words([dilation; 2]),
        padding: words([padding; 2]),
    };
    let bindings = vec![
        random.floats(shape.items * shape.size[0] * shape.size[1] * blocks * 4),
        unwritten(shape.items * out_size[0] * out_size[1] * blocks * 4),
    ];
    Case::new(format!("{shape:?}"), params.dispatch(Dtypes::F32), bindings)
}

fn cases(random: &mut Random) -> Vec<Case> {
    [
        (1, [17, 22], 64, [3, 2, 1, 1]),
        (1, [16, 7], 5, [3, 2, 1, 1]),
        (1, [1, 1], 4, [3, 2, 1, 1]),
        (1, [9, 14], 256, [1, 2, 1, 0]),
        (1, [1, 1], 16, [1, 2, 1, 0]),
        (3, [7, 6], 9, [3, 2, 1, 1]),
        (2, [9, 11], 8, [3, 1, 2, 1]),
    ]
    .map(|(items, size, channels, window)| {
        let shape = PoolShape {
            items,
            size,
            channels,
            window,
        };
        case(shape, random)
    })
    .to_vec()
}
