//! What the kernel is compared with its reference over.

use super::{Params, reference};
use crate::kernels::checks::{Case, Checks, Random, UNWRITTEN, bits, unwritten};
use crate::kernels::{Dtypes, blocks, words};

pub(super) const CHECKS: Checks = Checks {
    reference: reference::run,
    cases: |_, random| cases(random),
    tolerance: 1e-5,
};

/// RoIAlign over P2…P5.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoiAlignShape {
    /// Height and width of P2; each level after it has half of both, rounded up.
    pub finest: [usize; 2],
    /// Channels.
    pub channels: usize,
    /// Boxes that fit.
    pub capacity: usize,
    /// Rows and columns of the output.
    pub cells: [usize; 2],
    /// Samples along a side of a cell; 0 for as many as it is pixels wide.
    pub sampling_ratio: usize,
    /// Whether pixel centres sit at half coordinates.
    pub aligned: bool,
    /// Side of the boxes that belong to P4, in pixels.
    pub canonical_size: f32,
}

/// The kernel over random maps; what is missing of `boxes` up to the capacity is not meant.
pub fn case(shape: RoiAlignShape, boxes: &[[f32; 4]], random: &mut Random) -> Case {
    let sizes = [0, 1, 2, 3].map(|level| shape.finest.map(|side| side.div_ceil(1 << level)));
    let [p2, p3, p4, p5] = sizes.map(words);
    let pair = |[a, b]: [u32; 2], [c, d]: [u32; 2]| [a, b, c, d];
    let blocks = blocks(shape.channels);
    let params = Params {
        sizes: [pair(p2, p3), pair(p4, p5)],
        rois: shape.capacity as u32,
        blocks: blocks as u32,
        sampling_ratio: shape.sampling_ratio as u32,
        aligned: shape.aligned.into(),
        cells: words(shape.cells),
        canonical_size: shape.canonical_size,
        unused: 0,
    };
    let mut bindings: Vec<Vec<u32>> = sizes
        .iter()
        .map(|[height, width]| random.floats(height * width * blocks * 4))
        .collect();
    let mut sides = bits(boxes.as_flattened());
    sides.resize(4 * shape.capacity, UNWRITTEN);
    let cells = shape.capacity * shape.cells[0] * shape.cells[1];
    bindings.extend([
        sides,
        vec![boxes.len() as u32],
        unwritten(cells * blocks * 4),
    ]);
    let about = format!("{shape:?}, {} boxes", boxes.len());
    Case::new(about, params.dispatch(Dtypes::F32), bindings)
}

/// What no picture has: not finite, too far out, inverted.
const SENSELESS: [[f32; 4]; 7] = [
    [f32::NAN; 4],
    [4.0, f32::NAN, 20.0, 24.0],
    [4.0, 8.0, f32::INFINITY, 24.0],
    [f32::MIN, f32::MIN, f32::MAX, f32::MAX],
    [0.0, 0.0, 3e7, 3e7],
    [60.0, 80.0, 20.0, 120.0],
    [60.0, 80.0, 20.0, 30.0],
];

/// Boxes with samples by the thousand where there is one a map's cell, nearly all of them off the map.
const HUGE: [[f32; 4]; 3] = [
    [-1e5, -1e5, 1e5, 1e5],
    [-1e5, 20.0, 1e5, 60.0],
    [30.0, -1e5, 200.0, 1e5],
];

fn cases(random: &mut Random) -> Vec<Case> {
    let shape = RoiAlignShape {
        finest: [50, 61],
        channels: 10,
        capacity: 40,
        cells: [7, 7],
        sampling_ratio: 2,
        aligned: false,
        canonical_size: 224.0,
    };
    let boxes = boxes(random);
    let with_senseless = [&boxes[..], &SENSELESS].concat();
    let with_huge = [&SENSELESS[..], &HUGE].concat();
    let wide = RoiAlignShape {
        channels: 256,
        ..shape
    };
    let adaptive = RoiAlignShape {
        sampling_ratio: 0,
        aligned: true,
        ..shape
    };
    let adaptive_plain = RoiAlignShape {
        sampling_ratio: 0,
        ..shape
    };
    let oblong = RoiAlignShape {
        cells: [3, 14],
        aligned: true,
        canonical_size: 112.0,
        ..shape
    };
    let single = RoiAlignShape {
        finest: [1, 1],
        ..shape
    };
    vec![
        case(shape, &with_senseless, random),
        case(adaptive_plain, &with_huge, random),
        case(adaptive, &with_huge, random),
        case(wide, &boxes[..12], random),
        case(adaptive, &boxes, random),
        case(oblong, &boxes, random),
        case(single, &boxes, random),
        case(shape, &[], random),
    ]
}

/// Boxes of all sizes in and around a picture of which P2 is a quarter.
fn boxes(random: &mut Random) -> Vec<[f32; 4]> {
    let picture = [200, 244];
    let mut boxes: Vec<[f32; 4]> = (0..24)
        .map(|k| random.bbox(picture, 20.0 * k as f32 + 5.0))
        .collect();
    // Sizes at the borders between levels, boxes off the picture, without area, larger than all.
    for side in [111.9, 112.0, 224.0, 448.0] {
        boxes.push([1.5, 2.5, 1.5 + side, 2.5 + side]);
    }
    boxes.extend([
        [-500.0, -400.0, -300.0, -200.0],
        [900.0, 900.0, 950.0, 1000.0],
        [33.3, 44.4, 33.3, 44.4],
        [-10.0, -10.0, 5.0, 5.0],
        [-2000.0, -2000.0, 3000.0, 3000.0],
    ]);
    boxes
}
