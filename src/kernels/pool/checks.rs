//! What the kernels are compared with their references over.

use super::{Params, Pooling, reference};
use crate::kernels::checks::{Case, Checks, Random, unwritten};
use crate::kernels::{Dtypes, blocks, words};

pub(super) const MAXIMUM: Checks = Checks {
    reference: reference::maximum,
    cases: |_, random| cases(Pooling::Maximum, random),
    tolerance: 0.0,
};

pub(super) const AVERAGE: Checks = Checks {
    reference: reference::average,
    cases: |_, random| cases(Pooling::Average, random),
    tolerance: 1e-5,
};

/// Windows over maps.
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
    /// Rows and columns that a last window reaches past what is added.
    pub past: [usize; 2],
    /// Cells around the map that count in an average.
    pub counted: usize,
}

/// The kernel over random maps.
pub fn case(pooling: Pooling, shape: PoolShape, random: &mut Random) -> Case {
    let PoolShape { items, size, .. } = shape;
    let [kernel, stride, dilation, padding] = shape.window;
    let extent = dilation * (kernel - 1) + 1;
    let out_size =
        [0, 1].map(|axis| (size[axis] + 2 * padding + shape.past[axis] - extent) / stride + 1);
    let blocks = blocks(shape.channels);
    let params = Params {
        in_size: words(size),
        out_size: words(out_size),
        blocks: blocks as u32,
        items: items as u32,
        kernel: words([kernel; 2]),
        stride: words([stride; 2]),
        dilation: words([dilation; 2]),
        padding: words([padding; 2]),
        counted: words([shape.counted; 2]),
    };
    let bindings = vec![
        random.floats(items * size[0] * size[1] * blocks * 4),
        unwritten(items * out_size[0] * out_size[1] * blocks * 4),
    ];
    let dispatch = params.dispatch(pooling, Dtypes::F32);
    Case::new(format!("{shape:?}"), dispatch, bindings)
}

fn cases(pooling: Pooling, random: &mut Random) -> Vec<Case> {
    let shape = |items, size, channels, window| PoolShape {
        items,
        size,
        channels,
        window,
        past: [0, 0],
        counted: 0,
    };
    [
        shape(1, [17, 22], 64, [3, 2, 1, 1]),
        shape(1, [16, 7], 5, [3, 2, 1, 1]),
        shape(1, [1, 1], 4, [3, 2, 1, 1]),
        shape(1, [9, 14], 256, [1, 2, 1, 0]),
        shape(1, [1, 1], 16, [1, 2, 1, 0]),
        shape(3, [7, 7], 9, [7, 7, 1, 0]),
        shape(2, [9, 11], 8, [3, 1, 2, 1]),
        PoolShape {
            past: [1, 0],
            counted: 1,
            ..shape(1, [8, 9], 12, [3, 2, 1, 1])
        },
    ]
    .map(|shape| case(pooling, shape, random))
    .to_vec()
}
