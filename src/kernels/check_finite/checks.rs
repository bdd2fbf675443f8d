//! What the kernel is compared with its reference over.

use super::{Params, reference};
use crate::kernels::Dtype;
use crate::kernels::checks::{Case, Checks, Random, bits};

pub(super) const CHECKS: Checks = Checks {
    reference: reference::run,
    cases: |_, random| cases(random),
    tolerance: 0.0,
};

/// The kernel over a map of these values.
pub fn case(map: &[f32]) -> Case {
    let blocks = map.len() / 4;
    let params = Params {
        blocks: blocks as u32,
        ..Params::default()
    };
    let about = format!("{blocks} times four values");
    let bindings = vec![bits(map), vec![0; 4]];
    Case::new(about, params.dispatch(Dtype::F32), bindings)
}

fn cases(random: &mut Random) -> Vec<Case> {
    let finite: Vec<f32> = (0..4 * 5000).map(|_| random.between(-1.0, 1.0)).collect();
    let with = |index: usize, value: f32| {
        let mut map = finite.clone();
        map[index] = value;
        case(&map)
    };
    vec![
        case(&finite),
        case(&[f32::MAX, f32::MIN, -0.0, 1e-40]),
        with(0, f32::NAN),
        with(19_999, f32::INFINITY),
        with(7777, f32::NEG_INFINITY),
        with(4098, f32::from_bits(0xff80_0001)),
    ]
}
