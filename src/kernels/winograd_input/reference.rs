//! CPU reference of `shaders/winograd_input.wgsl`.

use std::array::from_fn;

use crate::kernels::checks::{Call, Vec4, vec4, vec4_mut};
use crate::kernels::conv::Params;
use crate::kernels::kernel::sizes;

pub(super) fn run(call: Call<'_>) {
    let (params, [image, result]) = call.split::<Params, 2>();
    winograd_input(&params, vec4(image), vec4_mut(result));
}

/// Tiles of 6×6 cells as 36 matrices: `image` `[item][y][x][block]` → `result` `[36][tile][block]`.
pub(in crate::kernels) fn winograd_input(params: &Params, image: &[Vec4], result: &mut [Vec4]) {
    let in_blocks = params.in_blocks as usize;
    let matrix = params.tiles as usize * in_blocks;
    let [down, across] = sizes(params.out_size).map(|side| side.div_ceil(4));
    for index in 0..matrix {
        let block = index % in_blocks;
        let tile = params.first_tile as usize + index / in_blocks;
        let rest = tile % (down * across);
        let place = [4 * (rest / across), 4 * (rest % across)];
        let window = params.corner_at(place, tile / (down * across));
        let rows: [[Vec4; 6]; 6] = from_fn(|y| {
            transform(from_fn(|x| {
                params.load(image, window, [y as i32, x as i32], block)
            }))
        });
        for column in 0..6 {
            let values = transform(from_fn(|row| rows[row][column]));
            for (row, value) in values.into_iter().enumerate() {
                result[(row * 6 + column) * matrix + index] = value;
            }
        }
    }
}

/// Bᵀ times a column.
fn transform(x: [Vec4; 6]) -> [Vec4; 6] {
    let by_channel: [[f32; 6]; 4] = from_fn(|channel| {
        let [a, b, c, d, e, f] = x.map(|value| value[channel]);
        let (even, odd) = (e - 4.0 * c, d - 4.0 * b);
        let (half_even, half_odd) = (e - c, 2.0 * (d - b));
        [
            4.0 * a - 5.0 * c + e,
            even + odd,
            even - odd,
            half_even + half_odd,
            half_even - half_odd,
            4.0 * b - 5.0 * d + f,
        ]
    });
    from_fn(|place| from_fn(|c| by_channel[c][place]))
}
