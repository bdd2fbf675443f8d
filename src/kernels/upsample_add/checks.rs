//! What the kernels are compared with their references over.

use super::{Params, Upsampling, reference};
use crate::kernels::checks::{Case, Checks, Random, unwritten};
use crate::kernels::{Dtypes, blocks, words};

pub(super) fn checks(upsampling: Upsampling) -> Checks {
    match upsampling {
        Upsampling::Nearest => Checks {
            reference: reference::nearest,
            cases: |_, random| cases(Upsampling::Nearest, &SHAPES, random),
            tolerance: 1e-6,
        },
        Upsampling::Bilinear => Checks {
            reference: reference::bilinear,
            cases: |_, random| {
                let mut cases = cases(Upsampling::Bilinear, &SHAPES, random);
                cases.extend(self::cases(Upsampling::Bilinear, &ODD, random));
                cases
            },
            // Adapters divide sizes as inexactly as WGSL lets them, and weights are made of that.
            tolerance: 1e-5,
        },
    }
}

/// A map and a coarser one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UpsampleShape {
    /// Maps that are added alike.
    pub items: usize,
    /// Height and width of the finer map.
    pub fine: [usize; 2],
    /// Height and width of the coarser map.
    pub coarse: [usize; 2],
    /// Channels of both.
    pub channels: usize,
    /// Slope of the activation; 1 for none.
    pub slope: f32,
}

/// The kernel that upsamples so, over random maps.
pub fn case(upsampling: Upsampling, shape: UpsampleShape, random: &mut Random) -> Case {
    let UpsampleShape {
        items,
        fine,
        coarse,
        ..
    } = shape;
    let blocks = blocks(shape.channels);
    let params = Params {
        fine_size: words(fine),
        coarse_size: words(coarse),
        blocks: blocks as u32,
        slope: shape.slope,
        items: items as u32,
        unused: 0,
    };
    let bindings = vec![
        random.floats(items * fine[0] * fine[1] * blocks * 4),
        random.floats(items * coarse[0] * coarse[1] * blocks * 4),
        unwritten(items * fine[0] * fine[1] * blocks * 4),
    ];
    let dispatch = params.dispatch(upsampling, Dtypes::F32);
    Case::new(format!("{shape:?}"), dispatch, bindings)
}

const fn shape(fine: [usize; 2], coarse: [usize; 2], channels: usize, slope: f32) -> UpsampleShape {
    UpsampleShape {
        items: 1,
        fine,
        coarse,
        channels,
        slope,
    }
}

/// By two, odd sizes, sizes that are equal, one cell for all, and several maps.
const SHAPES: [UpsampleShape; 5] = [
    shape([8, 10], [4, 5], 64, 1.0),
    shape([25, 13], [13, 7], 6, 1.0),
    shape([7, 9], [7, 9], 16, 0.0),
    shape([5, 4], [1, 1], 256, 0.1),
    UpsampleShape {
        items: 3,
        ..shape([7, 6], [4, 3], 9, 1.0)
    },
];

/// Steps that are no half, one axis that is kept, one cell along an axis.
const ODD: [UpsampleShape; 4] = [
    shape([17, 11], [5, 7], 12, 1.0),
    shape([9, 13], [9, 7], 5, 0.0),
    shape([1, 19], [1, 6], 8, 1.0),
    shape([14, 3], [13, 1], 20, 0.1),
];

fn cases(upsampling: Upsampling, shapes: &[UpsampleShape], random: &mut Random) -> Vec<Case> {
    let shapes = shapes.iter();
    shapes
        .map(|&shape| case(upsampling, shape, random))
        .collect()
}
