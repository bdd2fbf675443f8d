//! What the kernel is compared with its reference over.

use super::{Params, reference};
use crate::kernels::checks::{Case, Checks, Random, UNWRITTEN, bits, unwritten};
use crate::kernels::{Dtypes, blocks, words};

pub(super) const CHECKS: Checks = Checks {
    reference: reference::run,
    cases: |_, random| cases(random),
    tolerance: 0.0,
};

/// RoIPool over one map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoiPoolShape {
    /// Height and width of the map.
    pub size: [usize; 2],
    /// Channels.
    pub channels: usize,
    /// Pixels between the map's cells.
    pub stride: usize,
    /// Boxes that fit.
    pub capacity: usize,
    /// Rows and columns of the output.
    pub cells: [usize; 2],
}

/// The kernel over a random map; what is missing of `boxes` up to the capacity is not meant.
pub fn case(shape: RoiPoolShape, boxes: &[[f32; 4]], random: &mut Random) -> Case {
    let blocks = blocks(shape.channels);
    let params = Params {
        size: words(shape.size),
        cells: words(shape.cells),
        rois: shape.capacity as u32,
        blocks: blocks as u32,
        scale: 1.0 / shape.stride as f32,
        unused: 0,
    };
    let mut sides = bits(boxes.as_flattened());
    sides.resize(4 * shape.capacity, UNWRITTEN);
    let cells = shape.capacity * shape.cells[0] * shape.cells[1];
    let bindings = vec![
        sides,
        vec![boxes.len() as u32],
        unwritten(cells * blocks * 4),
        random.floats(shape.size[0] * shape.size[1] * blocks * 4),
    ];
    let about = format!("{shape:?}, {} boxes", boxes.len());
    Case::new(about, params.dispatch(Dtypes::F32), bindings)
}

/// Corners halfway between cells, and what no picture has: not finite, too far out, inverted.
const EDGES: [[f32; 4]; 10] = [
    [8.0, 24.0, 40.0, 56.0],
    [-8.0, -24.0, 8.0, 7.9],
    [-7.99, -8.01, 7.99, 8.01],
    [33.3, 44.4, 33.3, 44.4],
    [-500.0, -400.0, -300.0, -200.0],
    [900.0, 900.0, 950.0, 1000.0],
    [-2000.0, -2000.0, 3000.0, 3000.0],
    [f32::NAN; 4],
    [0.0, 0.0, 3e7, 3e7],
    [60.0, 80.0, 20.0, 30.0],
];

fn cases(random: &mut Random) -> Vec<Case> {
    let shape = RoiPoolShape {
        size: [14, 19],
        channels: 10,
        stride: 16,
        capacity: 40,
        cells: [7, 7],
    };
    let mut boxes: Vec<[f32; 4]> = (0..24)
        .map(|k| random.bbox([224, 304], 12.0 * k as f32 + 5.0))
        .collect();
    boxes.extend(EDGES);
    let wide = RoiPoolShape {
        channels: 256,
        ..shape
    };
    let oblong = RoiPoolShape {
        cells: [3, 14],
        stride: 5,
        ..shape
    };
    let single = RoiPoolShape {
        size: [1, 1],
        ..shape
    };
    vec![
        case(shape, &boxes, random),
        case(wide, &boxes[..12], random),
        case(oblong, &boxes, random),
        case(single, &boxes, random),
        case(shape, &[], random),
    ]
}
