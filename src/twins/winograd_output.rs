//! Twin of `shaders/winograd_output.wgsl`.

use std::array::from_fn;

use super::Vec4;
use super::conv::Params;

/// 36 products of each tile as 4×4 pixels: `image` `[36][tile][quad]` → `result` `[y][x][quad]`, with
/// bias, activations and residual as [`conv`](super::conv()) has them.
///
/// # Panics
/// If a buffer is too small.
pub fn winograd_output(
    params: &[u32],
    image: &[Vec4],
    result: &mut [Vec4],
    bias: &[Vec4],
    residual: Option<&[Vec4]>,
) {
    let params = Params::new(params);
    let matrix = params.tiles * params.out_quads;
    let [height, width] = params.out_size;
    let across = width.div_ceil(4);
    for index in 0..matrix {
        let quad = index % params.out_quads;
        let tile = params.first_tile + index / params.out_quads;
        let corner = [4 * (tile / across), 4 * (tile % across)];
        let rows: [[Vec4; 4]; 6] =
            from_fn(|row| transform(from_fn(|column| image[(row * 6 + column) * matrix + index])));
        for column in 0..4 {
            let x = corner[1] + column;
            let values = transform(from_fn(|row| rows[row][column]));
            for (row, value) in values.into_iter().enumerate() {
                let y = corner[0] + row;
                if y < height && x < width {
                    let place = [y * width + x, quad, 0];
                    params.store(value, place, result, Some(bias), residual);
                }
            }
        }
    }
}

/// Aᵀ times a column.
fn transform(x: [Vec4; 6]) -> [Vec4; 4] {
    let by_channel: [[f32; 4]; 4] = from_fn(|c| {
        let [a, b, cc, d, e, f] = x.map(|value| value[c]);
        let (sum, difference) = (b + cc, b - cc);
        let (far_sum, far_difference) = (d + e, d - e);
        [
            a + sum + far_sum,
            difference + 2.0 * far_difference,
            sum + 4.0 * far_sum,
            difference + 8.0 * far_difference + f,
        ]
    });
    from_fn(|place| from_fn(|c| by_channel[c][place]))
}
