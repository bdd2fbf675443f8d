//! What slides a window over maps, or changes their size: convolutions, pools, interpolation.

use burn_ir::{Conv2dOpIr, InterpolateModeIr, InterpolateOpIr, MaxPool2dOpIr};

use super::{Lowered, Lowering};
use crate::compile::graph::{Conv, ConvKind, FusedEpilogue, Op, Window};
use crate::kernels::upsample_add::Upsampling;

impl Lowering<'_> {
    pub(super) fn conv(&mut self, conv: &Conv2dOpIr) -> Lowered {
        let options = &conv.options;
        let [(top, bottom), (left, right)] = options.padding;
        let shape = &conv.weight.shape;
        let window = Window {
            kernel: [shape[2], shape[3]],
            stride: options.stride,
            dilation: options.dilation,
            padding: [top, left],
            padding_after: [bottom, right],
        };
        let kind = match options.groups {
            1 => ConvKind::Dense(window),
            groups if groups == conv.x.shape[1] && groups == shape[0] => {
                ConvKind::Depthwise(window)
            }
            groups => ConvKind::Grouped(window, groups),
        };
        let lowered = Conv {
            weight: self.parameter(&conv.weight)?,
            kind,
            out_channels: shape[0],
            bias: conv
                .bias
                .as_ref()
                .map(|bias| self.parameter(bias))
                .transpose()?,
            norm: None,
            epilogue: FusedEpilogue::PLAIN,
            first_channel: 0,
        };
        self.node(Op::Conv(lowered), &[&conv.x], &conv.out)
    }

    pub(super) fn max_pool(&mut self, pool: &MaxPool2dOpIr) -> Lowered {
        if pool.ceil_mode {
            return Err("ceil mode is not known".into());
        }
        let window = Window {
            kernel: pool.kernel_size,
            stride: pool.stride,
            dilation: pool.dilation,
            padding: pool.padding,
            padding_after: pool.padding,
        };
        self.node(Op::MaxPool(window), &[&pool.x], &pool.out)
    }

    pub(super) fn upsample(&mut self, resize: &InterpolateOpIr) -> Lowered {
        let upsampling = match resize.options.mode {
            InterpolateModeIr::Nearest => Upsampling::Nearest,
            InterpolateModeIr::Bilinear if !resize.options.align_corners => Upsampling::Bilinear,
            InterpolateModeIr::Bilinear => {
                return Err("aligned corners are not known".into());
            }
            _ => return Err("only nearest and bilinear interpolation are known".into()),
        };
        self.node(Op::Upsample(upsampling), &[&resize.x], &resize.out)
    }
}
