//! What the kernel is compared with its reference over.

use super::{Params, reference};
use crate::kernels::blocks;
use crate::kernels::checks::{Case, Checks, Random, unwritten};

pub(super) const CHECKS: Checks = Checks {
    reference: reference::run,
    cases: |_, random| cases(random),
    tolerance: 1e-5,
};

/// The kernel over the random masks of so many RoIs, pixels and classes.
pub fn case([rois, pixels, classes]: [usize; 3], random: &mut Random) -> Case {
    let pitch = 4 * blocks(classes);
    let params = Params {
        rois: rois as u32,
        pixels: pixels as u32,
        classes: classes as u32,
        pitch: pitch as u32,
    };
    let logits = (0..rois * pixels * pitch).map(|_| random.between(-9.0, 9.0).to_bits());
    let logits = logits.collect();
    // Some are none of the classes.
    let labels = (0..rois).map(|_| random.below(classes + 2) as u32);
    let bindings = vec![
        logits,
        labels.collect(),
        unwritten(rois * pixels.next_multiple_of(4)),
    ];
    Case::new(
        format!("{rois} RoIs of {pixels} pixels, {classes} classes"),
        params.dispatch(),
        bindings,
    )
}

fn cases(random: &mut Random) -> Vec<Case> {
    [
        [1, 1, 1],
        [5, 28 * 28, 91],
        [13, 7, 2],
        [100, 14, 21],
        [3, 9, 4],
    ]
    .map(|sizes| case(sizes, random))
    .to_vec()
}
