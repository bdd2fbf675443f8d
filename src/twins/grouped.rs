//! Twin of `shaders/grouped.wgsl`.

use std::array::from_fn;

use super::Vec4;
use super::conv::Params;

/// Convolution whose channels are grouped: those of a group are made from those of the same group of
/// the input.
///
/// - `image`: `[y][x][quad]`; `weights`: `[ky][kx][in channel of the group][out quad]`;
/// - `result`: `[y][x][quad]`, which may have room for others' channels too;
/// - `bias`: `[out quad]`; `residual`: `[y][x][out quad]`, of the output's size or coarser.
///
/// # Panics
/// If a buffer is too small.
pub fn grouped(
    params: &[u32],
    image: &[Vec4],
    result: &mut [Vec4],
    weights: &[Vec4],
    bias: &[Vec4],
    residual: Option<&[Vec4]>,
) {
    let params = Params::new(params);
    let pixels = params.out_size[0] * params.out_size[1];
    let [kernel_height, kernel_width] = params.kernel;
    let out_quads = params.out_quads;
    for pixel in 0..pixels {
        let corner = params.corner(pixel);
        for quad in 0..out_quads {
            let first_in = quad / params.group_out_quads * params.group_in_quads;
            let mut sum = [0.0; 4];
            let mut column = quad;
            for ky in 0..kernel_height {
                for kx in 0..kernel_width {
                    let place = [corner[0] + ky as isize, corner[1] + kx as isize];
                    for in_quad in 0..params.group_in_quads {
                        let values = params.load(image, place, 0, first_in + in_quad);
                        for (k, value) in values.into_iter().enumerate() {
                            let weight = weights[column + k * out_quads];
                            sum = from_fn(|c| value.mul_add(weight[c], sum[c]));
                        }
                        column += 4 * out_quads;
                    }
                }
            }
            params.store(sum, [pixel, quad, 0], result, Some(bias), residual);
        }
    }
}
