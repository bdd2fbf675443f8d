//! CPU reference of all forms of the convolution, `shaders/conv.wgsl` and `shaders/conv_tiled.wgsl`:
//! they differ in how invocations share the work.

use std::array::from_fn;

use super::Params;
use crate::kernels::activation::leaky;
use crate::kernels::bilinear::tap;
use crate::kernels::checks::{Call, Vec4, vec4, vec4_mut};
use crate::kernels::kernel::sizes;
use crate::kernels::upsample_add::Upsampling;

/// A map that an epilogue adds, `[item][y][x][block]`, of the output's size or coarser.
pub(in crate::kernels) type Residual<'a> = Option<(&'a [Vec4], Upsampling)>;

/// Where a window begins, and the first row of the input's item that it lies in.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct Corner {
    pub place: [i32; 2],
    pub first_row: usize,
}

impl Params {
    /// A pixel of the output: its item, and its place in it.
    fn pixel_at(&self, index: usize) -> (usize, [usize; 2]) {
        let [height, width] = sizes(self.out_size);
        let rest = index % (height * width);
        (index / (height * width), [rest / width, rest % width])
    }

    /// Where the window begins that lies so in the padded map of an item.
    pub(in crate::kernels) fn corner_at(&self, place: [usize; 2], item: usize) -> Corner {
        Corner {
            place: from_fn(|axis| place[axis] as i32 - self.padding[axis] as i32),
            first_row: item * self.in_size[0] as usize,
        }
    }

    /// Where the window of an output's pixel begins, in one of several batches.
    pub(in crate::kernels) fn corner(&self, index: usize, batch: usize) -> Corner {
        let (item, place) = self.pixel_at(index);
        let place = from_fn(|axis| place[axis] * self.stride[axis] as usize);
        self.corner_at(place, batch * self.items as usize + item)
    }

    /// Where a filter's tap lies, from its window's beginning.
    pub(in crate::kernels) fn tap_at(&self, tap: [u32; 2]) -> [i32; 2] {
        from_fn(|axis| (tap[axis] * self.dilation[axis]) as i32)
    }

    /// A channel block of a cell of the input; zeros outside the map.
    pub(in crate::kernels) fn load(
        &self,
        image: &[Vec4],
        window: Corner,
        tap: [i32; 2],
        block: usize,
    ) -> Vec4 {
        let [y, x]: [i32; 2] = from_fn(|axis| window.place[axis] + tap[axis]);
        let [height, width] = self.in_size.map(|side| side as i32);
        let is_inside = (0..height).contains(&y) && (0..width).contains(&x);
        let y = y.clamp(0, height - 1) as usize;
        let x = x.clamp(0, width - 1) as usize;
        let row = window.first_row + y;
        let start = (row * width as usize + x) * self.in_blocks as usize;
        image[start + block].map(|value| value * f32::from(is_inside))
    }

    /// What happens to a sum before it is stored, and where it goes.
    pub(in crate::kernels) fn store(
        &self,
        sum: Vec4,
        [pixel, block, batch]: [usize; 3],
        result: &mut [Vec4],
        bias: Option<&[Vec4]>,
        residual: Residual<'_>,
    ) {
        let mut value = sum;
        if let Some(bias) = bias {
            let biased = from_fn(|c| value[c] + bias[block][c]);
            value = leaky(biased, self.inner_slope);
            if let Some((residual, upsampling)) = residual {
                let added = match upsampling {
                    Upsampling::Nearest => self.nearest(residual, pixel, block),
                    Upsampling::Bilinear => self.bilinear(residual, pixel, block),
                };
                value = from_fn(|c| value[c] + added[c]);
            }
            value = leaky(value, self.outer_slope);
        }
        result[self.result_at(pixel, block, batch)] = value;
    }

    /// Where a block of a pixel lies, or of one of the cells of the square that a pixel becomes.
    fn result_at(&self, index: usize, block: usize, batch: usize) -> usize {
        let (item, place) = self.pixel_at(index);
        let (factor, cell_blocks) = (self.shuffle as usize, self.cell_blocks as usize);
        let cell = block / cell_blocks;
        let within = [cell / factor, cell % factor];
        let [y, x]: [usize; 2] = from_fn(|axis| place[axis] * factor + within[axis]);
        let [height, width] = sizes(self.out_size).map(|side| side * factor);
        let row = (batch * self.items as usize + item) * height + y;
        let first = (row * width + x) * self.out_stride as usize + self.out_first as usize;
        first + block % cell_blocks
    }

    fn residual_cell(
        &self,
        residual: &[Vec4],
        item: usize,
        cell: [usize; 2],
        block: usize,
    ) -> Vec4 {
        let [height, width] = sizes(self.residual_size);
        let row = item * height + cell[0];
        residual[(row * width + cell[1]) * self.out_blocks as usize + block]
    }

    /// The residual's nearest cell.
    fn nearest(&self, residual: &[Vec4], pixel: usize, block: usize) -> Vec4 {
        let (item, place) = self.pixel_at(pixel);
        let (coarse, fine) = (sizes(self.residual_size), sizes(self.out_size));
        let cell = from_fn(|axis| place[axis] * coarse[axis] / fine[axis]);
        self.residual_cell(residual, item, cell, block)
    }

    /// What lies between the residual's four nearest cells.
    fn bilinear(&self, residual: &[Vec4], pixel: usize, block: usize) -> Vec4 {
        let (item, place) = self.pixel_at(pixel);
        let (coarse, fine) = (sizes(self.residual_size), sizes(self.out_size));
        let [down, across] = [0, 1].map(|axis| tap(place[axis], coarse[axis], fine[axis]));
        let row = |y: usize| -> Vec4 {
            let [low, high] = [across.low, across.high]
                .map(|x| self.residual_cell(residual, item, [y, x], block));
            from_fn(|c| (1.0 - across.near) * low[c] + across.near * high[c])
        };
        let (top, bottom) = (row(down.low), row(down.high));
        from_fn(|c| (1.0 - down.near) * top[c] + down.near * bottom[c])
    }
}

/// The reference of a kernel whose residual, if it has one, is upsampled so.
pub(super) fn nearest(call: Call<'_>) {
    run(call, Upsampling::Nearest);
}

/// As [`nearest`].
pub(super) fn bilinear(call: Call<'_>) {
    run(call, Upsampling::Bilinear);
}

fn run(call: Call<'_>, upsampling: Upsampling) {
    let batches = call.workgroups[2] as usize;
    let params = call.params();
    let [image, result, weights, epilogue @ ..] = call.bindings else {
        panic!("a convolution binds three buffers at least")
    };
    let bias = epilogue.first().map(|bias| vec4(bias));
    let residual = epilogue.get(1).map(|map| (vec4(map), upsampling));
    let result = vec4_mut(result);
    conv(
        &params,
        batches,
        vec4(image),
        result,
        vec4(weights),
        bias,
        residual,
    );
}

/// Convolution over maps of channel blocks, `batches` of them one behind the other in all buffers;
/// without a bias, its sums as they are.
///
/// - `image`: `[batch][item][y][x][block]`; `weights`: `[batch][ky][kx][in channel][out block]`;
/// - `result`: `[batch][item][y][x][block]`, which may have room for others' channels too;
/// - `bias`: `[out block]`.
pub(in crate::kernels) fn conv(
    params: &Params,
    batches: usize,
    image: &[Vec4],
    result: &mut [Vec4],
    weights: &[Vec4],
    bias: Option<&[Vec4]>,
    residual: Residual<'_>,
) {
    let [kernel_height, kernel_width] = params.kernel;
    let (in_blocks, out_blocks) = (params.in_blocks as usize, params.out_blocks as usize);
    for batch in 0..batches {
        let taps = (kernel_height * kernel_width) as usize;
        let first = batch * taps * in_blocks * 4 * out_blocks;
        for pixel in 0..params.pixels as usize {
            let window = params.corner(pixel, batch);
            for block in 0..out_blocks {
                let mut sum = [0.0; 4];
                let mut row = first;
                for ky in 0..kernel_height {
                    for kx in 0..kernel_width {
                        let tap = params.tap_at([ky, kx]);
                        for in_block in 0..in_blocks {
                            let values = params.load(image, window, tap, in_block);
                            for (k, value) in values.into_iter().enumerate() {
                                let weight = weights[row + k * out_blocks + block];
                                sum = from_fn(|c| value.mul_add(weight[c], sum[c]));
                            }
                            row += 4 * out_blocks;
                        }
                    }
                }
                params.store(sum, [pixel, block, batch], result, bias, residual);
            }
        }
    }
}
