//! What slides a window over maps, or changes their size: convolutions, pools, interpolation.

use burn_ir::{
    AdaptiveAvgPool2dOpIr, AvgPool2dOpIr, Conv2dOpIr, InterpolateModeIr, InterpolateOpIr,
    MaxPool2dOpIr, ModuleOperationIr, TensorIr,
};

use super::{Lowered, Lowering};
use crate::compile::graph::{Conv, ConvKind, FusedEpilogue, Op, Window};
use crate::kernels::upsample_add::Upsampling;

impl Lowering<'_> {
    pub(super) fn windows(&mut self, operation: &ModuleOperationIr) -> Lowered {
        use ModuleOperationIr as Ir;
        match operation {
            Ir::Conv2d(conv) => self.conv(conv),
            Ir::MaxPool2d(pool) => self.max_pool(pool),
            Ir::AvgPool2d(pool) => self.average_pool(pool),
            Ir::AdaptiveAvgPool2d(pool) => self.adaptive_average_pool(pool),
            Ir::Interpolate(resize) => self.upsample(resize),
            _ => Err(super::UNKNOWN.into()),
        }
    }

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
            tail: None,
            first_channel: 0,
        };
        self.node(Op::Conv(lowered), &[&conv.x], &conv.out)
    }

    pub(super) fn max_pool(&mut self, pool: &MaxPool2dOpIr) -> Lowered {
        let window = Window {
            kernel: pool.kernel_size,
            stride: pool.stride,
            dilation: pool.dilation,
            padding: pool.padding,
            padding_after: pool.padding,
        };
        let window = match pool.ceil_mode {
            true => reaching_past(window, map_size(&pool.x)),
            false => window,
        };
        self.node(Op::MaxPool(window), &[&pool.x], &pool.out)
    }

    pub(super) fn average_pool(&mut self, pool: &AvgPool2dOpIr) -> Lowered {
        let window = Window {
            kernel: pool.kernel_size,
            stride: pool.stride,
            padding: pool.padding,
            padding_after: pool.padding,
            ..Window::POINT
        };
        let window = match pool.ceil_mode {
            true => reaching_past(window, map_size(&pool.x)),
            false => window,
        };
        // What a last window reaches past the padding never counts.
        let counted = match pool.count_include_pad {
            true => pool.padding,
            false => [0, 0],
        };
        self.node(Op::AveragePool(window, counted), &[&pool.x], &pool.out)
    }

    pub(super) fn adaptive_average_pool(&mut self, pool: &AdaptiveAvgPool2dOpIr) -> Lowered {
        let (size, made) = (map_size(&pool.x), pool.output_size);
        let divides = |axis: usize| made[axis] > 0 && size[axis].is_multiple_of(made[axis]);
        if !(divides(0) && divides(1)) {
            return Err(
                "its windows are not alike: the sides of its output do not divide the map's".into(),
            );
        }
        let cells = [0, 1].map(|axis| size[axis] / made[axis]);
        let window = Window {
            kernel: cells,
            stride: cells,
            ..Window::POINT
        };
        self.node(Op::AveragePool(window, [0, 0]), &[&pool.x], &pool.out)
    }

    pub(super) fn upsample(&mut self, resize: &InterpolateOpIr) -> Lowered {
        let op = match (&resize.options.mode, resize.options.align_corners) {
            (InterpolateModeIr::Nearest, _) => Op::Upsample(Upsampling::Nearest),
            (InterpolateModeIr::Bilinear, false) => Op::Upsample(Upsampling::Bilinear),
            (InterpolateModeIr::Bilinear, true) => Op::UpsampleAligned,
            _ => return Err("only nearest and bilinear interpolation are known".into()),
        };
        self.node(op, &[&resize.x], &resize.out)
    }
}

/// Height and width of a map.
fn map_size(map: &TensorIr) -> [usize; 2] {
    [map.shape[2], map.shape[3]]
}

/// The window of a pool in ceil mode: the last one may reach past the padding, as long as it does not begin
/// there.
fn reaching_past(window: Window, size: [usize; 2]) -> Window {
    let past = |axis: usize| {
        let (stride, padding) = (window.stride[axis].max(1), window.padding[axis]);
        let extent = window.dilation[axis] * window.kernel[axis].saturating_sub(1) + 1;
        let to_last = (size[axis] + 2 * padding).saturating_sub(extent);
        let last = to_last.div_ceil(stride) * stride;
        let last = match last >= size[axis] + padding {
            true => last.saturating_sub(stride),
            false => last,
        };
        (last + extent).saturating_sub(size[axis] + padding)
    };
    Window {
        padding_after: [past(0), past(1)],
        ..window
    }
}
