//! CPU reference of `shaders/grouped.wgsl`.

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
    grouped(
        &params,
        vec4(image),
        result,
        vec4(weights),
        vec4(bias),
        residual,
    );
}

/// Convolution whose channels are grouped.
///
/// - `image`: `[item][y][x][block]`; `weights`: `[ky][kx][in channel of the group][out block]`;
/// - `result`: `[item][y][x][block]`, which may have room for others' channels too;
/// - `bias`: `[out block]`.
fn grouped(
    params: &Params,
    image: &[Vec4],
    result: &mut [Vec4],
    weights: &[Vec4],
    bias: &[Vec4],
    residual: Residual<'_>,
) {
    let [kernel_height, kernel_width] = params.kernel;
    let out_blocks = params.out_blocks as usize;
    let group_in_blocks = params.group_in_blocks as usize;
    for pixel in 0..params.pixels as usize {
        let window = params.corner(pixel, 0);
        for block in 0..out_blocks {
            let first_in = block / params.group_out_blocks as usize * group_in_blocks;
            let mut sum = [0.0; 4];
            let mut column = block;
            for ky in 0..kernel_height {
                for kx in 0..kernel_width {
                    let tap = params.tap_at([ky, kx]);
                    for in_block in 0..group_in_blocks {
                        let values = params.load(image, window, tap, first_in + in_block);
                        for (k, value) in values.into_iter().enumerate() {
                            let weight = weights[column + k * out_blocks];
                            sum = from_fn(|c| value.mul_add(weight[c], sum[c]));
                        }
                        column += 4 * out_blocks;
                    }
                }
            }
            params.store(sum, [pixel, block, 0], result, Some(bias), residual);
        }
    }
}
