//! CPU reference of `shaders/depthwise.wgsl`.

use std::array::from_fn;

use crate::kernels::checks::{Call, Vec4, vec4, vec4_mut};
use crate::kernels::conv::{Params, Residual};
use crate::kernels::upsample_add::Upsampling;

/// The reference of a kernel whose residual, if it has one, is upsampled so.
pub(super) fn nearest(call: Call<'_>) {
    run(call, Upsampling::Nearest);
}

/// As [`nearest`].
pub(super) fn bilinear(call: Call<'_>) {
    run(call, Upsampling::Bilinear);
}

fn run(call: Call<'_>, upsampling: Upsampling) {
    let params = call.params();
    let [image, result, weights, bias, residual @ ..] = call.bindings else {
        panic!("the kernel binds four buffers at least")
    };
    let residual = residual.first().map(|map| (vec4(map), upsampling));
    let result = vec4_mut(result);
    depthwise(
        &params,
        vec4(image),
        result,
        vec4(weights),
        vec4(bias),
        residual,
    );
}

/// One filter a channel; what lies outside the map does not count.
///
/// - `image`: `[item][y][x][block]`; `weights`: `[ky][kx][block]`;
/// - `result`: `[item][y][x][block]`, which may have room for others' channels too;
/// - `bias`: `[block]`.
fn depthwise(
    params: &Params,
    image: &[Vec4],
    result: &mut [Vec4],
    weights: &[Vec4],
    bias: &[Vec4],
    residual: Residual<'_>,
) {
    let [in_height, in_width] = params.in_size.map(|side| side as i32);
    let out_blocks = params.out_blocks as usize;
    for pixel in 0..params.pixels as usize {
        let window = params.corner(pixel, 0);
        for block in 0..out_blocks {
            let mut sum = [0.0; 4];
            for ky in 0..params.kernel[0] {
                for kx in 0..params.kernel[1] {
                    let tap = params.tap_at([ky, kx]);
                    let [y, x]: [i32; 2] = from_fn(|axis| window.place[axis] + tap[axis]);
                    if (0..in_height).contains(&y) && (0..in_width).contains(&x) {
                        let row = window.first_row + y as usize;
                        let source = (row * in_width as usize + x as usize) * out_blocks + block;
                        let filter = (ky * params.kernel[1] + kx) as usize * out_blocks + block;
                        let (value, weight) = (image[source], weights[filter]);
                        sum = from_fn(|c| value[c].mul_add(weight[c], sum[c]));
                    }
                }
            }
            params.store(sum, [pixel, block, 0], result, Some(bias), residual);
        }
    }
}
