//! What the kernels are compared with their references over.

use super::{Params, reference};
use crate::kernels::Dtypes;
use crate::kernels::blocks;
use crate::kernels::checks::{Case, Checks, Random, unwritten};
use crate::kernels::upsample_add::Upsampling;

pub(super) fn checks(upsampling: Upsampling) -> Checks {
    match upsampling {
        Upsampling::Nearest => Checks {
            reference: reference::nearest,
            cases: |_, random| cases(Upsampling::Nearest, random),
            tolerance: 0.0,
        },
        Upsampling::Bilinear => Checks {
            reference: reference::bilinear,
            cases: |_, random| cases(Upsampling::Bilinear, random),
            tolerance: 1e-5,
        },
    }
}

/// Maps before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResizeShape {
    /// Maps that are brought to the size alike.
    pub items: usize,
    /// Channels.
    pub channels: usize,
    /// Height and width of the input.
    pub from: [usize; 2],
    /// Height and width of the output.
    pub to: [usize; 2],
    /// Whether the corner cells' centres lie on each other.
    pub aligned: bool,
}

/// The kernel that reads so, over random maps.
pub fn case(upsampling: Upsampling, shape: ResizeShape, random: &mut Random) -> Case {
    let ResizeShape {
        items,
        channels,
        from,
        to,
        aligned,
    } = shape;
    let params = Params::new(from, to, [items, channels]);
    let params = if aligned { params.aligned() } else { params };
    let words = |size: [usize; 2]| items * size[0] * size[1] * blocks(channels) * 4;
    let bindings = vec![random.floats(words(from)), unwritten(words(to))];
    let dispatch = params.dispatch(upsampling, Dtypes::F32);
    Case::new(format!("{shape:?}"), dispatch, bindings)
}

fn cases(upsampling: Upsampling, random: &mut Random) -> Vec<Case> {
    let shape = |items, channels, from, to, aligned| ResizeShape {
        items,
        channels,
        from,
        to,
        aligned,
    };
    [
        // Up by two, to odd sizes, down, both, kept, and from and to one cell.
        shape(1, 64, [4, 5], [8, 10], false),
        shape(1, 6, [13, 7], [25, 13], false),
        shape(1, 9, [20, 17], [7, 5], false),
        shape(1, 8, [5, 12], [14, 3], false),
        shape(1, 4, [6, 7], [6, 7], false),
        shape(1, 12, [1, 1], [5, 4], false),
        shape(1, 4, [9, 6], [1, 1], false),
        shape(3, 7, [3, 4], [7, 6], false),
        shape(1, 8, [5, 7], [11, 4], true),
        shape(2, 5, [4, 3], [1, 9], true),
    ]
    .map(|shape| case(upsampling, shape, random))
    .to_vec()
}
