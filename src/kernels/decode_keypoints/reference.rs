//! CPU reference of `shaders/decode_keypoints.wgsl`.

use std::array::from_fn;

use super::Params;
use crate::kernels::checks::{Call, Vec4, floats, vec4};
use crate::kernels::kernel::sizes;

/// Where each RoI's heat maps are highest, as wide and high as the RoI: resized bicubically to whole pixels, the
/// first of the highest.
///
/// - `maps`: `[RoI][cell][keypoint]`; `boxes`: a RoI; `count`: of RoIs; `keypoints`:
///   `[RoI][keypoint][x, y, score]`.
pub(super) fn run(call: Call<'_>) {
    let (params, [maps, boxes, count, keypoints]) = call.split::<Params, 4>();
    let (maps, boxes) = (floats(maps), vec4(boxes));
    let [height, width, number, pitch, row] = sizes([
        params.size[0],
        params.size[1],
        params.keypoints,
        params.pitch,
        params.row,
    ]);
    let cells = height * width;
    for roi in 0..count[0] as usize {
        for keypoint in 0..number {
            let cell = |cell: usize| maps[(roi * cells + cell) * pitch + keypoint];
            let map: Vec<f32> = (0..cells).map(cell).collect();
            let found = decode_keypoint(&map, [height, width], boxes[roi]);
            let out = &mut keypoints[roi * row + 3 * keypoint..][..3];
            out.copy_from_slice(&found.map(f32::to_bits));
        }
    }
}

/// The four cells around a place between cells, cut to the map, and what each counts: Keys' cubic, a = -0.75.
fn taps(pixel: usize, scale: f32, cells: usize) -> ([usize; 4], Vec4) {
    let place = (pixel as f32 + 0.5) * scale - 0.5;
    let low = place.floor();
    let t = place - low;
    let near = |t: f32| (1.25 * t - 2.25) * t * t + 1.0;
    let far = |t: f32| ((-0.75 * t + 3.75) * t - 6.0) * t + 3.0;
    let first = low as i32 - 1;
    (
        from_fn(|k| (first + k as i32).clamp(0, cells as i32 - 1) as usize),
        [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)],
    )
}

fn dot(a: Vec4, b: Vec4) -> f32 {
    (0..4).fold(0.0, |sum, k| sum + a[k] * b[k])
}

fn decode_keypoint(map: &[f32], [height, width]: [usize; 2], bbox: Vec4) -> [f32; 3] {
    let extent: [f32; 2] = from_fn(|k| (bbox[k + 2] - bbox[k]).max(1.0));
    let whole = extent.map(f32::ceil);
    let [across, down] = [width as f32 / whole[0], height as f32 / whole[1]];
    let mut best = -3.4e38;
    let mut highest = [0.0; 2];
    for y in 0..whole[1] as usize {
        let (rows, row_weights) = taps(y, down, height);
        for x in 0..whole[0] as usize {
            let (columns, weights) = taps(x, across, width);
            let of_row = |row: usize| dot(columns.map(|column| map[row * width + column]), weights);
            let value = dot(rows.map(of_row), row_weights);
            if value > best {
                best = value;
                highest = [x as f32, y as f32];
            }
        }
    }
    let point = |k: usize| bbox[k] + (highest[k] + 0.5) * (extent[k] / whole[k]);
    [point(0), point(1), best]
}
