//! Twin of all forms of the convolution, `shaders/conv.wgsl` and `shaders/conv_tiled.wgsl`: they differ
//! in how lanes share the work.

use std::array::from_fn;

use super::activation::leaky;
use super::{Vec4, float, words};

/// Words of the parameters, as `shaders/shared/conv.wgsl` has them.
pub(super) struct Params {
    pub in_size: [usize; 2],
    pub out_size: [usize; 2],
    pub in_quads: usize,
    pub out_quads: usize,
    out_stride: usize,
    out_first: usize,
    pub kernel: [usize; 2],
    stride: [usize; 2],
    pub padding: [usize; 2],
    residual_size: [usize; 2],
    inner_slope: f32,
    outer_slope: f32,
    pub first_tile: usize,
    pub tiles: usize,
    pub group_in_quads: usize,
    pub group_out_quads: usize,
}

impl Params {
    pub fn new(params: &[u32]) -> Self {
        let words: [usize; 22] = words(params);
        let pair = |index: usize| [words[index], words[index + 1]];
        Self {
            in_size: pair(0),
            out_size: pair(2),
            in_quads: words[4],
            out_quads: words[5],
            out_stride: words[6],
            out_first: words[7],
            kernel: pair(8),
            stride: pair(10),
            padding: pair(12),
            residual_size: pair(14),
            inner_slope: float(words[16]),
            outer_slope: float(words[17]),
            first_tile: words[18],
            tiles: words[19],
            group_in_quads: words[20],
            group_out_quads: words[21],
        }
    }

    /// Where the window of an output's pixel begins.
    pub fn corner(&self, pixel: usize) -> [isize; 2] {
        let place = [pixel / self.out_size[1], pixel % self.out_size[1]];
        from_fn(|axis| (place[axis] * self.stride[axis]) as isize - self.padding[axis] as isize)
    }

    /// Four channels of a cell of the input; zeros outside the map.
    pub fn load(&self, image: &[Vec4], [y, x]: [isize; 2], batch: usize, quad: usize) -> Vec4 {
        let [height, width] = self.in_size;
        let is_inside = (0..height as isize).contains(&y) && (0..width as isize).contains(&x);
        let y = y.clamp(0, height as isize - 1) as usize;
        let x = x.clamp(0, width as isize - 1) as usize;
        let start = ((batch * height + y) * width + x) * self.in_quads;
        image[start + quad].map(|value| value * f32::from(is_inside))
    }

    /// What happens to a sum before it is stored, and where it goes.
    pub fn store(
        &self,
        sum: Vec4,
        [pixel, quad, batch]: [usize; 3],
        result: &mut [Vec4],
        bias: Option<&[Vec4]>,
        residual: Option<&[Vec4]>,
    ) {
        let [height, width] = self.out_size;
        let mut value = sum;
        if let Some(bias) = bias {
            let biased = from_fn(|c| value[c] + bias[quad][c]);
            value = leaky(biased, self.inner_slope);
            if let Some(residual) = residual {
                let [coarse_height, coarse_width] = self.residual_size;
                let y = pixel / width * coarse_height / height;
                let x = pixel % width * coarse_width / width;
                let added = residual[(y * coarse_width + x) * self.out_quads + quad];
                value = from_fn(|c| value[c] + added[c]);
            }
            value = leaky(value, self.outer_slope);
        }
        let cell = batch * height * width + pixel;
        result[cell * self.out_stride + self.out_first + quad] = value;
    }
}

/// Convolution over maps of channels by fours, `batches` of them one behind the other in all
/// buffers; without a bias, its sums as they are.
///
/// - `image`: `[batch][y][x][quad]`; `weights`: `[batch][ky][kx][in channel][out quad]`;
/// - `result`: `[batch][y][x][quad]`, which may have room for others' channels too;
/// - `bias`: `[out quad]`; `residual`: `[y][x][out quad]`, of the output's size or coarser.
///
/// # Panics
/// If a buffer is too small.
pub fn conv(
    params: &[u32],
    batches: usize,
    image: &[Vec4],
    result: &mut [Vec4],
    weights: &[Vec4],
    bias: Option<&[Vec4]>,
    residual: Option<&[Vec4]>,
) {
    let params = Params::new(params);
    let pixels = params.out_size[0] * params.out_size[1];
    let [kernel_height, kernel_width] = params.kernel;
    let (in_quads, out_quads) = (params.in_quads, params.out_quads);
    for batch in 0..batches {
        let first = batch * kernel_height * kernel_width * in_quads * 4 * out_quads;
        for pixel in 0..pixels {
            let corner = params.corner(pixel);
            for quad in 0..out_quads {
                let mut sum = [0.0; 4];
                let mut row = first;
                for ky in 0..kernel_height {
                    for kx in 0..kernel_width {
                        let place = [corner[0] + ky as isize, corner[1] + kx as isize];
                        for in_quad in 0..in_quads {
                            let values = params.load(image, place, batch, in_quad);
                            for (k, value) in values.into_iter().enumerate() {
                                let weight = weights[row + k * out_quads + quad];
                                sum = from_fn(|c| value.mul_add(weight[c], sum[c]));
                            }
                            row += 4 * out_quads;
                        }
                    }
                }
                params.store(sum, [pixel, quad, batch], result, bias, residual);
            }
        }
    }
}
