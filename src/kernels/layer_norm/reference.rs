//! CPU reference of `shaders/layer_norm.wgsl`.

use std::array::from_fn;

use super::Params;
use crate::kernels::checks::{Call, Vec4, vec4, vec4_mut};
use crate::kernels::kernel::sizes;
use crate::kernels::lanes::are_channels;

/// Each pixel's channels, shifted and scaled to mean 0 and variance 1, then scaled and shifted by channel.
///
/// - `map`, `result`: `[pixel][block]`, `gamma`, `beta`: `[block]`.
pub(super) fn run(call: Call<'_>) {
    let (params, [map, gamma, beta, result]) = call.split::<Params, 4>();
    let factors = [vec4(gamma), vec4(beta)];
    layer_norm(&params, vec4(map), factors, vec4_mut(result));
}

fn layer_norm(params: &Params, map: &[Vec4], [gamma, beta]: [&[Vec4]; 2], result: &mut [Vec4]) {
    let [pixels, channels] = sizes([params.pixels, params.channels]);
    let blocks = crate::kernels::blocks(channels);
    for pixel in 0..pixels {
        let above = |block: usize, number: f32| -> Vec4 {
            let (value, is) = (map[pixel * blocks + block], are_channels(block, channels));
            from_fn(|c| if is[c] { value[c] - number } else { 0.0 })
        };
        let sum = (0..blocks).fold([0.0; 4], |sum: Vec4, block| {
            let value = above(block, 0.0);
            from_fn(|c| sum[c] + value[c])
        });
        let mean = total(sum) / channels as f32;
        let squares = (0..blocks).fold([0.0; 4], |squares: Vec4, block| {
            let centred = above(block, mean);
            from_fn(|c| squares[c] + centred[c] * centred[c])
        });
        let variance = total(squares) / channels as f32;
        let scale = 1.0 / (variance + params.epsilon).sqrt();
        for block in 0..blocks {
            let (centred, is) = (above(block, mean), are_channels(block, channels));
            let value = |c: usize| centred[c] * (scale * gamma[block][c]) + beta[block][c];
            result[pixel * blocks + block] = from_fn(|c| if is[c] { value(c) } else { 0.0 });
        }
    }
}

fn total([x, y, z, w]: Vec4) -> f32 {
    (x + y) + (z + w)
}
