//! What the kernel is compared with its reference over.

use super::{Params, reference};
use crate::kernels::Dtypes;
use crate::kernels::checks::{Case, Checks, Random, bits, unwritten};

pub(super) const CHECKS: Checks = Checks {
    reference: reference::run,
    cases: |_, random| cases(random),
    tolerance: 0.0,
};

/// The kernel over a random map of so many channel blocks.
pub fn case(blocks: usize, random: &mut Random) -> Case {
    of(format!("{blocks} blocks"), random.floats(blocks * 4))
}

fn of(about: String, image: Vec<u32>) -> Case {
    let params = Params::new(image.len() / 4);
    let result = unwritten(image.len());
    Case::new(about, params.dispatch(Dtypes::F32), vec![image, result])
}

fn cases(random: &mut Random) -> Vec<Case> {
    let mut cases = [1, 63, 64, 65, 9 * 12 * 17]
        .map(|blocks| case(blocks, random))
        .to_vec();
    let not_finite = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1.0];
    cases.push(of("not finite".to_owned(), bits(&not_finite)));
    cases.push(of("integers".to_owned(), vec![0, 1, 2, 1000]));
    cases
}
