//! CPU reference of `shaders/roi_pool.wgsl`.

use super::Params;
use crate::boxes::makes_sense;
use crate::kernels::checks::{Call, Vec4, vec4, vec4_mut};
use crate::kernels::kernel::sizes;

/// RoIPool over one map.
///
/// - `boxes`: `[roi]`; `count`: how many of them are meant;
/// - `result`: `[roi][row][column][block]`, zeros from the count on, and of boxes that no picture has;
/// - `image`: `[y][x][block]`.
pub(super) fn run(call: Call<'_>) {
    let (params, [boxes, count, result, image]) = call.split::<Params, 4>();
    roi_pool(&params, vec4(boxes), count, vec4_mut(result), vec4(image));
}

fn roi_pool(params: &Params, boxes: &[Vec4], count: &[u32], result: &mut [Vec4], image: &[Vec4]) {
    let [rois, blocks] = sizes([params.rois, params.blocks]);
    let [rows, columns] = sizes(params.cells);
    let cells = rows * columns;
    for (index, result) in result[..rois * cells * blocks].iter_mut().enumerate() {
        let roi = index / (cells * blocks);
        *result = [0.0; 4];
        if roi >= count[0] as usize || !makes_sense(boxes[roi]) {
            continue;
        }
        let block = index % blocks;
        let cell = index / blocks % cells;
        // `f32::round` goes half away from zero.
        let [x1, y1, x2, y2] = boxes[roi].map(|side| (side * params.scale).round() as i32);
        let range = |start: i32, last: i32, place: usize, parts: usize, size: u32| {
            let extent = (last - start + 1).max(1);
            let (place, parts) = (place as i32, parts as i32);
            let low = start + place * extent / parts;
            let high = start + ((place + 1) * extent + parts - 1) / parts;
            low.clamp(0, size as i32) as usize..high.clamp(0, size as i32) as usize
        };
        let ys = range(y1, y2, cell / columns, rows, params.size[0]);
        let xs = range(x1, x2, cell % columns, columns, params.size[1]);
        let width = params.size[1] as usize;
        let inside = ys.flat_map(|y| xs.clone().map(move |x| y * width + x));
        let values = inside.map(|pixel| image[pixel * blocks + block]);
        if let Some(most) = values.reduce(|a, b| std::array::from_fn(|c| a[c].max(b[c]))) {
            *result = most;
        }
    }
}
