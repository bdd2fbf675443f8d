//! CPU reference of `shaders/upsample_add.wgsl`.

use std::array::from_fn;

use super::Params;
use crate::kernels::activation::leaky;
use crate::kernels::bilinear::tap;
use crate::kernels::checks::{Call, Vec4, vec4, vec4_mut};
use crate::kernels::kernel::sizes;

/// A map plus a coarser one, upsampled to the nearest.
///
/// - all buffers: `[y][x][block]`.
pub(super) fn nearest(call: Call<'_>) {
    upsample_add(call, |params, coarse, place, block| {
        let [y, x]: [u32; 2] =
            from_fn(|axis| place[axis] * params.coarse_size[axis] / params.fine_size[axis]);
        coarse[((y * params.coarse_size[1] + x) * params.blocks + block) as usize]
    });
}

/// A map plus a coarser one, upsampled bilinearly.
///
/// - all buffers: `[y][x][block]`.
pub(super) fn bilinear(call: Call<'_>) {
    upsample_add(call, |params, coarse, place, block| {
        let [coarse_size, fine_size, place] =
            [params.coarse_size, params.fine_size, place].map(sizes);
        let [down, across] =
            [0, 1].map(|axis| tap(place[axis], coarse_size[axis], fine_size[axis]));
        let [blocks, block] = sizes([params.blocks, block]);
        let row = |y: usize| -> Vec4 {
            let [low, high] = [across.low, across.high]
                .map(|x| coarse[(y * coarse_size[1] + x) * blocks + block]);
            from_fn(|c| (1.0 - across.near) * low[c] + across.near * high[c])
        };
        let (top, bottom) = (row(down.low), row(down.high));
        from_fn(|c| (1.0 - down.near) * top[c] + down.near * bottom[c])
    });
}

fn upsample_add(call: Call<'_>, coarse_at: impl Fn(&Params, &[Vec4], [u32; 2], u32) -> Vec4) {
    let (params, [fine, coarse, result]) = call.split::<Params, 3>();
    let (fine, coarse, result) = (vec4(fine), vec4(coarse), vec4_mut(result));
    let [height, width] = params.fine_size;
    for index in 0..height * width * params.blocks {
        let block = index % params.blocks;
        let pixel = index / params.blocks;
        let place = [pixel / width, pixel % width];
        let source = coarse_at(&params, coarse, place, block);
        let own = fine[index as usize];
        let sum = from_fn(|c| own[c] + source[c]);
        result[index as usize] = leaky(sum, params.slope);
    }
}
