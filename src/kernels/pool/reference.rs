//! CPU references of `shaders/max_pool.wgsl` and `shaders/average_pool.wgsl`.

use std::array::from_fn;

use super::Params;
use crate::kernels::checks::{Call, Vec4, vec4, vec4_mut};

/// Maximum over windows; what lies outside the map does not count.
///
/// - `image`, `result`: `[item][y][x][block]`.
pub(super) fn maximum(call: Call<'_>) {
    pool(call, |cells| {
        let values = cells.filter_map(|(value, _)| value);
        values.fold([-3.402823e38; 4], |best, value| {
            // Not max, which may swallow NaN.
            from_fn(|c| match value[c] <= best[c] {
                true => best[c],
                false => value[c],
            })
        })
    });
}

/// Mean over windows of the cells that count: those of the map, and perhaps zeros around it.
///
/// - `image`, `result`: `[item][y][x][block]`.
pub(super) fn average(call: Call<'_>) {
    pool(call, |cells| {
        let (mut sum, mut count) = ([0.0; 4], 0.0_f32);
        for (value, counts) in cells {
            let value = value.unwrap_or_default();
            sum = from_fn(|c| sum[c] + value[c]);
            count += f32::from(counts);
        }
        sum.map(|sum| sum / count.max(1.0))
    });
}

/// `make` makes a pixel of its window's cells: the value of each that lies in the map, and whether it counts
/// in an average.
fn pool(call: Call<'_>, make: impl Fn(&mut dyn Iterator<Item = (Option<Vec4>, bool)>) -> Vec4) {
    let (params, [image, result]) = call.split::<Params, 2>();
    let (image, result) = (vec4(image), vec4_mut(result));
    let [in_height, in_width] = params.in_size;
    let [out_height, out_width] = params.out_size;
    let size = out_height * out_width;
    for index in 0..params.items * size * params.blocks {
        let block = index % params.blocks;
        let pixel = index / params.blocks;
        let first_row = pixel / size * in_height;
        let place = [pixel % size / out_width, pixel % out_width];
        let taps = params.kernel[0] * params.kernel[1];
        let mut cells = (0..taps).map(|tap| {
            let tap = [tap / params.kernel[1], tap % params.kernel[1]];
            let cell: [i32; 2] = from_fn(|axis| {
                let from_corner =
                    place[axis] * params.stride[axis] + tap[axis] * params.dilation[axis];
                from_corner as i32 - params.padding[axis] as i32
            });
            let value = params.is_within(cell, [0, 0]).then(|| {
                let row = first_row + cell[0] as u32;
                image[((row * in_width + cell[1] as u32) * params.blocks + block) as usize]
            });
            (value, params.is_within(cell, params.counted))
        });
        result[index as usize] = make(&mut cells);
    }
}

impl Params {
    /// Whether a cell lies in the map, or so near to it.
    fn is_within(&self, cell: [i32; 2], around: [u32; 2]) -> bool {
        let [down, across] = [0, 1].map(|axis| {
            let around = around[axis] as i32;
            (-around..self.in_size[axis] as i32 + around).contains(&cell[axis])
        });
        down && across
    }
}
