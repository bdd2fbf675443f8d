//! Twin of `shaders/depthwise.wgsl`.

use std::array::from_fn;

use super::activation::leaky;
use super::{Vec4, float, words};

/// Depthwise convolution: one filter a channel.
///
/// - `image`, `result`: `[y][x][quad]`; `weights`: `[ky][kx][quad]`; `bias`: `[quad]`.
///
/// # Panics
/// If a buffer is too small.
pub fn depthwise(
    params: &[u32],
    image: &[Vec4],
    weights: &[Vec4],
    bias: &[Vec4],
    result: &mut [Vec4],
) {
    let [
        in_height,
        in_width,
        out_height,
        out_width,
        quads,
        inner_slope,
        kernel_height,
        kernel_width,
        stride_down,
        stride_across,
        padding_top,
        padding_left,
    ] = words(params);
    for index in 0..out_height * out_width * quads {
        let quad = index % quads;
        let pixel = index / quads;
        let corner = [
            (pixel / out_width * stride_down) as isize - padding_top as isize,
            (pixel % out_width * stride_across) as isize - padding_left as isize,
        ];
        let mut sum = bias[quad];
        for ky in 0..kernel_height {
            for kx in 0..kernel_width {
                let (y, x) = (corner[0] + ky as isize, corner[1] + kx as isize);
                if (0..in_height as isize).contains(&y) && (0..in_width as isize).contains(&x) {
                    let source = image[(y as usize * in_width + x as usize) * quads + quad];
                    let weight = weights[(ky * kernel_width + kx) * quads + quad];
                    sum = from_fn(|c| source[c].mul_add(weight[c], sum[c]));
                }
            }
        }
        result[index] = leaky(sum, float(inner_slope));
    }
}
