//! Twin of `shaders/check_finite.wgsl`.

use super::words;

const EXPONENT: u32 = 0x7f80_0000;

/// Raises the results' second word where a map, given as the bits of its values, holds NaN or an
/// infinity.
///
/// # Panics
/// If a buffer is too small.
pub fn check_finite(params: &[u32], map: &[u32], results: &mut [u32]) {
    let [quads, _, _, _] = words(params);
    for word in &map[..4 * quads] {
        if word & EXPONENT == EXPONENT {
            results[1] = 1;
        }
    }
}
