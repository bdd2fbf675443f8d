//! CPU reference of `shaders/window_attention.wgsl`.

use super::Params;
use crate::kernels::checks::{Call, Vec4, vec4, vec4_mut};
use crate::kernels::kernel::sizes;

/// What is added to scores of pixels that are no neighbours.
const FAR: f32 = -100.0;

/// For each query the sum of its window's values, weighted by a softmax over how it meets their keys.
///
/// - `qkv`: `[y][x][queries, keys, values][head][block]`, `bias`: `[position][head, filled up to fours]`,
///   `result`: `[y][x][head][block]`.
pub(super) fn run(call: Call<'_>) {
    let (params, [qkv, bias, result]) = call.split::<Params, 3>();
    window_attention(
        &params,
        vec4(qkv),
        bytemuck::cast_slice(bias),
        vec4_mut(result),
    );
}

fn window_attention(params: &Params, qkv: &[Vec4], bias: &[f32], result: &mut [Vec4]) {
    let [height, width] = sizes(params.size);
    let [heads, blocks, window, key_window, shift] = sizes([
        params.heads,
        params.blocks,
        params.window,
        params.key_window,
        params.shift,
    ]);
    let margin = (key_window - window) / 2;
    let pixel_at = |y: usize, x: usize| (y + shift) % height * width + (x + shift) % width;
    let zone = |place: usize, extent: usize| match shift {
        0 => 0,
        _ => usize::from(place >= extent - window) + usize::from(place >= extent - shift),
    };
    let zones = |y: usize, x: usize| [zone(y, height), zone(x, width)];
    let side = (window + key_window - 1) as i32;
    let bias_at = |query: [usize; 2], key: [usize; 2], head: usize| {
        let [down, across] = [0, 1]
            .map(|axis| params.direction * (key[axis] as i32 - query[axis] as i32) + params.first);
        let row = (down * side + across).rem_euclid(side * side) as usize;
        bias[row * heads.next_multiple_of(4) + head]
    };
    let block_at = |pixel: usize, kind: usize, head: usize, block: usize| {
        qkv[((pixel * 3 + kind) * heads + head) * blocks + block]
    };
    for (y, x, head) in (0..height)
        .flat_map(|y| (0..width).map(move |x| (y, x)))
        .flat_map(|(y, x)| (0..heads).map(move |head| (y, x, head)))
    {
        let query = pixel_at(y, x);
        let place = [y % window, x % window];
        let mut keys = Vec::with_capacity(key_window * key_window);
        for (row, column) in
            (0..key_window).flat_map(|row| (0..key_window).map(move |column| (row, column)))
        {
            let key_y = (y - place[0] + row).checked_sub(margin);
            let key_x = (x - place[1] + column).checked_sub(margin);
            let on_map = |place: Option<usize>, extent: usize| place.filter(|at| *at < extent);
            let key = on_map(key_y, height).zip(on_map(key_x, width));
            let mut score = 0.0;
            if let Some((key_y, key_x)) = key {
                let pixel = pixel_at(key_y, key_x);
                for block in 0..blocks {
                    let (q, k) = (
                        block_at(query, 0, head, block),
                        block_at(pixel, 1, head, block),
                    );
                    score += q[0] * k[0] + q[1] * k[1] + q[2] * k[2] + q[3] * k[3];
                }
            }
            score = score * params.scale + bias_at(place, [row, column], head);
            if key.is_some_and(|(key_y, key_x)| zones(key_y, key_x) != zones(y, x)) {
                score += FAR;
            }
            keys.push((key.map(|(key_y, key_x)| pixel_at(key_y, key_x)), score));
        }
        // The shader meets few keys at a time, and scales down when a greater score comes: the same but for rounding.
        let peak = keys
            .iter()
            .fold(f32::NEG_INFINITY, |peak, (_, score)| peak.max(*score));
        let total: f32 = keys.iter().map(|(_, score)| (score - peak).exp()).sum();
        for block in 0..blocks {
            let mut sum = [0.0; 4];
            for (pixel, score) in &keys {
                let Some(pixel) = pixel else { continue };
                let (weight, value) = ((score - peak).exp(), block_at(*pixel, 2, head, block));
                for (sum, value) in sum.iter_mut().zip(value) {
                    *sum += weight * value;
                }
            }
            result[(query * heads + head) * blocks + block] = sum.map(|sum| sum / total);
        }
    }
}
