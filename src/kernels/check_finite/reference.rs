//! CPU reference of `shaders/check_finite.wgsl`.

use super::Params;
use crate::kernels::checks::Call;

const EXPONENT: u32 = 0x7f80_0000;

/// Raises the results' second word where a map, given as the bits of its values, holds NaN or an
/// infinity.
pub(super) fn run(call: Call<'_>) {
    let (params, [map, results]) = call.split::<Params, 2>();
    check_finite(&params, map, results);
}

fn check_finite(params: &Params, map: &[u32], results: &mut [u32]) {
    for word in &map[..4 * params.blocks as usize] {
        if word & EXPONENT == EXPONENT {
            results[1] = 1;
        }
    }
}
