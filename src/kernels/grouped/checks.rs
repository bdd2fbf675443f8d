//! What the kernel is compared with its reference over.

use super::{dispatch, kernel, reference};
use crate::kernels::checks::{Case, Checks, Random};
use crate::kernels::conv::{ConvShape, Epilogue, Params};
use crate::kernels::{Dtypes, Kernel, blocks};

pub(super) const CHECKS: Checks = Checks {
    reference: reference::nearest,
    cases,
    tolerance: 1e-5,
};

/// The same, of a kernel whose residual is upsampled so.
pub(super) const CHECKS_BILINEAR: Checks = Checks {
    reference: reference::bilinear,
    ..CHECKS
};

/// The convolution in so many groups of channels, with bias, and with a residual where the shape has
/// one.
pub fn case(groups: usize, shape: ConvShape, random: &mut Random) -> Case {
    let plain = shape.params([0, 0]);
    let params = Params {
        group_in_blocks: plain.in_blocks / groups as u32,
        group_out_blocks: plain.out_blocks / groups as u32,
        ..plain
    };
    let out_blocks = blocks(shape.out_channels);
    let group_channels = shape.in_channels / groups;
    let mut bindings = vec![
        shape.image(random),
        shape.result(),
        random.floats(shape.kernel * shape.kernel * group_channels * out_blocks * 4),
    ];
    bindings.extend(shape.epilogue_bindings(random));
    Case::new(
        format!("{shape:?}, {groups} groups"),
        dispatch(&params, shape.epilogue(), Dtypes::F32),
        bindings,
    )
}

fn cases(own: &'static Kernel, random: &mut Random) -> Vec<Case> {
    let mut epilogues = Epilogue::IN_ORDER.into_iter();
    let epilogue = epilogues
        .find(|epilogue| kernel(*epilogue) == own)
        .expect("the kernel has one of the epilogues");
    // Groups, then channels of the input and of the output in each.
    let same = |size, groups, [inputs, outputs]: [usize; 2]| {
        (
            groups,
            ConvShape::same(size, groups * inputs, groups * outputs),
        )
    };
    let window = |(groups, shape): (usize, ConvShape), kernel, stride, padding| {
        (groups, shape.window(kernel, stride, padding))
    };
    let shapes = [
        same([9, 11], 2, [4, 4]),
        same([7, 13], 32, [4, 4]),
        same([5, 6], 8, [8, 8]),
        same([1, 1], 2, [16, 16]),
        same([10, 3], 2, [8, 16]),
        same([3, 10], 8, [16, 4]),
        window(same([15, 10], 32, [8, 8]), 3, 2, 1),
        window(same([14, 9], 8, [4, 8]), 1, 1, 0),
        window(same([11, 7], 2, [16, 4]), 5, 2, 2),
    ];
    let (groups, shape) = same([6, 5], 3, [8, 4]);
    let several = ConvShape { items: 3, ..shape };
    let apart = ConvShape {
        dilation: 2,
        ..shape.window(3, 1, 2)
    };
    let shapes = shapes
        .into_iter()
        .chain([(groups, several), (groups, apart)]);
    shapes
        .map(|(groups, shape)| case(groups, shape.with(epilogue), random))
        .collect()
}
