//! Twin of `shaders/conv.wgsl`.

use std::array::from_fn;

use super::activation::leaky;
use super::{Vec4, float, words};

/// Convolution over maps of channels by fours; with a residual, the kernel's variant that adds one.
///
/// - `image`: `[y][x][quad]`; `weights`: `[ky][kx][in channel][out quad]`; `bias`: `[out quad]`;
/// - `result`: `[y][x][quad]`, which may have room for others' channels too;
/// - `residual`: `[y][x][out quad]`, of the output's size or coarser.
///
/// # Panics
/// If a buffer is too small.
pub fn conv(
    params: &[u32],
    image: &[Vec4],
    weights: &[Vec4],
    bias: &[Vec4],
    result: &mut [Vec4],
    residual: Option<&[Vec4]>,
) {
    let [
        in_height,
        in_width,
        out_height,
        out_width,
        in_quads,
        out_quads,
        out_stride,
        out_first,
        kernel_height,
        kernel_width,
        stride_down,
        stride_across,
        padding_top,
        padding_left,
        residual_height,
        residual_width,
        inner_slope,
        outer_slope,
        _,
        _,
    ] = words(params);
    let residual_pixel = |pixel: usize| {
        let (y, x) = (pixel / out_width, pixel % out_width);
        y * residual_height / out_height * residual_width + x * residual_width / out_width
    };

    for pixel in 0..out_height * out_width {
        let corner = [
            (pixel / out_width * stride_down) as isize - padding_top as isize,
            (pixel % out_width * stride_across) as isize - padding_left as isize,
        ];
        for quad in 0..out_quads {
            let mut sum = [0.0; 4];
            for ky in 0..kernel_height {
                for kx in 0..kernel_width {
                    let (y, x) = (corner[0] + ky as isize, corner[1] + kx as isize);
                    let is_inside =
                        (0..in_height as isize).contains(&y) && (0..in_width as isize).contains(&x);
                    let inside = f32::from(is_inside);
                    let y = y.clamp(0, in_height as isize - 1) as usize;
                    let x = x.clamp(0, in_width as isize - 1) as usize;
                    let start = (y * in_width + x) * in_quads;
                    let mut row = (ky * kernel_width + kx) * in_quads * 4 * out_quads;
                    for in_quad in 0..in_quads {
                        let values = image[start + in_quad].map(|value| value * inside);
                        for (k, value) in values.into_iter().enumerate() {
                            let weight = weights[row + k * out_quads + quad];
                            sum = from_fn(|c| value.mul_add(weight[c], sum[c]));
                        }
                        row += 4 * out_quads;
                    }
                }
            }

            let biased = from_fn(|c| sum[c] + bias[quad][c]);
            let mut value = leaky(biased, float(inner_slope));
            if let Some(residual) = residual {
                let added = residual[residual_pixel(pixel) * out_quads + quad];
                value = from_fn(|c| value[c] + added[c]);
            }
            let value = leaky(value, float(outer_slope));
            result[pixel * out_stride + out_first + quad] = value;
        }
    }
}
