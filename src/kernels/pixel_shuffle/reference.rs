//! CPU reference of `shaders/pixel_shuffle.wgsl`.

use super::Params;
use crate::kernels::checks::{Call, Vec4, vec4, vec4_mut};

/// Each cell's channels become a square of cells with fewer channels.
///
/// - `image`, `result`: `[y][x][block]`.
pub(super) fn run(call: Call<'_>) {
    let (params, [image, result]) = call.split::<Params, 2>();
    pixel_shuffle(&params, vec4(image), vec4_mut(result));
}

fn pixel_shuffle(params: &Params, image: &[Vec4], result: &mut [Vec4]) {
    let value_at = |cell: u32, channel: u32| {
        let block = image[(cell * params.in_blocks + channel / 4) as usize];
        block[(channel % 4) as usize]
    };
    let [height, width] = params.in_size.map(|side| side * params.factor);
    for index in 0..height * width * params.out_blocks {
        let block = index % params.out_blocks;
        let pixel = index / params.out_blocks;
        let place = [pixel / width, pixel % width];
        let [y, x] = place.map(|at| at / params.factor);
        let [down, across] = place.map(|at| at % params.factor);
        let cell = y * params.in_size[1] + x;
        let square = params.factor * params.factor;
        let offset = down * params.factor + across;
        let mut value = [0.0; 4];
        for k in 0..4 {
            let channel = block * 4 + k;
            if channel < params.channels {
                value[k as usize] = value_at(cell, channel * square + offset);
            }
        }
        result[index as usize] = value;
    }
}
