//! Twin of `shaders/roi_align.wgsl`.

use std::array::from_fn;

use super::{Vec4, words};

/// The level for a box of this size: P4 (2) for the canonical size.
fn level_of([x1, y1, x2, y2]: Vec4, canonical_size: f32) -> usize {
    let side = ((x2 - x1) * (y2 - y1)).sqrt();
    let level = (4.0 + (side / canonical_size).log2() + 1e-6).floor();
    // NaN becomes 0: the finest level.
    (level.clamp(2.0, 5.0) as usize).saturating_sub(2)
}

/// The two cells between which a sample falls along one axis, and their weights; both are 0 where it
/// falls more than a cell outside.
struct Tap {
    low: usize,
    high: usize,
    far: f32,
    near: f32,
}

fn tap(position: f32, size: usize) -> Tap {
    let is_outside = !(position >= -1.0 && position <= size as f32);
    if is_outside {
        return Tap {
            low: 0,
            high: 0,
            far: 0.0,
            near: 0.0,
        };
    }
    let place = position.max(0.0);
    let low = (place as usize).min(size - 1);
    let high = (low + 1).min(size - 1);
    let near = if low == high { 0.0 } else { place - low as f32 };
    Tap {
        low,
        high,
        far: 1.0 - near,
        near,
    }
}

/// RoIAlign over the levels of a pyramid.
///
/// - `levels`: P2…P5, each `[y][x][quad]`; `boxes`: `[roi]`; `count`: how many of them are meant;
/// - `result`: `[roi][row][column][quad]`, zeros from the count on.
///
/// # Panics
/// If a buffer is too small.
pub fn roi_align(
    params: &[u32],
    levels: [&[Vec4]; 4],
    boxes: &[Vec4],
    count: &[u32],
    result: &mut [Vec4],
) {
    let [
        h2,
        w2,
        h3,
        w3,
        h4,
        w4,
        h5,
        w5,
        rois,
        quads,
        sampling_ratio,
        aligned,
        rows,
        columns,
        _,
        _,
    ] = words(params);
    let canonical_size = f32::from_bits(params[14]);
    let sizes = [[h2, w2], [h3, w3], [h4, w4], [h5, w5]];
    let cells = rows * columns;
    for index in 0..rois * cells * quads {
        let roi = index / (cells * quads);
        if roi >= count[0] as usize {
            // What is not meant is at least finite.
            result[index] = [0.0; 4];
            continue;
        }
        let quad = index % quads;
        let cell = index / quads % cells;
        let row = (cell / columns) as f32;
        let column = (cell % columns) as f32;

        let level = level_of(boxes[roi], canonical_size);
        let [height, width] = sizes[level];
        let load = |y: usize, x: usize| levels[level][(y * width + x) * quads + quad];
        let offset = if aligned == 1 { 0.5 } else { 0.0 };
        let least = if aligned == 1 { 0.0 } else { 1.0 };
        let [x1, y1, x2, y2] = boxes[roi].map(|side| side * (1.0 / (4 << level) as f32) - offset);
        let extent = [(y2 - y1).max(least), (x2 - x1).max(least)];
        let cell_size = [extent[0] / rows as f32, extent[1] / columns as f32];
        let samples = match sampling_ratio {
            0 => cell_size.map(|side| side.ceil() as usize),
            ratio => [ratio; 2],
        };

        let mut sum = [0.0; 4];
        for sy in 0..samples[0] {
            let within = (sy as f32 + 0.5) * cell_size[0] / samples[0] as f32;
            let y = tap(y1 + row * cell_size[0] + within, height);
            for sx in 0..samples[1] {
                let within = (sx as f32 + 0.5) * cell_size[1] / samples[1] as f32;
                let x = tap(x1 + column * cell_size[1] + within, width);
                let (top_left, top_right) = (load(y.low, x.low), load(y.low, x.high));
                let (bottom_left, bottom_right) = (load(y.high, x.low), load(y.high, x.high));
                sum = from_fn(|c| {
                    sum[c]
                        + (y.far * x.far * top_left[c]
                            + y.far * x.near * top_right[c]
                            + y.near * x.far * bottom_left[c]
                            + y.near * x.near * bottom_right[c])
                });
            }
        }
        let taken = (samples[0] * samples[1]).max(1) as f32;
        result[index] = sum.map(|value| value / taken);
    }
}
