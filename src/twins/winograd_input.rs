//! Twin of `shaders/winograd_input.wgsl`.

use std::array::from_fn;

use super::Vec4;
use super::conv::Params;

/// Tiles of 6×6 cells as 36 matrices: `image` `[y][x][quad]` → `result` `[36][tile][quad]`.
///
/// # Panics
/// If a buffer is too small.
pub fn winograd_input(params: &[u32], image: &[Vec4], result: &mut [Vec4]) {
    let params = Params::new(params);
    let matrix = params.tiles * params.in_quads;
    let across = params.out_size[1].div_ceil(4);
    for index in 0..matrix {
        let quad = index % params.in_quads;
        let tile = params.first_tile + index / params.in_quads;
        let corner = [
            (4 * (tile / across)) as isize - params.padding[0] as isize,
            (4 * (tile % across)) as isize - params.padding[1] as isize,
        ];
        let rows: [[Vec4; 6]; 6] = from_fn(|y| {
            transform(from_fn(|x| {
                let place = [corner[0] + y as isize, corner[1] + x as isize];
                params.load(image, place, 0, quad)
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
    let by_channel: [[f32; 6]; 4] = from_fn(|c| {
        let [a, b, cc, d, e, f] = x.map(|value| value[c]);
        let (even, odd) = (e - 4.0 * cc, d - 4.0 * b);
        let (half_even, half_odd) = (e - cc, 2.0 * (d - b));
        [
            4.0 * a - 5.0 * cc + e,
            even + odd,
            even - odd,
            half_even + half_odd,
            half_even - half_odd,
            4.0 * b - 5.0 * d + f,
        ]
    });
    from_fn(|place| from_fn(|c| by_channel[c][place]))
}
