//! What the kernel is compared with its reference over.

use super::{Params, reference};
use crate::kernels::checks::{Case, Checks, Random, frame_words, unwritten};
use crate::kernels::{Dtypes, words};

pub(super) const CHECKS: Checks = Checks {
    reference: reference::run,
    cases: |_, random| cases(random),
    tolerance: 1e-5,
};

/// Heights and widths of a picture on its way to the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreprocessShape {
    /// As it came.
    pub original: [usize; 2],
    /// As the network sees it, without padding.
    pub resized: [usize; 2],
    /// With padding.
    pub padded: [usize; 2],
}

/// The kernel over a random picture, normalized as for ImageNet.
pub fn case(shape: PreprocessShape, random: &mut Random) -> Case {
    let PreprocessShape {
        original,
        resized,
        padded,
    } = shape;
    let params = Params {
        padded: words(padded),
        divisor: 255.0,
        unused: 0,
        mean: [0.485, 0.456, 0.406, 0.0],
        deviation: [0.229, 0.224, 0.225, 1.0],
    };
    let picture = (0..original[0] * original[1]).map(|_| random.word());
    let bindings = vec![
        frame_words(original, resized),
        picture.collect(),
        unwritten(padded[0] * padded[1] * 4),
    ];
    Case::new(format!("{shape:?}"), params.dispatch(Dtypes::F32), bindings)
}

fn cases(random: &mut Random) -> Vec<Case> {
    [
        ([33, 47], [33, 47], [33, 47]),
        ([33, 47], [80, 113], [96, 128]),
        ([90, 70], [41, 32], [64, 32]),
        ([1, 1], [5, 3], [32, 32]),
    ]
    .map(|(original, resized, padded)| {
        let shape = PreprocessShape {
            original,
            resized,
            padded,
        };
        case(shape, random)
    })
    .to_vec()
}
