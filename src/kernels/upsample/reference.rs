//! CPU references of `shaders/upsample.wgsl`.

use std::array::from_fn;

use super::Params;
use crate::kernels::bilinear::tap_near;
use crate::kernels::checks::{Call, Vec4, vec4, vec4_mut};
use crate::kernels::kernel::sizes;

/// The nearest cell.
///
/// - both buffers: `[item][y][x][block]`.
pub(super) fn nearest(call: Call<'_>) {
    upsample(call, |params, place, load| {
        let [in_size, out_size] = [params.in_size, params.out_size].map(sizes);
        load(from_fn(|axis| place[axis] * in_size[axis] / out_size[axis]))
    });
}

/// Between the four nearest cells.
///
/// - both buffers: `[item][y][x][block]`.
pub(super) fn bilinear(call: Call<'_>) {
    upsample(call, |params, place, load| {
        let [down, across] = [0, 1].map(|axis| {
            let source = (place[axis] as f32 + params.centre) * params.scale[axis] - params.centre;
            tap_near(source, params.in_size[axis] as usize)
        });
        let row = |y: usize| -> Vec4 {
            let (low, high) = (load([y, across.low]), load([y, across.high]));
            from_fn(|c| (1.0 - across.near) * low[c] + across.near * high[c])
        };
        let (top, bottom) = (row(down.low), row(down.high));
        from_fn(|c| (1.0 - down.near) * top[c] + down.near * bottom[c])
    });
}

/// `source_at` makes the value at a cell of the result from cells of the map.
fn upsample(
    call: Call<'_>,
    source_at: impl Fn(&Params, [usize; 2], &dyn Fn([usize; 2]) -> Vec4) -> Vec4,
) {
    let (params, [image, result]) = call.split::<Params, 2>();
    let (image, result) = (vec4(image), vec4_mut(result));
    let [height, width] = sizes(params.out_size);
    let [in_height, in_width] = sizes(params.in_size);
    let [items, blocks] = sizes([params.items, params.blocks]);
    let size = height * width;
    let count = items * size * blocks;
    for (index, made) in result.iter_mut().enumerate().take(count) {
        let block = index % blocks;
        let pixel = index / blocks;
        let first_row = pixel / size * in_height;
        let place = [pixel % size / width, pixel % width];
        let load = |[y, x]: [usize; 2]| image[((first_row + y) * in_width + x) * blocks + block];
        *made = source_at(&params, place, &load);
    }
}
