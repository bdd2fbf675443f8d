//! Twin of `shaders/upsample_add.wgsl`.

use std::array::from_fn;

use super::activation::leaky;
use super::{Vec4, float, words};

/// A map plus a coarser one, enlarged to the nearest.
///
/// - all buffers: `[y][x][quad]`.
///
/// # Panics
/// If a buffer is too small.
pub fn upsample_add(params: &[u32], fine: &[Vec4], coarse: &[Vec4], result: &mut [Vec4]) {
    let [
        fine_height,
        fine_width,
        coarse_height,
        coarse_width,
        quads,
        slope,
        _,
        _,
    ] = words(params);
    for index in 0..fine_height * fine_width * quads {
        let quad = index % quads;
        let pixel = index / quads;
        let (y, x) = (pixel / fine_width, pixel % fine_width);
        let nearest = [
            y * coarse_height / fine_height,
            x * coarse_width / fine_width,
        ];
        let source = coarse[(nearest[0] * coarse_width + nearest[1]) * quads + quad];
        let sum = from_fn(|c| fine[index][c] + source[c]);
        result[index] = leaky(sum, float(slope));
    }
}
