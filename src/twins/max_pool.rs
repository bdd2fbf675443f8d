//! Twin of `shaders/max_pool.wgsl`.

use std::array::from_fn;

use super::{Vec4, words};

/// Maximum over windows; what lies outside the map does not count.
///
/// - `image`, `result`: `[y][x][quad]`.
///
/// # Panics
/// If a buffer is too small.
pub fn max_pool(params: &[u32], image: &[Vec4], result: &mut [Vec4]) {
    let [
        in_height,
        in_width,
        out_height,
        out_width,
        quads,
        _,
        kernel_height,
        kernel_width,
        stride_down,
        stride_across,
        padding_top,
        padding_left,
    ] = words(params);
    for index in 0..out_height * out_width * quads {
        let quad = index % quads;
        let pixel = index / quads;
        let corner = [
            (pixel / out_width * stride_down) as isize - padding_top as isize,
            (pixel % out_width * stride_across) as isize - padding_left as isize,
        ];
        let mut best = [-3.402823e38; 4];
        for ky in 0..kernel_height {
            for kx in 0..kernel_width {
                let (y, x) = (corner[0] + ky as isize, corner[1] + kx as isize);
                if (0..in_height as isize).contains(&y) && (0..in_width as isize).contains(&x) {
                    let value = image[(y as usize * in_width + x as usize) * quads + quad];
                    // Not max, which may swallow NaN.
                    best = from_fn(|c| {
                        if value[c] <= best[c] {
                            best[c]
                        } else {
                            value[c]
                        }
                    });
                }
            }
        }
        result[index] = best;
    }
}
