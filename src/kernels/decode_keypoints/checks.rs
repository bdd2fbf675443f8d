//! What the kernel is compared with its reference over.

use super::{Params, reference};
use crate::kernels::checks::{Case, Checks, Random, bits, unwritten};
use crate::kernels::{blocks, words};

pub(super) const CHECKS: Checks = Checks {
    reference: reference::run,
    cases: |_, random| cases(random),
    tolerance: 1e-5,
};

/// The kernel over random heat maps of so many rows and columns, of boxes up to `longest` pixels wide.
pub fn case(
    size: [usize; 2],
    [rois, slots, keypoints]: [usize; 3],
    longest: f32,
    random: &mut Random,
) -> Case {
    let pitch = 4 * blocks(keypoints);
    let row = 4 * blocks(3 * keypoints);
    let params = Params {
        size: words(size),
        keypoints: keypoints as u32,
        pitch: pitch as u32,
        row: row as u32,
        ..Params::default()
    };
    let cells = size[0] * size[1];
    let maps = (0..slots * cells * pitch).map(|_| random.between(-5.0, 5.0).to_bits());
    let maps = maps.collect();
    let boxes: Vec<f32> = (0..slots)
        .flat_map(|_| random.bbox([200, 300], longest))
        .collect();
    let bindings = vec![
        maps,
        bits(&boxes),
        vec![rois as u32],
        unwritten(slots * row),
    ];
    Case::new(
        format!("{rois} of {slots} RoIs up to {longest} pixels, {keypoints} maps of {size:?}"),
        params.dispatch(slots),
        bindings,
    )
}

fn cases(random: &mut Random) -> Vec<Case> {
    [
        ([56, 56], [3, 4, 17], 150.0),
        ([56, 56], [2, 2, 5], 30.0),
        ([1, 1], [1, 1, 1], 9.0),
        ([7, 13], [5, 5, 3], 40.0),
        ([9, 4], [0, 3, 2], 40.0),
    ]
    .map(|(size, numbers, longest)| case(size, numbers, longest, random))
    .to_vec()
}
