//! Instructions over maps: convolutions, pools, interpolation.

use burn::tensor::Tensor;
use burn::tensor::module::{adaptive_avg_pool2d, avg_pool2d, interpolate, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, InterpolateMode, InterpolateOptions, MaxPoolOptions};

use super::instructions::Op;
use super::layers::{Layer, Sliding, Spec};
use super::run::Run;
use super::tensors::Any;

impl Run<'_> {
    pub fn over_map(&mut self, x: Tensor<4>, op: &Op) -> Option<Any> {
        let [_, before, height, width] = x.dims();
        let size = [height, width];
        let made = match *op {
            Op::Conv {
                sliding,
                groups,
                channels,
                bias,
            } => {
                let groups = match groups {
                    groups if before.is_multiple_of(groups) => groups,
                    _ => before,
                };
                sliding.made(size)?;
                let spec = Spec::Conv {
                    channels: [before, channels * groups],
                    sliding,
                    groups,
                    bias,
                };
                let Layer::Conv(conv) = self.mode.layer(spec) else {
                    return None;
                };
                conv.forward(x)
            }
            Op::MaxPool(sliding, ceil) => {
                let sliding = pooling(sliding, size)?;
                let options = MaxPoolOptions::new(sliding.kernel)
                    .with_stride(sliding.stride)
                    .with_dilation(sliding.dilation)
                    .with_padding([sliding.padding[0], sliding.padding[1]])
                    .with_ceil_mode(ceil);
                max_pool2d(x, options)
            }
            Op::AveragePool(sliding, ceil, counts) => {
                let dilation = [1, 1];
                let sliding = pooling(
                    Sliding {
                        dilation,
                        ..sliding
                    },
                    size,
                )?;
                let options = AvgPoolOptions::new(sliding.kernel)
                    .with_stride(sliding.stride)
                    .with_padding([sliding.padding[0], sliding.padding[1]])
                    .with_count_include_pad(counts)
                    .with_ceil_mode(ceil);
                avg_pool2d(x, options)
            }
            Op::AdaptivePool(made) => {
                // Only windows that are alike are known.
                let divides = |axis: usize| size[axis].is_multiple_of(made[axis]);
                adaptive_avg_pool2d(
                    x,
                    [0, 1].map(|axis| if divides(axis) { made[axis] } else { 1 }),
                )
            }
            Op::Interpolate(made, mode) => {
                let (mode, aligned) = match mode {
                    0 => (InterpolateMode::Nearest, false),
                    mode => (InterpolateMode::Bilinear, mode == 2),
                };
                let options = InterpolateOptions::new(mode)
                    .with_align_corners(aligned)
                    .with_output_size(made);
                interpolate(x, options)
            }
            _ => return None,
        };
        Some(made.into())
    }
}

/// A pool's window: padded by half of it at most, and where it is dilated, which might then hold no cell, not
/// at all.
fn pooling(sliding: Sliding, size: [usize; 2]) -> Option<Sliding> {
    let pad = |axis: usize| match sliding.dilation[axis] {
        1 => sliding.padding[axis].min(sliding.kernel[axis] / 2),
        _ => 0,
    };
    let sliding = Sliding {
        padding: [pad(0), pad(1), pad(0), pad(1)],
        ..sliding
    };
    sliding.made(size)?;
    Some(sliding)
}
