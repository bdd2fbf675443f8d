//! What slides a window over maps, or changes their size: convolutions, pools, interpolation.

use burn_ir::{
    AdaptiveAvgPool2dOpIr, AvgPool2dOpIr, Conv2dOpIr, ConvTranspose2dOpIr, InterpolateModeIr,
    InterpolateOpIr, MaxPool2dOpIr, ModuleOperationIr, TensorIr,
};

use super::seen::Seen;
use super::{Lowered, Lowering};
use crate::compile::graph::{Conv, ConvKind, FusedEpilogue, Node, Op, Window};
use crate::kernels::chain::{Cut, View};
use crate::kernels::conv::reach;
use crate::kernels::upsample_add::Upsampling;
use crate::plan::ValueKind;

impl Lowering<'_> {
    pub(super) fn windows(&mut self, operation: &ModuleOperationIr) -> Lowered {
        use ModuleOperationIr as Ir;
        match operation {
            Ir::Conv2d(conv) => self.conv(conv),
            Ir::ConvTranspose2d(conv) => self.transposed(conv),
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
            bias: self.optional_parameter(conv.bias.as_ref())?,
            norm: None,
            epilogue: FusedEpilogue::PLAIN,
            tail: None,
            first_channel: 0,
        };
        self.node(Op::Conv(lowered), &[&conv.x], &conv.out)
    }

    /// As a convolution that makes all cells of a stride as channels, and a view that puts them in their places.
    fn transposed(&mut self, conv: &ConvTranspose2dOpIr) -> Lowered {
        let options = &conv.options;
        if options.groups != 1 || options.dilation != [1, 1] {
            return Err("of transposed convolutions only dense ones are known, not dilated".into());
        }
        let (weight, stride) = (&conv.weight.shape, options.stride);
        let [items, channels, height, width] = conv.out.shape.dims::<4>();
        let kernel = reach([weight[2], weight[3]], stride);
        let (from, to) = (map_size(&conv.x), [height, width]);
        // Squares of cells, as many as reach the last cell that is kept.
        let squares = [0, 1].map(|axis| {
            let last = options.padding[axis] + to[axis];
            last.div_ceil(stride[axis]).max(from[axis])
        });
        let window = Window {
            kernel,
            padding: kernel.map(|cells| cells - 1),
            padding_after: [0, 1].map(|axis| squares[axis] - from[axis]),
            ..Window::POINT
        };
        let out_channels = stride[0] * stride[1] * channels;
        let lowered = Conv {
            weight: self.parameter(&conv.weight)?,
            kind: ConvKind::Transposed(window, stride),
            out_channels,
            bias: self.optional_parameter(conv.bias.as_ref())?,
            norm: None,
            epilogue: FusedEpilogue::PLAIN,
            tail: None,
            first_channel: 0,
        };
        let x = self.read(&conv.x)?;
        let [down, across] = squares;
        let shape = vec![items, out_channels, down, across];
        let value = self.value(shape.clone(), ValueKind::Floats);
        self.nodes.push(Node {
            op: Op::Conv(lowered),
            inputs: vec![x],
            outputs: vec![value],
        });
        let start = |axis: usize| Cut {
            start: options.padding[axis],
            step: 1,
        };
        let view = View::of(&shape)
            .reshape(vec![items, stride[0], stride[1], channels, down, across])
            .permute(vec![0, 3, 4, 1, 5, 2])
            .reshape(vec![items, channels, down * stride[0], across * stride[1]])
            .slice(
                vec![Cut::WHOLE, Cut::WHOLE, start(0), start(1)],
                conv.out.shape.to_vec(),
            );
        self.see(&conv.out, Seen { value, view })
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
