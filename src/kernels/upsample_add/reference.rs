//! CPU reference of `shaders/upsample_add.wgsl`.

use std::array::from_fn;

use super::Params;
use crate::kernels::activation::leaky;
use crate::kernels::bilinear::tap;
use crate::kernels::checks::{Call, Vec4, vec4, vec4_mut};
use crate::kernels::kernel::sizes;

/// A map plus a coarser one, upsampled to the nearest.
///
/// - all buffers: `[item][y][x][block]`.
pub(super) fn nearest(call: Call<'_>) {
    upsample_add(call, |params, place, load| {
        let [coarse_size, fine_size] = [params.coarse_size, params.fine_size].map(sizes);
        load(from_fn(|axis| {
            place[axis] * coarse_size[axis] / fine_size[axis]
        }))
    });
}

/// A map plus a coarser one, upsampled bilinearly.
///
/// - all buffers: `[item][y][x][block]`.
pub(super) fn bilinear(call: Call<'_>) {
    upsample_add(call, |params, place, load| {
        let [coarse_size, fine_size] = [params.coarse_size, params.fine_size].map(sizes);
        let [down, across] =
            [0, 1].map(|axis| tap(place[axis], coarse_size[axis], fine_size[axis]));
        let row = |y: usize| -> Vec4 {
            let (low, high) = (load([y, across.low]), load([y, across.high]));
            from_fn(|c| (1.0 - across.near) * low[c] + across.near * high[c])
        };
        let (top, bottom) = (row(down.low), row(down.high));
        from_fn(|c| (1.0 - down.near) * top[c] + down.near * bottom[c])
    });
}

/// `coarse_at` makes the coarser map's value at a cell of the finer one from cells of the coarser.
fn upsample_add(
    call: Call<'_>,
    coarse_at: impl Fn(&Params, [usize; 2], &dyn Fn([usize; 2]) -> Vec4) -> Vec4,
) {
    let (params, [fine, coarse, result]) = call.split::<Params, 3>();
    let (fine, coarse, result) = (vec4(fine), vec4(coarse), vec4_mut(result));
    let [height, width] = sizes(params.fine_size);
    let [coarse_height, coarse_width] = sizes(params.coarse_size);
    let [items, blocks] = sizes([params.items, params.blocks]);
    for index in 0..items * height * width * blocks {
        let block = index % blocks;
        let pixel = index / blocks;
        let size = height * width;
        let first_row = pixel / size * coarse_height;
        let place = [pixel % size / width, pixel % width];
        let load =
            |[y, x]: [usize; 2]| coarse[((first_row + y) * coarse_width + x) * blocks + block];
        let source = coarse_at(&params, place, &load);
        let sum = from_fn(|c| fine[index][c] + source[c]);
        result[index] = leaky(sum, params.slope);
    }
}
