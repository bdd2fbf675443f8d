//! What the kernel is compared with its reference over.

use super::{dispatch, kernel, reference};
use crate::kernels::checks::{Case, Checks, Random};
use crate::kernels::conv::{ConvShape, Epilogue};
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

/// The convolution of a shape that makes as many channels as it reads, one of one; with bias, and with a
/// residual where the shape has one.
pub fn case(shape: ConvShape, random: &mut Random) -> Case {
    let channels = blocks(shape.out_channels) * 4;
    let mut bindings = vec![
        shape.image(random),
        shape.result(),
        random.floats(shape.kernel * shape.kernel * channels),
    ];
    bindings.extend(shape.epilogue_bindings(random));
    Case::new(
        format!("{shape:?}"),
        dispatch(&shape.params([0, 0]), shape.epilogue(), Dtypes::F32),
        bindings,
    )
}

fn cases(own: &'static Kernel, random: &mut Random) -> Vec<Case> {
    let mut epilogues = Epilogue::IN_ORDER.into_iter();
    let epilogue = epilogues
        .find(|epilogue| kernel(*epilogue) == own)
        .expect("the kernel has one of the epilogues");
    let same = |size, channels| ConvShape::same(size, channels, channels);
    [
        same([9, 12], 8),
        same([9, 12], 17).window(3, 2, 1),
        same([1, 1], 256),
        same([8, 8], 16).window(5, 1, 2),
        ConvShape {
            items: 3,
            ..same([6, 5], 7)
        },
        ConvShape {
            items: 2,
            dilation: 2,
            ..same([9, 10], 12).window(3, 1, 2)
        },
    ]
    .into_iter()
    .map(|shape| shape.with(epilogue))
    // With a leaky activation.
    .chain([ConvShape {
        slopes: [0.1, 1.0],
        ..same([31, 30], 64).with(epilogue)
    }])
    .map(|shape| case(shape, random))
    .collect()
}
