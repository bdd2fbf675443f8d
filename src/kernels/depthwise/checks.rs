//! What the kernel is compared with its reference over.

use super::{Params, reference};
use crate::kernels::checks::{Case, Checks, Random, unwritten};
use crate::kernels::{Dtypes, blocks, words};

pub(super) const CHECKS: Checks = Checks {
    reference: reference::run,
    cases: |_, random| cases(random),
    tolerance: 1e-5,
};

/// A depthwise convolution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DepthwiseShape {
    /// Height and width of the input.
    pub size: [usize; 2],
    /// Channels.
    pub channels: usize,
    /// Side of the window.
    pub kernel: usize,
    /// Step of the window.
    pub stride: usize,
    /// Cells added on each side.
    pub padding: usize,
    /// Slope of the activation; 1 for none.
    pub slope: f32,
}

/// The kernel over a random map, with random weights and a random bias.
pub fn case(shape: DepthwiseShape, random: &mut Random) -> Case {
    let DepthwiseShape {
        size,
        kernel,
        stride,
        padding,
        ..
    } = shape;
    let out_size = size.map(|side| (side + 2 * padding - kernel) / stride + 1);
    let blocks = blocks(shape.channels);
    let params = Params {
        in_size: words(size),
        out_size: words(out_size),
        blocks: blocks as u32,
        inner_slope: shape.slope,
        kernel: words([kernel; 2]),
        stride: words([stride; 2]),
        padding: words([padding; 2]),
    };
    let bindings = vec![
        random.floats(size[0] * size[1] * blocks * 4),
        random.floats(kernel * kernel * blocks * 4),
        random.floats(blocks * 4),
        unwritten(out_size[0] * out_size[1] * blocks * 4),
    ];
    Case::new(format!("{shape:?}"), params.dispatch(Dtypes::F32), bindings)
}

fn cases(random: &mut Random) -> Vec<Case> {
    [
        ([9, 12], 8, [3, 1, 1], 1.0),
        ([9, 12], 17, [3, 2, 1], 1.0),
        ([1, 1], 256, [3, 1, 1], 1.0),
        ([31, 30], 64, [3, 1, 1], 0.1),
        ([8, 8], 16, [5, 1, 2], 1.0),
    ]
    .map(|(size, channels, [kernel, stride, padding], slope)| {
        let shape = DepthwiseShape {
            size,
            channels,
            kernel,
            stride,
            padding,
            slope,
        };
        case(shape, random)
    })
    .to_vec()
}
