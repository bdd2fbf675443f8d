//! CPU reference of `shaders/roi_align.wgsl`.

use std::array::from_fn;

use super::Params;
use crate::boxes::makes_sense;
use crate::kernels::checks::{Call, Vec4, vec4, vec4_mut};
use crate::kernels::kernel::sizes;

/// RoIAlign over levels of a pyramid, neighbours of each other: RoIs of others are left as they are.
///
/// - `boxes`: `[roi]`; `count`: how many of them are meant;
/// - `result`: `[roi][row][column][block]`, zeros from the count on, and of boxes that no picture has;
/// - `levels`: each `[y][x][block]`.
pub(super) fn run(call: Call<'_>) {
    let params = call.params();
    let [boxes, count, result, levels @ ..] = call.bindings else {
        unreachable!("it binds boxes, their number and a result")
    };
    let levels: Vec<&[Vec4]> = levels.iter().map(|words| vec4(words)).collect();
    roi_align(&params, &levels, vec4(boxes), count, vec4_mut(result));
}

/// The number of the level for a box of this size.
fn level_of(params: &Params, [x1, y1, x2, y2]: Vec4) -> u32 {
    let side = ((x2 - x1) * (y2 - y1)).sqrt();
    let [within, after] = params.epsilons;
    let doublings = (side / params.canonical_size + within).log2();
    let level = (params.canonical_level + doublings + after).floor();
    level.clamp(params.finest, params.coarsest) as u32
}

/// The first of a cell's samples that can lie on a map of `size`, and the end of these, where there is
/// about one a map's cell: the cell begins at `begin` and is `cell` wide.
fn near_map(begin: f32, cell: f32, samples: usize, size: usize) -> [usize; 2] {
    // From one sample to the next; more than a half, but where there is only one.
    let step = (cell / samples as f32).max(0.5);
    // By four samples more than that, for what rounding errs.
    let first = (((-1.0 - begin) / step).floor() - 4.0).max(0.0);
    let end = (((size as f32 - begin) / step).ceil() + 4.0).max(0.0);
    [(first as usize).min(samples), (end as usize).min(samples)]
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

fn roi_align(
    params: &Params,
    levels: &[&[Vec4]],
    boxes: &[Vec4],
    count: &[u32],
    result: &mut [Vec4],
) {
    let [rois, blocks, sampling_ratio] = sizes([params.rois, params.blocks, params.sampling_ratio]);
    let [rows, columns] = sizes(params.cells);
    let cells = rows * columns;
    let results = &mut result[..rois * cells * blocks];
    for (index, result) in results.iter_mut().enumerate() {
        let roi = index / (cells * blocks);
        if roi >= count[0] as usize || !makes_sense(boxes[roi]) {
            // What is not meant is at least finite.
            *result = [0.0; 4];
            continue;
        }
        let block = index % blocks;
        let cell = index / blocks % cells;
        let row = (cell / columns) as f32;
        let column = (cell % columns) as f32;

        // A level before the first becomes one far behind the last.
        let level = level_of(params, boxes[roi]).wrapping_sub(params.first) as usize;
        if level >= levels.len() {
            continue;
        }
        let pair = sizes(params.sizes[level / 2]);
        let [height, width] = [pair[level % 2 * 2], pair[level % 2 * 2 + 1]];
        let load = |y: usize, x: usize| levels[level][(y * width + x) * blocks + block];
        let offset = if params.aligned == 1 { 0.5 } else { 0.0 };
        let least = if params.aligned == 1 { 0.0 } else { 1.0 };
        let [x1, y1, x2, y2] = boxes[roi].map(|side| side * params.scales[level] - offset);
        let extent = [(y2 - y1).max(least), (x2 - x1).max(least)];
        let cell_size = [extent[0] / rows as f32, extent[1] / columns as f32];
        let samples = match sampling_ratio {
            0 => cell_size.map(|side| side.ceil() as usize),
            ratio => [ratio; 2],
        };

        let begin = [y1 + row * cell_size[0], x1 + column * cell_size[1]];
        let mut near = [[0, samples[0]], [0, samples[1]]];
        if sampling_ratio == 0 {
            near = [
                near_map(begin[0], cell_size[0], samples[0], height),
                near_map(begin[1], cell_size[1], samples[1], width),
            ];
        }

        let mut sum = [0.0; 4];
        for sy in near[0][0]..near[0][1] {
            let within = (sy as f32 + 0.5) * cell_size[0] / samples[0] as f32;
            let y = tap(begin[0] + within, height);
            for sx in near[1][0]..near[1][1] {
                let within = (sx as f32 + 0.5) * cell_size[1] / samples[1] as f32;
                let x = tap(begin[1] + within, width);
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
        let taken = (samples[0] as f32 * samples[1] as f32).max(1.0);
        *result = sum.map(|value| value / taken);
    }
}
