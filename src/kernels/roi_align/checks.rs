//! What the kernel is compared with its reference over.

use super::{Params, reference};
use crate::kernels::checks::{Case, Checks, Random, UNWRITTEN, bits, unwritten};
use crate::kernels::{Dtypes, Kernel, Role, blocks, words};

pub(super) const CHECKS: Checks = Checks {
    reference: reference::run,
    cases,
    tolerance: 1e-5,
};

/// RoIAlign over levels of a pyramid, the first of which is P2 at stride 4.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoiAlignShape {
    /// Height and width of P2; each level after it has half of both, rounded up.
    pub finest: [usize; 2],
    /// Levels of the pyramid.
    pub levels: usize,
    /// The first that is bound, 0 for P2, and how many are, at most [`MAX_LEVELS`](super::MAX_LEVELS).
    pub bound: [usize; 2],
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
    /// Number of the level that boxes of the canonical size belong to: 4 for P4.
    pub canonical_level: usize,
    /// Side of these boxes, in pixels.
    pub canonical_size: f32,
    /// What is added to a box's side in canonical ones, and to its logarithm.
    pub epsilons: [f32; 2],
}

/// The kernel over random maps; what is missing of `boxes` up to the capacity is not meant.
pub fn case(shape: RoiAlignShape, boxes: &[[f32; 4]], random: &mut Random) -> Case {
    let [first, bound] = shape.bound;
    let level = |level: usize| {
        let size = shape.finest.map(|side| side.div_ceil(1 << level));
        (size, 4 << level)
    };
    let levels: Vec<([usize; 2], usize)> = (first..first + bound).map(level).collect();
    let blocks = blocks(shape.channels);
    let params = Params {
        rois: shape.capacity as u32,
        blocks: blocks as u32,
        sampling_ratio: shape.sampling_ratio as u32,
        aligned: shape.aligned.into(),
        cells: words(shape.cells),
        canonical_size: shape.canonical_size,
        canonical_level: shape.canonical_level as f32,
        finest: 2.0,
        coarsest: (2 + shape.levels - 1) as f32,
        first: 2 + first as u32,
        epsilons: shape.epsilons,
        ..Params::over(&levels)
    };
    let mut sides = bits(boxes.as_flattened());
    sides.resize(4 * shape.capacity, UNWRITTEN);
    let cells = shape.capacity * shape.cells[0] * shape.cells[1];
    let mut bindings = vec![
        sides,
        vec![boxes.len() as u32],
        unwritten(cells * blocks * 4),
    ];
    let maps = levels.iter();
    bindings.extend(maps.map(|([height, width], _)| random.floats(height * width * blocks * 4)));
    let about = format!("{shape:?}, {} boxes", boxes.len());
    Case::new(about, params.dispatch(bound, Dtypes::F32), bindings)
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

fn cases(kernel: &Kernel, random: &mut Random) -> Vec<Case> {
    let bound = kernel.roles.iter().filter(|role| **role == Role::MapIn);
    let bound = bound.count();
    let shape = RoiAlignShape {
        finest: [50, 61],
        levels: bound,
        bound: [0, bound],
        channels: 10,
        capacity: 40,
        cells: [7, 7],
        sampling_ratio: 2,
        aligned: false,
        canonical_level: 4,
        canonical_size: 224.0,
        epsilons: [0.0, 1e-6],
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
        epsilons: [1e-8, 0.0],
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
    let behind_others = RoiAlignShape {
        levels: bound + 2,
        bound: [2, bound],
        ..shape
    };
    let before_others = RoiAlignShape {
        levels: bound + 1,
        canonical_level: 3,
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
        case(behind_others, &boxes, random),
        case(before_others, &with_senseless, random),
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
