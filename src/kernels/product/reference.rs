//! CPU reference of `shaders/product.wgsl`.

use std::array::from_fn;

use super::Params;
use crate::kernels::checks::{Call, Vec4, vec4, vec4_mut};
use crate::kernels::kernel::sizes;
use crate::kernels::lanes::are_channels;

/// Products of matrices, one behind the other.
///
/// - `left`: `[batch][row][depth block]`, `right`: `[batch][depth][column block]`, `result`:
///   `[batch][row][column block]`.
pub(super) fn run(call: Call<'_>) {
    let (params, [left, right, result]) = call.split::<Params, 3>();
    product(&params, vec4(left), vec4(right), vec4_mut(result));
}

fn product(params: &Params, left: &[Vec4], right: &[Vec4], result: &mut [Vec4]) {
    let [rows, depth, columns, batches] =
        sizes([params.rows, params.depth, params.columns, params.batches]);
    let [left_blocks, right_blocks, right_step] =
        sizes([params.left_blocks, params.right_blocks, params.right_step]);
    let count = batches * rows * right_blocks;
    for (index, made) in result.iter_mut().enumerate().take(count) {
        let (row, block) = (index / right_blocks, index % right_blocks);
        let (left, right) = (
            &left[row * left_blocks..],
            &right[row / rows * right_step..],
        );
        let mut sum: Vec4 = [0.0; 4];
        for first in (0..depth).step_by(4) {
            // Four rows at once, as invocations add them.
            let mut four: Vec4 = [0.0; 4];
            for k in first..depth.min(first + 4) {
                let values = right[k * right_blocks + block];
                four = from_fn(|c| four[c] + values[c] * left[k / 4][k % 4]);
            }
            sum = from_fn(|c| sum[c] + four[c]);
        }
        let are_columns = are_channels(block, columns);
        *made = from_fn(|c| if are_columns[c] { sum[c] } else { 0.0 });
    }
}
