//! What the kernel is compared with its reference over.

use super::{dispatch, kernel, reference};
use crate::kernels::Kernel;
use crate::kernels::checks::{Case, Checks, Random};
use crate::kernels::conv::{ConvShape, Epilogue, FREQUENCIES};

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

/// Some of a 3×3 convolution's tiles: the first, and how many.
pub fn case(shape: ConvShape, tiles: [usize; 2], random: &mut Random) -> Case {
    let params = shape.params(tiles);
    let mut bindings = vec![
        random.floats(FREQUENCIES * tiles[1] * shape.out_blocks() * 4),
        shape.result(),
    ];
    bindings.extend(shape.epilogue_bindings(random));
    let about = format!("{shape:?}, tiles {tiles:?}");
    Case::new(about, dispatch(&params, shape.epilogue()), bindings)
}

fn cases(own: &'static Kernel, random: &mut Random) -> Vec<Case> {
    let mut epilogues = Epilogue::WITH_BIAS.into_iter();
    let epilogue = epilogues
        .find(|epilogue| kernel(*epilogue) == own)
        .expect("the kernel has one of the epilogues");
    let same = ConvShape::same;
    let several = |size, inputs, outputs| ConvShape {
        items: 3,
        ..same(size, inputs, outputs)
    };
    [
        (same([8, 8], 16, 16), [0, 4]),
        (same([7, 10], 16, 5), [0, 6]),
        (same([13, 18], 16, 64), [7, 9]),
        (same([1, 1], 16, 16), [0, 1]),
        (several([5, 6], 16, 12), [3, 8]),
    ]
    .map(|(shape, tiles)| case(shape.with(epilogue), tiles, random))
    .to_vec()
}
