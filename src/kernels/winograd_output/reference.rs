//! CPU reference of `shaders/winograd_output.wgsl`.

use std::array::from_fn;

use crate::kernels::checks::{Call, Vec4, vec4, vec4_mut};
use crate::kernels::conv::{Params, Residual};
use crate::kernels::kernel::sizes;
use crate::kernels::upsample_add::Upsampling;

/// The reference of a kernel whose residual, if it has one, is upsampled so.
pub(super) fn nearest(call: Call<'_>) {
    run(call, Upsampling::Nearest);
}

/// As [`nearest`].
pub(super) fn bilinear(call: Call<'_>) {
    run(call, Upsampling::Bilinear);
}

fn run(call: Call<'_>, upsampling: Upsampling) {
    let params = call.params();
    let [image, result, bias, residual @ ..] = call.bindings else {
        panic!("the kernel binds three buffers at least")
    };
    let residual = residual.first().map(|map| (vec4(map), upsampling));
    winograd_output(&params, vec4(image), vec4_mut(result), vec4(bias), residual);
}

/// 36 products of each tile as 4×4 pixels: `image` `[36][tile][block]` → `result` `[item][y][x][block]`,
/// with bias, activations and residual as convolutions have them.
pub(in crate::kernels) fn winograd_output(
    params: &Params,
    image: &[Vec4],
    result: &mut [Vec4],
    bias: &[Vec4],
    residual: Residual<'_>,
) {
    let out_blocks = params.out_blocks as usize;
    let matrix = params.tiles as usize * out_blocks;
    let [height, width] = sizes(params.out_size);
    let [down, across] = [height, width].map(|side| side.div_ceil(4));
    for index in 0..matrix {
        let block = index % out_blocks;
        let tile = params.first_tile as usize + index / out_blocks;
        let (item, rest) = (tile / (down * across), tile % (down * across));
        let corner = [4 * (rest / across), 4 * (rest % across)];
        let rows: [[Vec4; 4]; 6] =
            from_fn(|row| transform(from_fn(|column| image[(row * 6 + column) * matrix + index])));
        let columns: [_; 4] = from_fn(|column| transform(from_fn(|row| rows[row][column])));
        for (column, values) in columns.into_iter().enumerate() {
            let x = corner[1] + column;
            for (row, value) in values.into_iter().enumerate() {
                let y = corner[0] + row;
                if y < height && x < width {
                    let place = [(item * height + y) * width + x, block, 0];
                    params.store(value, place, result, Some(bias), residual);
                }
            }
        }
    }
}

/// Aᵀ times a column.
fn transform(x: [Vec4; 6]) -> [Vec4; 4] {
    let by_channel: [[f32; 4]; 4] = from_fn(|channel| {
        let [a, b, c, d, e, f] = x.map(|value| value[channel]);
        let (sum, difference) = (b + c, b - c);
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
