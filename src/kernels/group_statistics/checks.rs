//! What the kernel is compared with its reference over.

use super::{dispatch, reference};
use crate::kernels::Dtypes;
use crate::kernels::checks::{Case, Checks, Random, unwritten};

pub(super) const CHECKS: Checks = Checks {
    reference: reference::run,
    cases: |_, random| cases(random),
    tolerance: 1e-5,
};

/// The kernel over a random map of so many pixels and groups of so many blocks of channels, of values around
/// `mean`.
pub fn case([pixels, groups, blocks]: [usize; 3], mean: f32, random: &mut Random) -> Case {
    let channels = 4 * groups * blocks;
    let map = (0..pixels * channels).map(|_| (mean + random.between(-1.0, 1.0)).to_bits());
    Case::new(
        format!("{pixels} pixels, {groups} groups of {blocks} blocks around {mean}"),
        dispatch([pixels, channels], groups, 1e-5, Dtypes::F32),
        vec![map.collect(), unwritten(channels), unwritten(channels)],
    )
}

fn cases(random: &mut Random) -> Vec<Case> {
    [
        ([1, 1, 1], 0.0),
        ([35, 32, 2], 0.5),
        ([7, 1, 300], 0.5),
        ([1000, 3, 1], -0.2),
        // Far from 0, where a variance that is a difference of squares would be nothing.
        ([130, 2, 3], 100.0),
    ]
    .map(|(sizes, mean)| case(sizes, mean, random))
    .to_vec()
}
