//! The steps of a convolution or matrix product.

use super::ScheduleError;
use crate::compile::graph::{Conv, ConvKind, Graph, Node, Op};
use crate::compile::select::{ConvAlgorithm, ConvSize, Target};
use crate::kernels::conv::{ConvForm, Epilogue, FREQUENCIES, Params, WeightLayout};
use crate::kernels::{
    Dispatch, Dtype, Dtypes, MAX_WORKGROUPS, blocks, chain, depthwise, grouped, winograd_input,
    winograd_output, words,
};
use crate::plan::{Constant, ConstantPart, Draft, LayerConstant, Operand, PlanBuilder, ValueId};

/// Bytes of the tiles and products of a Winograd convolution that are worked on at once.
const WINOGRAD_BYTES: usize = 16 << 20;

/// The size of a node that is a convolution or matrix product with several forms.
pub(super) fn size_with_forms(graph: &Graph, node: &Node) -> Option<ConvSize> {
    match &node.op {
        Op::Conv(conv) => match conv.kind {
            ConvKind::Depthwise(_) => None,
            ConvKind::Grouped(_, groups) => {
                let size = size(graph, conv, node);
                (merged(groups, &size) == groups).then_some(size)
            }
            ConvKind::Dense(_) | ConvKind::Transposed(..) | ConvKind::Linear(_) => {
                Some(size(graph, conv, node))
            }
        },
        _ => None,
    }
}

/// The size of a convolution or matrix product.
fn size(graph: &Graph, conv: &Conv, node: &Node) -> ConvSize {
    let [channels, ..] = graph.value(node.inputs[0]).map();
    let output = graph.value(node.outputs[0]);
    let [_, height, width] = output.map();
    let window = conv.kind.window();
    let factor = conv.epilogue.shuffle;
    ConvSize {
        in_channels: match conv.kind {
            ConvKind::Linear(Some([channels, height, width])) => {
                4 * blocks(channels) * height * width
            }
            _ => channels,
        },
        out_channels: match factor {
            1 => conv.out_channels,
            // Of each of a square's cells whole blocks.
            _ => factor * factor * 4 * blocks(conv.out_channels),
        },
        kernel: window.kernel,
        stride: window.stride,
        out_size: [output.items() * height / factor, width / factor],
    }
}

/// How many groups are computed as one, so that each is made of whole blocks of channels by whole blocks:
/// as few as can be, or all.
fn merged(groups: usize, size: &ConvSize) -> usize {
    let is_whole = |count: &usize| {
        let channels = [size.in_channels, size.out_channels];
        groups.is_multiple_of(*count)
            && channels
                .iter()
                .all(|all| (all / groups * count).is_multiple_of(4))
    };
    (1..groups).find(is_whole).unwrap_or(groups)
}

/// Steps for a convolution, with what was fused into it.
///
/// # Errors
/// If it makes more pixels than can be dispatched.
pub(super) fn schedule(
    graph: &Graph,
    conv: &Conv,
    node: &Node,
    target: &Target,
    plan: &mut PlanBuilder<'_>,
) -> Result<(), ScheduleError> {
    let own = Layer::new(graph, conv, node, plan);
    match conv.kind {
        ConvKind::Depthwise(_) => own.depthwise(plan),
        ConvKind::Grouped(_, groups) => own.grouped(groups, target, plan)?,
        ConvKind::Dense(_) => own.dense(target, plan)?,
        ConvKind::Transposed(_, stride) => {
            own.direct(WeightLayout::Transposed(stride), target, plan)?;
        }
        ConvKind::Linear(layout) => own.direct(WeightLayout::Linear(layout), target, plan)?,
    }
    Ok(())
}

/// A convolution that is about to become steps.
struct Layer<'a> {
    conv: &'a Conv,
    name: &'a str,
    size: ConvSize,
    params: Params,
    input: ValueId,
    residual: Option<ValueId>,
    output: ValueId,
    /// Shape of what it makes of its output.
    shape: Vec<usize>,
    dtypes: Dtypes,
}

impl<'a> Layer<'a> {
    fn new(graph: &Graph, conv: &'a Conv, node: &Node, plan: &PlanBuilder<'_>) -> Self {
        let (input, output) = (node.inputs[0], node.outputs[0]);
        let residual = node.inputs.get(1).copied();
        let size = size(graph, conv, node);
        let window = conv.kind.window();
        let [in_blocks, out_blocks] = words([size.in_channels, size.out_channels].map(blocks));
        let shuffle = conv.epilogue.shuffle;
        // Before pixels become squares.
        let out_size = plan.size_of(output).map(|side| side / shuffle);
        let mut shape = plan.shape(output).to_vec();
        shape[1] = conv.out_channels;
        Self {
            conv,
            name: conv.weight.trim_end_matches(".weight"),
            size,
            params: Params {
                in_size: words(match conv.kind {
                    // Its rows are pixels of one line.
                    ConvKind::Linear(_) => out_size,
                    _ => plan.size_of(input),
                }),
                out_size: words(out_size),
                in_blocks,
                out_blocks,
                out_stride: blocks(plan.map(output)[0]) as u32,
                out_first: (conv.first_channel / 4) as u32,
                kernel: words(window.kernel),
                stride: words(window.stride),
                dilation: words(window.dilation),
                padding: words(window.padding),
                residual_size: residual.map_or([1, 1], |map| words(plan.size_of(map))),
                inner_slope: conv.epilogue.inner_slope,
                outer_slope: conv.epilogue.outer_slope,
                items: plan.items(output) as u32,
                pixels: size.pixels() as u32,
                first_tile: 0,
                tiles: 0,
                group_in_blocks: in_blocks,
                group_out_blocks: out_blocks,
                shuffle: shuffle as u32,
                cell_blocks: blocks(conv.out_channels) as u32,
            },
            input,
            residual,
            output,
            shape,
            dtypes: plan.dtypes(input, output),
        }
    }

    fn epilogue(&self) -> Epilogue {
        match (self.conv.epilogue.residual, self.conv.epilogue.shuffle) {
            (Some(upsampling), _) => Epilogue::Residual(upsampling),
            (None, 1) => Epilogue::Bias,
            (None, _) => Epilogue::Shuffled,
        }
    }

    /// With the chain that follows the epilogue, where there is one.
    fn ended(&self, mut dispatch: Dispatch) -> Dispatch {
        if let Some(tail) = &self.conv.tail {
            let shader = &mut dispatch.shader;
            shader.kernel = chain::with_tail(shader.kernel, tail);
        }
        dispatch
    }

    /// What the epilogue binds: the bias, and a map that is added.
    fn epilogue_operands(&self, plan: &mut PlanBuilder<'_>) -> Vec<Operand> {
        let bias = match self.conv.kind {
            ConvKind::Transposed(_, [down, across]) => ConstantPart::CellsBias(down * across),
            _ => ConstantPart::Bias,
        };
        let mut operands = vec![self.constant(bias, plan)];
        operands.extend(self.residual.map(|map| plan.operand(map)));
        operands
    }

    fn constant(&self, part: ConstantPart, plan: &mut PlanBuilder<'_>) -> Operand {
        let norm = self.conv.norm.as_ref();
        plan.constant(Constant::Layer(LayerConstant {
            part,
            dtype: match part {
                ConstantPart::Bias | ConstantPart::CellsBias(_) => Dtype::F32,
                ConstantPart::Weights(_) => self.dtypes.stored,
            },
            weight: self.conv.weight.clone(),
            bias: self.conv.bias.clone(),
            norm: norm.map(|norm| (norm.path.clone(), norm.eps)),
            shuffle: self.conv.epilogue.shuffle,
        }))
    }

    /// The map, the result, the weights, then what the epilogue binds.
    fn operands(&self, layout: WeightLayout, plan: &mut PlanBuilder<'_>) -> Vec<Operand> {
        let bias = self.epilogue_operands(plan);
        let [input, output] = plan.operands([self.input, self.output]);
        let weights = self.constant(ConstantPart::Weights(layout), plan);
        let mut operands = vec![input, output, weights];
        operands.extend(bias);
        operands
    }

    fn depthwise(self, plan: &mut PlanBuilder<'_>) {
        let dispatch = depthwise::dispatch(&self.params, self.epilogue(), self.dtypes);
        let dispatch = self.ended(dispatch);
        let operands = self.operands(WeightLayout::Depthwise, plan);
        // One filter a channel.
        let flop = self.size.flop() / self.size.in_channels as u64;
        let draft = Draft::making(self.name, dispatch, operands, self.output);
        plan.push(draft.shaped(self.shape).computing(flop));
    }

    /// One dispatch, of the only form. Where no less than all groups make whole blocks, a dense convolution
    /// with zeros among its weights.
    fn grouped(
        self,
        groups: usize,
        target: &Target,
        plan: &mut PlanBuilder<'_>,
    ) -> Result<(), ScheduleError> {
        let merged = merged(groups, &self.size);
        let layout = WeightLayout::Grouped { groups, merged };
        let left = (groups / merged) as u32;
        if left == 1 {
            return self.direct(layout, target, plan);
        }
        let params = Params {
            group_in_blocks: self.params.in_blocks / left,
            group_out_blocks: self.params.out_blocks / left,
            ..self.params
        };
        let dispatch = grouped::dispatch(&params, self.epilogue(), self.dtypes);
        let dispatch = self.ended(dispatch);
        let operands = self.operands(layout, plan);
        let flop = self.size.flop() / u64::from(left);
        let draft = Draft::making(self.name, dispatch, operands, self.output);
        plan.push(draft.shaped(self.shape).computing(flop));
        Ok(())
    }

    /// As the target computes it fastest.
    fn dense(self, target: &Target, plan: &mut PlanBuilder<'_>) -> Result<(), ScheduleError> {
        let is_dilated = self.params.dilation != [1, 1];
        match target.algorithm(&self.size) {
            ConvAlgorithm::Winograd if !is_dilated => self.winograd(target, plan),
            _ => self.direct(WeightLayout::Dense, target, plan),
        }
    }

    fn direct(
        self,
        layout: WeightLayout,
        target: &Target,
        plan: &mut PlanBuilder<'_>,
    ) -> Result<(), ScheduleError> {
        let fits = |form: ConvForm| {
            let blocks = self.params.out_blocks as usize;
            let workgroups = form.workgroups(self.size.pixels(), blocks, 1)[0] as usize;
            form.has(self.epilogue()) && workgroups <= MAX_WORKGROUPS
        };
        let form = target.form(&self.size, fits);
        let form = form.ok_or_else(|| ScheduleError::no_form(self.name, &self.size))?;
        let dtypes = Dtypes {
            product: match self.dtypes.stored {
                Dtype::F16 => target.precision.product(),
                Dtype::F32 => Dtype::F32,
            },
            ..self.dtypes
        };
        let dispatch = self.params.dispatch(form, self.epilogue(), 1, dtypes);
        let dispatch = self.ended(dispatch);
        let operands = self.operands(layout, plan);
        let draft = Draft::making(self.name, dispatch, operands, self.output);
        plan.push(draft.shaped(self.shape).computing(self.size.flop()));
        Ok(())
    }

    /// Three dispatches for as many tiles as are worked on at once: to tiles, products, from tiles.
    fn winograd(self, target: &Target, plan: &mut PlanBuilder<'_>) -> Result<(), ScheduleError> {
        let size = self.size;
        let [in_blocks, out_blocks] = [size.in_channels, size.out_channels].map(blocks);
        let [down, across] = self.params.out_size.map(|side| side.div_ceil(4) as usize);
        let tiles = plan.items(self.output) * down * across;
        let tile_bytes = FREQUENCIES * 16 * (in_blocks + out_blocks);
        let at_once = (WINOGRAD_BYTES / tile_bytes).max(1);
        // All rounds alike, the last may be shorter.
        let at_once = tiles.div_ceil(tiles.div_ceil(at_once));
        let form = target.winograd_form(&size);
        let form = form.ok_or_else(|| ScheduleError::no_form(self.name, &size))?;
        let bias = self.epilogue_operands(plan);
        let [input, output] = plan.operands([self.input, self.output]);
        let weights = self.constant(ConstantPart::Weights(WeightLayout::Winograd), plan);
        for first in (0..tiles).step_by(at_once) {
            let count = at_once.min(tiles - first);
            let params = Params {
                first_tile: first as u32,
                tiles: count as u32,
                ..self.params
            };
            let tiled = plan.temporary(FREQUENCIES * count * in_blocks * 16);
            let products = plan.temporary(FREQUENCIES * count * out_blocks * 16);
            let name = |part: &str| format!("{} {part}", self.name);
            let to_tiles = Draft::step(
                name("to tiles"),
                winograd_input::dispatch(&params),
                [input, tiled],
                self.output,
            );
            plan.push(to_tiles.shaped(vec![FREQUENCIES, count, size.in_channels]));
            let matrix = Params::matrix(count, size.in_channels, size.out_channels);
            let product_size = ConvSize {
                kernel: [1, 1],
                out_size: [1, count],
                ..size
            };
            let multiply = Draft::step(
                name("products"),
                matrix.dispatch(form, Epilogue::None, FREQUENCIES, Dtypes::F32),
                [tiled, products, weights],
                self.output,
            );
            let multiply = multiply.shaped(vec![FREQUENCIES, count, size.out_channels]);
            plan.push(multiply.computing(FREQUENCIES as u64 * product_size.flop()));
            let mut operands = vec![products, output];
            operands.extend(&bias);
            let from_tiles = Draft::making(
                name("from tiles"),
                self.ended(winograd_output::dispatch(&params, self.epilogue())),
                operands,
                self.output,
            );
            plan.push(from_tiles.shaped(self.shape.clone()));
        }
        Ok(())
    }
}
