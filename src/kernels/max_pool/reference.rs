//! CPU reference of `shaders/max_pool.wgsl`.

use std::array::from_fn;

use super::Params;
use crate::kernels::checks::{Call, Vec4, vec4, vec4_mut};

/// Maximum over windows; what lies outside the map does not count.
///
/// - `image`, `result`: `[item][y][x][block]`.
pub(super) fn run(call: Call<'_>) {
    let (params, [image, result]) = call.split::<Params, 2>();
    max_pool(&params, vec4(image), vec4_mut(result));
}

fn max_pool(params: &Params, image: &[Vec4], result: &mut [Vec4]) {
    let [in_height, in_width] = params.in_size;
    let [out_height, out_width] = params.out_size;
    for index in 0..params.items * out_height * out_width * params.blocks {
        let block = index % params.blocks;
        let pixel = index / params.blocks;
        let size = out_height * out_width;
        let first_row = pixel / size * in_height;
        let place = [pixel % size / out_width, pixel % out_width];
        let corner: [i32; 2] = from_fn(|axis| {
            (place[axis] * params.stride[axis]) as i32 - params.padding[axis] as i32
        });
        let mut best = [-3.402823e38; 4];
        for ky in 0..params.kernel[0] {
            for kx in 0..params.kernel[1] {
                let tap = [ky * params.dilation[0], kx * params.dilation[1]];
                let at: [i32; 2] = from_fn(|axis| corner[axis] + tap[axis] as i32);
                if at[0] >= 0 && at[1] >= 0 && at[0] < in_height as i32 && at[1] < in_width as i32 {
                    let row = first_row + at[0] as u32;
                    let source = (row * in_width + at[1] as u32) * params.blocks + block;
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
