//! What the kernels are compared with their references over.

use super::{Params, Sampling, reference};
use crate::kernels::checks::{Case, Checks, Random, frame_of, unwritten, words_of};
use crate::kernels::{Dtypes, words};

pub(super) fn checks(sampling: Sampling) -> Checks {
    match sampling {
        Sampling::Bilinear => Checks {
            reference: reference::bilinear,
            cases: |_, random| cases(Sampling::Bilinear, random),
            tolerance: 1e-5,
        },
        Sampling::Antialiased => Checks {
            reference: reference::antialiased,
            cases: |_, random| cases(Sampling::Antialiased, random),
            // No byte may be another.
            tolerance: 1e-6,
        },
        Sampling::Warped => Checks {
            reference: reference::warped,
            cases: |_, random| cases(Sampling::Warped, random),
            tolerance: 1e-5,
        },
    }
}

/// Heights and widths of a picture on its way to the network, and the order of its channels there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreprocessShape {
    /// As it came.
    pub original: [usize; 2],
    /// As the network sees it, without padding.
    pub resized: [usize; 2],
    /// With padding.
    pub padded: [usize; 2],
    /// Whether the input's channels are blue, green, red.
    pub is_bgr: bool,
}

/// The kernel over a random picture, normalized as for ImageNet.
pub fn case(sampling: Sampling, shape: PreprocessShape, random: &mut Random) -> Case {
    let PreprocessShape {
        original,
        resized,
        padded,
        is_bgr,
    } = shape;
    let params = Params {
        padded: words(padded),
        divisor: 255.0,
        is_bgr: is_bgr.into(),
        mean: [0.485, 0.456, 0.406, 0.0],
        deviation: [0.229, 0.224, 0.225, 1.0],
    };
    let picture = (0..original[0] * original[1]).map(|_| random.word());
    let mut frame = frame_of(original, resized);
    if sampling == Sampling::Warped {
        // Some of a picture is cut off on one side, and there is nothing on the other.
        frame = frame.shifted([0.3 * frame.ratio[0], -0.7 * frame.ratio[1]]);
    }
    let bindings = vec![
        words_of(frame),
        picture.collect(),
        unwritten(padded[0] * padded[1] * 4),
    ];
    let dispatch = params.dispatch(sampling, Dtypes::F32);
    Case::new(format!("{shape:?}"), dispatch, bindings)
}

fn cases(sampling: Sampling, random: &mut Random) -> Vec<Case> {
    [
        ([33, 47], [33, 47], [33, 47]),
        ([33, 47], [80, 113], [96, 128]),
        ([90, 70], [41, 32], [64, 32]),
        ([1, 1], [5, 3], [32, 32]),
        // Much smaller, and from and to a single pixel.
        ([331, 517], [23, 36], [32, 64]),
        ([640, 3], [1, 7], [4, 8]),
    ]
    .into_iter()
    .flat_map(|sizes| [(sizes, false), (sizes, true)])
    .map(|((original, resized, padded), is_bgr)| {
        let shape = PreprocessShape {
            original,
            resized,
            padded,
            is_bgr,
        };
        case(sampling, shape, random)
    })
    .collect()
}
