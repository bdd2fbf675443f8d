//! Twin of `shaders/preprocess.wgsl`.

use std::array::from_fn;

use super::{Frame, Vec4, float, words};

/// The two source pixels of a target pixel along one axis, and the second's weight.
struct Tap {
    low: usize,
    high: usize,
    near: f32,
}

fn tap(position: usize, source: usize, resized: usize) -> Tap {
    let scale = source as f32 / resized as f32;
    let place = ((position as f32 + 0.5) * scale - 0.5).max(0.0);
    let low = (place as usize).min(source - 1);
    Tap {
        low,
        high: (low + 1).min(source - 1),
        near: (place - low as f32).clamp(0.0, 1.0),
    }
}

/// From an 8-bit RGBA picture, a pixel a word, to the network's input `[y][x]`.
///
/// # Panics
/// If a buffer is too small.
pub fn preprocess(params: &[u32], frame: Frame, picture: &[u32], image: &mut [Vec4]) {
    let [
        padded_height,
        padded_width,
        divisor,
        _,
        mean_r,
        mean_g,
        mean_b,
        _,
        deviation_r,
        deviation_g,
        deviation_b,
        _,
    ] = words(params);
    let divisor = float(divisor);
    let mean = [mean_r, mean_g, mean_b].map(float);
    let deviation = [deviation_r, deviation_g, deviation_b].map(float);
    let normal = |x: usize, y: usize| -> [f32; 3] {
        let bytes = picture[y * frame.original[1] + x].to_le_bytes();
        from_fn(|c| (f32::from(bytes[c]) / divisor - mean[c]) / deviation[c])
    };
    for pixel in 0..padded_height * padded_width {
        let (y, x) = (pixel / padded_width, pixel % padded_width);
        if y >= frame.resized[0] || x >= frame.resized[1] {
            image[pixel] = [0.0; 4];
            continue;
        }
        let down = tap(y, frame.original[0], frame.resized[0]);
        let across = tap(x, frame.original[1], frame.resized[1]);
        let row = |y: usize| -> [f32; 3] {
            let (low, high) = (normal(across.low, y), normal(across.high, y));
            from_fn(|c| (1.0 - across.near) * low[c] + across.near * high[c])
        };
        let (top, bottom) = (row(down.low), row(down.high));
        let [r, g, b] = from_fn(|c| (1.0 - down.near) * top[c] + down.near * bottom[c]);
        image[pixel] = [r, g, b, 0.0];
    }
}
