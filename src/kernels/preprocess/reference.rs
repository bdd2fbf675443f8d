//! CPU reference of `shaders/preprocess.wgsl`.

use std::array::from_fn;

use super::Params;
use crate::kernels::FrameUniform;
use crate::kernels::antialias::{BITS, HALF, taps, weight};
use crate::kernels::bilinear::tap_near;
use crate::kernels::checks::{Call, Vec4, frame, vec4_mut};
use crate::kernels::kernel::sizes;

/// Resizes bilinearly what is normalized, pads with zeros.
///
/// - `picture`: `[y][x]`, a pixel a word; `image`: `[y][x]`.
pub(super) fn bilinear(call: Call<'_>) {
    run(call, |source, y, x| {
        let place =
            |index: usize, axis: usize| (index as f32 + 0.5) * source.frame.ratio[axis] - 0.5;
        let [rows, columns] = sizes(source.frame.original);
        let down = tap_near(place(y, 0), rows);
        let across = tap_near(place(x, 1), columns);
        let row = |y: usize| -> [f32; 3] {
            let normal = |x: usize| source.normal(source.floats(x, y));
            let [low, high] = [across.low, across.high].map(normal);
            from_fn(|c| (1.0 - across.near) * low[c] + across.near * high[c])
        };
        let (top, bottom) = (row(down.low), row(down.high));
        from_fn(|c| (1.0 - down.near) * top[c] + down.near * bottom[c])
    });
}

/// Resizes bytes through triangles, normalizes, pads with zeros.
///
/// - `picture`: `[y][x]`, a pixel a word; `image`: `[y][x]`.
pub(super) fn antialiased(call: Call<'_>) {
    run(call, |source, y, x| {
        let FrameUniform {
            original, resized, ..
        } = source.frame;
        let down = taps(y as u32, original[0], resized[0]);
        let across = taps(x as u32, original[1], resized[1]);
        let mut sum = [HALF; 3];
        for row in down.first..down.end {
            let mut of_row = [HALF; 3];
            for column in across.first..across.end {
                let weight = weight(across, column);
                let bytes = source.bytes(column as usize, row as usize);
                of_row = from_fn(|c| of_row[c] + weight * bytes[c]);
            }
            let weight = weight(down, row);
            sum = from_fn(|c| sum[c] + weight * (of_row[c] >> BITS).min(255));
        }
        source.normal(sum.map(|sum| (sum >> BITS).min(255) as f32))
    });
}

/// Warps bytes, black beyond the picture, normalizes, pads with zeros.
///
/// - `picture`: `[y][x]`, a pixel a word; `image`: `[y][x]`.
pub(super) fn warped(call: Call<'_>) {
    run(call, |source, y, x| {
        let FrameUniform {
            original,
            ratio,
            shift,
            ..
        } = source.frame;
        let place = [0, 1].map(|axis| [y, x][axis] as f32 * ratio[axis] + shift[axis]);
        let low = place.map(f32::floor);
        let near = [0, 1].map(|axis| place[axis] - low[axis]);
        let cell = |down: usize, across: usize| -> [f32; 3] {
            let [y, x] = [low[0] as i32 + down as i32, low[1] as i32 + across as i32];
            match (0..original[0] as i32).contains(&y) && (0..original[1] as i32).contains(&x) {
                true => source.floats(x as usize, y as usize),
                false => [0.0; 3],
            }
        };
        let row = |down: usize| -> [f32; 3] {
            let (left, right) = (cell(down, 0), cell(down, 1));
            from_fn(|c| (1.0 - near[1]) * left[c] + near[1] * right[c])
        };
        let (top, bottom) = (row(0), row(1));
        source.normal(from_fn(|c| (1.0 - near[0]) * top[c] + near[0] * bottom[c]))
    });
}

/// What a pixel is made of.
struct Source<'a> {
    params: &'a Params,
    frame: FrameUniform,
    picture: &'a [u32],
}

impl Source<'_> {
    fn bytes(&self, x: usize, y: usize) -> [u32; 3] {
        let [_, width] = sizes(self.frame.original);
        let [r, g, b, _] = self.picture[y * width + x].to_le_bytes().map(u32::from);
        match self.params.is_bgr == 1 {
            true => [b, g, r],
            false => [r, g, b],
        }
    }

    fn floats(&self, x: usize, y: usize) -> [f32; 3] {
        self.bytes(x, y).map(|byte| byte as f32)
    }

    fn normal(&self, bytes: [f32; 3]) -> [f32; 3] {
        let Params {
            divisor,
            mean,
            deviation,
            ..
        } = self.params;
        from_fn(|c| (bytes[c] / divisor - mean[c]) / deviation[c])
    }
}

fn run(call: Call<'_>, resized: impl Fn(&Source<'_>, usize, usize) -> [f32; 3]) {
    let (params, [words, picture, image]) = call.split::<Params, 3>();
    let source = Source {
        params: &params,
        frame: frame(words),
        picture,
    };
    let image: &mut [Vec4] = vec4_mut(image);
    let [height, width] = sizes(source.frame.resized);
    let columns = params.padded[1] as usize;
    let pixels = image.iter_mut().enumerate();
    for (pixel, value) in pixels.take(params.padded[0] as usize * columns) {
        let (y, x) = (pixel / columns, pixel % columns);
        *value = match y < height && x < width {
            true => {
                let [r, g, b] = resized(&source, y, x);
                [r, g, b, 0.0]
            }
            false => [0.0; 4],
        };
    }
}
