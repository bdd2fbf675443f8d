//! CPU reference of all forms of the convolution, `shaders/conv.wgsl` and `shaders/conv_tiled.wgsl`:
//! they differ in how invocations share the work.

use std::array::from_fn;

use super::Params;
use crate::kernels::activation::leaky;
use crate::kernels::bilinear::tap;
use crate::kernels::checks::{Call, Vec4, vec4, vec4_mut};
use crate::kernels::upsample_add::Upsampling;

/// A map that an epilogue adds, `[y][x][block]`, of the output's size or coarser.
pub(in crate::kernels) type Residual<'a> = Option<(&'a [Vec4], Upsampling)>;

impl Params {
    /// Where the window of an output's pixel begins.
    pub(in crate::kernels) fn corner(&self, pixel: usize) -> [i32; 2] {
        let width = self.out_size[1] as usize;
        let place = [pixel / width, pixel % width];
        from_fn(|axis| {
            (place[axis] * self.stride[axis] as usize) as i32 - self.padding[axis] as i32
        })
    }

    /// A channel block of a cell of the input; zeros outside the map.
    pub(in crate::kernels) fn load(
        &self,
        image: &[Vec4],
        [y, x]: [i32; 2],
        batch: usize,
        block: usize,
    ) -> Vec4 {
        let [height, width] = self.in_size.map(|side| side as i32);
        let is_inside = (0..height).contains(&y) && (0..width).contains(&x);
        let y = y.clamp(0, height - 1) as usize;
        let x = x.clamp(0, width - 1) as usize;
        let row = batch * height as usize + y;
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
        let cell = batch * self.pixels() + pixel;
        result[cell * self.out_stride as usize + self.out_first as usize + block] = value;
    }

    /// The residual's nearest cell.
    fn nearest(&self, residual: &[Vec4], pixel: usize, block: usize) -> Vec4 {
        let [height, width] = self.out_size.map(|side| side as usize);
        let [coarse_height, coarse_width] = self.residual_size.map(|side| side as usize);
        let y = pixel / width * coarse_height / height;
        let x = pixel % width * coarse_width / width;
        residual[(y * coarse_width + x) * self.out_blocks as usize + block]
    }

    /// What lies between the residual's four nearest cells.
    fn bilinear(&self, residual: &[Vec4], pixel: usize, block: usize) -> Vec4 {
        let [height, width] = self.out_size.map(|side| side as usize);
        let [coarse_height, coarse_width] = self.residual_size.map(|side| side as usize);
        let down = tap(pixel / width, coarse_height, height);
        let across = tap(pixel % width, coarse_width, width);
        let row = |y: usize| -> Vec4 {
            let cell =
                |x: usize| residual[(y * coarse_width + x) * self.out_blocks as usize + block];
            let (low, high) = (cell(across.low), cell(across.high));
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
/// - `image`: `[batch][y][x][block]`; `weights`: `[batch][ky][kx][in channel][out block]`;
/// - `result`: `[batch][y][x][block]`, which may have room for others' channels too;
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
        for pixel in 0..params.pixels() {
            let corner = params.corner(pixel);
            for block in 0..out_blocks {
                let mut sum = [0.0; 4];
                let mut row = first;
                for ky in 0..kernel_height as i32 {
                    for kx in 0..kernel_width as i32 {
                        let place = [corner[0] + ky, corner[1] + kx];
                        for in_block in 0..in_blocks {
                            let values = params.load(image, place, batch, in_block);
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
