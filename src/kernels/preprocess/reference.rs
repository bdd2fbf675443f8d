//! CPU reference of `shaders/preprocess.wgsl`.

use std::array::from_fn;

use super::Params;
use crate::kernels::FrameUniform;
use crate::kernels::bilinear::tap;
use crate::kernels::checks::{Call, Vec4, frame, vec4_mut};
use crate::kernels::kernel::sizes;

/// Normalizes, resizes, pads with zeros.
///
/// - `picture`: `[y][x]`, a pixel a word; `image`: `[y][x]`.
pub(super) fn run(call: Call<'_>) {
    let (params, [words, picture, image]) = call.split::<Params, 3>();
    preprocess(&params, frame(words), picture, vec4_mut(image));
}

fn preprocess(params: &Params, frame: FrameUniform, picture: &[u32], image: &mut [Vec4]) {
    let [original, resized] = [frame.original, frame.resized].map(sizes);
    let normal = |x: usize, y: usize| -> [f32; 3] {
        let bytes = picture[y * original[1] + x].to_le_bytes();
        from_fn(|c| (f32::from(bytes[c]) / params.divisor - params.mean[c]) / params.deviation[c])
    };
    let [height, width] = params.padded;
    for pixel in 0..height * width {
        let [y, x] = sizes([pixel / width, pixel % width]);
        if y >= resized[0] || x >= resized[1] {
            image[pixel as usize] = [0.0; 4];
            continue;
        }
        let down = tap(y, original[0], resized[0]);
        let across = tap(x, original[1], resized[1]);
        let row = |y: usize| -> [f32; 3] {
            let (low, high) = (normal(across.low, y), normal(across.high, y));
            from_fn(|c| (1.0 - across.near) * low[c] + across.near * high[c])
        };
        let (top, bottom) = (row(down.low), row(down.high));
        let [r, g, b] = from_fn(|c| (1.0 - down.near) * top[c] + down.near * bottom[c]);
        image[pixel as usize] = [r, g, b, 0.0];
    }
}
