//! CPU reference of `shaders/max_pool.wgsl`.

use std::array::from_fn;

use super::Params;
use crate::kernels::checks::{Call, Vec4, vec4, vec4_mut};

/// Maximum over windows; what lies outside the map does not count.
///
/// - `image`, `result`: `[y][x][block]`.
pub(super) fn run(call: Call<'_>) {
    let (params, [image, result]) = call.split::<Params, 2>();
    max_pool(&params, vec4(image), vec4_mut(result));
}

fn max_pool(params: &Params, image: &[Vec4], result: &mut [Vec4]) {
    let [in_height, in_width] = params.in_size;
    let [out_height, out_width] = params.out_size;
    for index in 0..out_height * out_width * params.blocks {
        let block = index % params.blocks;
        let pixel = index / params.blocks;
        let place = [pixel / out_width, pixel % out_width];
        let corner: [i32; 2] = from_fn(|axis| {
            (place[axis] * params.stride[axis]) as i32 - params.padding[axis] as i32
        });
        let mut best = [-3.402823e38; 4];
        for ky in 0..params.kernel[0] {
            for kx in 0..params.kernel[1] {
                let at = [corner[0] + ky as i32, corner[1] + kx as i32];
                if at[0] >= 0 && at[1] >= 0 && at[0] < in_height as i32 && at[1] < in_width as i32 {
                    let source = (at[0] as u32 * in_width + at[1] as u32) * params.blocks + block;
                    let value = image[source as usize];
                    // Not max, which may swallow NaN.
                    best = from_fn(|c| match value[c] <= best[c] {
                        true => best[c],
                        false => value[c],
                    });
                }
            }
        }
        result[index as usize] = best;
    }
}
