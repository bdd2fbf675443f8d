//! From the rewritten graph to a plan: which kernel does what, with which parameters, and where.

use super::graph::{Conv, ConvKind, Graph, Node, Op, ValueId, Window};
use super::memory::{Block, place};
use super::select::{ConvAlgorithm, ConvSize, Target};
use crate::models::{Architecture, Stage};
use crate::ops::anchor_decode::AnchorDecodeOptions;
use crate::ops::anchors::AnchorGrid;
use crate::ops::proposals::ProposalOptions;
use crate::ops::roi_align::RoiAlignOptions;
use crate::ops::roi_decode::RoiDecodeOptions;
use crate::ops::select::SelectOptions;
use crate::plan::{
    Binding, Constant, ConstantPart, ConvForm, Epilogue, Kernel, MapSlot, Number, Numbers, Plan,
    Results, Shader, Step,
};
use crate::transform::Transform;

/// Lanes of a workgroup that share no work.
const LANES: usize = 64;
/// Pixels that a lane of a grouped convolution makes.
const GROUPED_PIXELS: usize = 8;
/// Most workgroups along one dimension of a dispatch.
const MAX_GROUPS: usize = 65_535;
/// Bytes of the tiles and products of a Winograd convolution that are worked on at once.
const WINOGRAD_BYTES: usize = 16 << 20;
/// Most slots of a level that suppression holds in workgroup memory.
const MAX_SLOTS: usize = 1024;

/// A node that no kernel does.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("no kernel computes {operation}")]
pub struct ScheduleError {
    operation: String,
}

/// The plan of a rewritten graph of `architecture` on a target. `transform` prepares the pictures.
///
/// # Errors
/// If a node was not fused away and has no kernel.
pub fn schedule(
    graph: &Graph,
    architecture: Architecture,
    transform: &Transform,
    target: &Target,
) -> Result<Plan, ScheduleError> {
    let mut scheduler = Scheduler::new(graph, target);
    scheduler.preprocess(transform);
    for node in &graph.nodes {
        scheduler.enter(node, architecture);
        scheduler.node(node)?;
    }
    for &level in &graph.pyramid {
        scheduler.check_finite(level);
    }
    Ok(scheduler.finish())
}

/// A plan that is nothing but one convolution over a map that keeps its size but for the stride.
pub fn convolution(size: ConvSize, target: &Target) -> Plan {
    let in_size = [0, 1].map(|axis| size.out_size[axis] * size.stride[axis]);
    let map = |channels: usize, [height, width]: [usize; 2]| vec![1, channels, height, width];
    let [image, result] = [ValueId(0), ValueId(1)];
    let conv = Conv {
        weight: "weight".to_owned(),
        kind: ConvKind::Dense(Window {
            kernel: size.kernel,
            stride: size.stride,
            padding: size.kernel.map(|side| side / 2),
        }),
        bias: None,
        norm: None,
        epilogue: super::graph::Epilogue::PLAIN,
        first_channel: 0,
    };
    let graph = Graph {
        values: vec![
            map(size.in_channels, in_size),
            map(size.out_channels, size.out_size),
        ],
        nodes: vec![Node {
            op: Op::Conv(conv),
            inputs: vec![image],
            outputs: vec![result],
        }],
        image,
        pyramid: Vec::new(),
        detections: [result; 5],
    };
    without_selection(&graph, target).expect("there is a kernel for convolutions")
}

/// The plan of a rewritten graph that only makes maps, from an image that is there.
///
/// # Errors
/// As [`schedule`].
pub fn without_selection(graph: &Graph, target: &Target) -> Result<Plan, ScheduleError> {
    let mut scheduler = Scheduler::new(graph, target);
    for node in &graph.nodes {
        scheduler.node(node)?;
    }
    scheduler.results = Some(Results {
        limit: 0,
        quads: 0,
        landmarks: 0,
    });
    Ok(scheduler.finish())
}

/// The convolutions and matrix products of a rewritten graph that have several forms, each of a size
/// once.
pub fn conv_sizes(graph: &Graph, target: &Target) -> Vec<ConvSize> {
    let scheduler = Scheduler::new(graph, target);
    let mut sizes = Vec::new();
    for node in &graph.nodes {
        if let Op::Conv(conv) = &node.op
            && !matches!(conv.kind, ConvKind::Grouped(..))
            && let Some((_, _, size)) = scheduler.conv_size(conv, node)
            && !sizes.contains(&size)
        {
            sizes.push(size);
        }
    }
    sizes
}

/// Something a step touches, before activations have their places.
#[derive(Clone, Copy)]
enum Touched {
    Frame,
    Picture,
    Constant(usize),
    Block(usize),
    Results,
}

struct Draft {
    name: String,
    stage: Stage,
    shader: Shader,
    params: Params,
    touched: Vec<Touched>,
    groups: [u32; 3],
    output: Vec<usize>,
    flop: u64,
}

/// A convolution that is about to become steps.
struct ConvDraft {
    name: String,
    params: ConvParams,
    image: Touched,
    result: Touched,
    /// The bias, and a map that is added.
    epilogue: Vec<Touched>,
    output: Vec<usize>,
    numbers: Numbers,
}

fn epilogue_of(touched: &[Touched]) -> Epilogue {
    match touched.len() {
        0 => Epilogue::None,
        1 => Epilogue::Bias,
        _ => Epilogue::Residual,
    }
}

struct Scheduler<'a> {
    graph: &'a Graph,
    /// The stage of the steps that come next.
    stage: Stage,
    /// The stage that made each value.
    stages: Vec<Stage>,
    /// What each value is stored in.
    numbers: Vec<Number>,
    /// The block of each value that has one.
    blocks: Vec<Option<usize>>,
    /// Bytes of each block.
    sizes: Vec<usize>,
    steps: Vec<Draft>,
    constants: Vec<Constant>,
    results: Option<Results>,
    target: &'a Target,
    /// Steps before the first that reads the heads' maps, and these.
    trunk: usize,
    heads: Vec<ValueId>,
}

/// Words of a uniform buffer.
#[derive(Default)]
pub(crate) struct Params(pub(crate) Vec<u32>);

impl Params {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn u(mut self, value: usize) -> Self {
        self.0.push(value as u32);
        self
    }

    pub(crate) fn pair(self, [a, b]: [usize; 2]) -> Self {
        self.u(a).u(b)
    }

    pub(crate) fn f(mut self, value: f32) -> Self {
        self.0.push(value.to_bits());
        self
    }

    pub(crate) fn vec4(self, values: [f32; 4]) -> Self {
        values.into_iter().fold(self, Self::f)
    }

    pub(crate) fn unused(self, words: usize) -> Self {
        (0..words).fold(self, |params, _| params.u(0))
    }
}

/// What the kernels of a convolution are told, as `shaders/shared/conv.wgsl` has it.
#[derive(Clone, Copy)]
pub(crate) struct ConvParams {
    pub in_size: [usize; 2],
    pub size: ConvSize,
    /// Channels of the output's pixels by fours, and those before the convolution's own.
    pub out_stride: usize,
    pub out_first: usize,
    pub padding: [usize; 2],
    pub residual_size: [usize; 2],
    /// Of the inner and the outer activation.
    pub slopes: [f32; 2],
    /// Of a Winograd convolution, the first and how many.
    pub tiles: [usize; 2],
    /// Groups of channels that are convolved each on its own.
    pub channel_groups: usize,
}

impl ConvParams {
    /// A product of a matrix of so many rows, its sums as they are.
    pub fn matrix(rows: usize, in_channels: usize, out_channels: usize) -> Self {
        let size = ConvSize {
            in_channels,
            out_channels,
            kernel: [1, 1],
            stride: [1, 1],
            out_size: [1, rows],
        };
        Self {
            in_size: size.out_size,
            size,
            out_stride: quads(out_channels),
            out_first: 0,
            padding: [0, 0],
            residual_size: [1, 1],
            slopes: [1.0, 1.0],
            tiles: [0, 0],
            channel_groups: 1,
        }
    }

    pub fn words(&self) -> Params {
        let channels = [self.size.in_channels, self.size.out_channels];
        let [in_quads, out_quads] = channels.map(quads);
        Params::new()
            .pair(self.in_size)
            .pair(self.size.out_size)
            .u(in_quads)
            .u(out_quads)
            .u(self.out_stride)
            .u(self.out_first)
            .pair(self.size.kernel)
            .pair(self.size.stride)
            .pair(self.padding)
            .pair(self.residual_size)
            .f(self.slopes[0])
            .f(self.slopes[1])
            .pair(self.tiles)
            .pair([in_quads, out_quads].map(|quads| quads / self.channel_groups))
    }
}

/// Channels by fours.
pub(crate) fn quads(channels: usize) -> usize {
    channels.div_ceil(4)
}

/// A dispatch with a workgroup of [`LANES`] for as many lanes.
pub(crate) fn groups(lanes: usize) -> [u32; 3] {
    let groups = lanes.div_ceil(LANES).max(1);
    let across = groups.min(MAX_GROUPS);
    [across as u32, groups.div_ceil(across) as u32, 1]
}

/// The dispatch of a convolution of some form that makes `out_quads` times four channels of so many
/// pixels, for each of some batches.
pub(crate) fn conv_groups(
    form: ConvForm,
    pixels: usize,
    out_quads: usize,
    batches: usize,
) -> [u32; 3] {
    let [tile_pixels, tile_quads] = form.tile();
    [
        pixels.div_ceil(tile_pixels) as u32,
        out_quads.div_ceil(tile_quads) as u32,
        batches as u32,
    ]
}

fn dispatch(form: ConvForm, size: &ConvSize, batches: usize) -> [u32; 3] {
    let [height, width] = size.out_size;
    conv_groups(form, height * width, quads(size.out_channels), batches)
}

/// What each value is stored in: maps as the target has it, but for those that boxes and scores are
/// made of.
fn numbers(graph: &Graph, target: &Target) -> Vec<Number> {
    let mut numbers = vec![Number::F32; graph.values.len()];
    numbers[graph.image.0] = target.precision.stored();
    for node in &graph.nodes {
        if let Op::Conv(_) | Op::MaxPool(_) | Op::Add | Op::RoiAlign(_) = node.op {
            numbers[node.outputs[0].0] = target.precision.stored();
        }
    }
    for node in &graph.nodes {
        if let Op::SelectProposals(_) | Op::DecodeRois(_) | Op::DecodeAnchors(_) = node.op {
            for input in &node.inputs {
                numbers[input.0] = Number::F32;
            }
        }
    }
    numbers
}

/// The dispatch of a grouped convolution that makes `out_quads` times four channels of so many pixels.
pub(crate) fn grouped_groups(pixels: usize, out_quads: usize) -> [u32; 3] {
    groups(pixels.div_ceil(GROUPED_PIXELS) * out_quads)
}

impl<'a> Scheduler<'a> {
    fn new(graph: &'a Graph, target: &'a Target) -> Self {
        Self {
            graph,
            stage: Stage::Preprocess,
            stages: vec![Stage::Preprocess; graph.values.len()],
            numbers: numbers(graph, target),
            blocks: vec![None; graph.values.len()],
            sizes: Vec::new(),
            steps: Vec::new(),
            constants: Vec::new(),
            results: None,
            trunk: 0,
            heads: Vec::new(),
            target,
        }
    }

    fn shape(&self, value: ValueId) -> &[usize] {
        &self.graph.values[value.0]
    }

    /// Channels, height and width of a map.
    fn map(&self, value: ValueId) -> [usize; 3] {
        match *self.shape(value) {
            [_, channels, height, width] => [channels, height, width],
            [rows, channels] => [channels, 1, rows],
            _ => unreachable!("a map has four dimensions, a matrix two"),
        }
    }

    fn size_of(&self, value: ValueId) -> [usize; 2] {
        let [_, height, width] = self.map(value);
        [height, width]
    }

    /// Floats between the cells of a map, or between the rows of a matrix.
    fn pitch(&self, value: ValueId) -> usize {
        4 * quads(self.map(value)[0])
    }

    /// The numbers of a kernel that makes one map of another; without one, of what is always of 32
    /// bits.
    fn numbers_between(&self, input: Option<ValueId>, output: ValueId) -> Numbers {
        Numbers {
            stored: input.map_or(Number::F32, |input| self.numbers[input.0]),
            result: self.numbers[output.0],
            product: Number::F32,
        }
    }

    fn temporary(&mut self, bytes: usize) -> usize {
        self.sizes.push(bytes);
        self.sizes.len() - 1
    }

    /// The block of a value, made when it is first asked for.
    fn block(&mut self, value: ValueId) -> Touched {
        if let Some(block) = self.blocks[value.0] {
            return Touched::Block(block);
        }
        let quad = self.numbers[value.0].quad_bytes();
        let bytes = match *self.shape(value) {
            [items, channels, height, width] => items * height * width * quads(channels) * quad,
            [rows, columns] => rows * quads(columns) * quad,
            [length] => length.next_multiple_of(4) * 4,
            _ => unreachable!("values have one, two or four dimensions"),
        };
        let block = self.temporary(bytes);
        self.blocks[value.0] = Some(block);
        Touched::Block(block)
    }

    fn constant(&mut self, part: ConstantPart, conv: &Conv) -> Touched {
        let constant = Constant {
            part,
            number: match part {
                ConstantPart::Bias => Number::F32,
                _ => self.target.precision.stored(),
            },
            weight: conv.weight.clone(),
            bias: conv.bias.clone(),
            norm: conv.norm.as_ref().map(|norm| (norm.path.clone(), norm.eps)),
        };
        let known = self.constants.iter().position(|other| *other == constant);
        Touched::Constant(known.unwrap_or_else(|| {
            self.constants.push(constant);
            self.constants.len() - 1
        }))
    }

    fn preprocess(&mut self, transform: &Transform) {
        let [_, height, width] = self.map(self.graph.image);
        let [r, g, b] = transform.mean;
        let mean = [r, g, b, 0.0];
        let [r, g, b] = transform.std;
        let std = [r, g, b, 1.0];
        let image = self.block(self.graph.image);
        self.steps.push(Draft {
            name: "picture".to_owned(),
            stage: self.stage,
            shader: Shader {
                kernel: Kernel::Preprocess,
                numbers: self.numbers_between(None, self.graph.image),
            },
            params: Params::new()
                .pair([height, width])
                .f(transform.divisor)
                .u(0)
                .vec4(mean)
                .vec4(std),
            touched: vec![Touched::Frame, Touched::Picture, image],
            groups: groups(height * width),
            output: self.shape(self.graph.image).to_vec(),
            flop: 0,
        });
    }

    /// The steps that come next are of the stage that `node` belongs to.
    fn enter(&mut self, node: &Node, architecture: Architecture) {
        self.stage = match &node.op {
            Op::Conv(conv) => architecture.stage(&conv.weight),
            Op::SelectProposals(_) => Stage::Proposals,
            Op::RoiAlign(_) => Stage::BoxHead,
            Op::DecodeRois(_) | Op::DecodeAnchors(_) | Op::SelectDetections(_) => Stage::Selection,
            // What has no parameters goes on with what it reads.
            _ => self.stages[node.inputs[0].0],
        };
        for output in &node.outputs {
            self.stages[output.0] = self.stage;
        }
    }

    fn node(&mut self, node: &Node) -> Result<(), ScheduleError> {
        match &node.op {
            Op::Conv(conv) => self.conv(conv, node),
            Op::MaxPool(window) => self.max_pool(*window, node),
            Op::Add => self.add(node),
            Op::SelectProposals(options) => self.select_proposals(*options, node),
            Op::RoiAlign(options) => self.roi_align(*options, node),
            Op::DecodeRois(options) => self.decode_rois(*options, node),
            Op::DecodeAnchors(options) => self.decode_anchors(*options, node),
            Op::SelectDetections(options) => self.select_detections(*options, node),
            other => {
                return Err(ScheduleError {
                    operation: format!("{other:?} on its own"),
                });
            }
        }
        Ok(())
    }

    fn conv(&mut self, conv: &Conv, node: &Node) {
        let (input, output) = (node.inputs[0], node.outputs[0]);
        let out_channels = self.out_channels(conv, node);
        let name = conv.weight.trim_end_matches(".weight").to_owned();
        let mut out_shape = self.shape(output).to_vec();
        out_shape[1] = out_channels;
        let out_cells = self.size_of(output);
        let pixels = out_cells[0] * out_cells[1];
        let bias = self.constant(ConstantPart::Bias, conv);

        if let ConvKind::Depthwise(window) = conv.kind {
            let weights = self.constant(ConstantPart::Depthwise, conv);
            let lanes = pixels * quads(out_channels);
            let params = Params::new()
                .pair(self.size_of(input))
                .pair(out_cells)
                .u(quads(out_channels))
                .f(conv.epilogue.inner_slope)
                .pair(window.kernel)
                .pair(window.stride)
                .pair(window.padding);
            let touched = vec![self.block(input), weights, bias, self.block(output)];
            let taps = window.kernel[0] * window.kernel[1];
            self.steps.push(Draft {
                name,
                stage: self.stage,
                shader: Shader {
                    kernel: Kernel::Depthwise,
                    numbers: self.numbers_between(Some(input), output),
                },
                params,
                touched,
                groups: groups(lanes),
                output: out_shape,
                flop: 2 * (pixels * out_channels * taps) as u64,
            });
            return;
        }

        let (part, window, size) = self
            .conv_size(conv, node)
            .expect("depthwise ones are scheduled above");
        let in_size = match conv.kind {
            ConvKind::Linear(_) => out_cells,
            _ => self.size_of(input),
        };
        let residual = node.inputs.get(1).copied();
        let params = ConvParams {
            in_size,
            size,
            out_stride: quads(self.map(output)[0]),
            out_first: conv.first_channel / 4,
            padding: window.padding,
            residual_size: residual.map_or([1, 1], |value| self.size_of(value)),
            slopes: [conv.epilogue.inner_slope, conv.epilogue.outer_slope],
            tiles: [0, 0],
            channel_groups: match conv.kind {
                ConvKind::Grouped(_, groups) => groups,
                _ => 1,
            },
        };
        let (image, result) = (self.block(input), self.block(output));
        let mut epilogue = vec![bias];
        epilogue.extend(residual.map(|value| self.block(value)));
        let draft = ConvDraft {
            name,
            params,
            image,
            result,
            epilogue,
            output: out_shape,
            numbers: Numbers {
                product: self.target.precision.product(),
                ..self.numbers_between(Some(input), output)
            },
        };
        if let ConvKind::Grouped(..) = conv.kind {
            let weights = self.constant(part, conv);
            self.grouped(draft, weights);
            return;
        }
        match self.target.algorithm(&size) {
            ConvAlgorithm::Direct => {
                let weights = self.constant(part, conv);
                let fits = |form| dispatch(form, &size, 1)[0] as usize <= MAX_GROUPS;
                let form = self.target.form(&size, fits);
                self.product(draft, weights, form, 1);
            }
            ConvAlgorithm::Winograd => {
                let weights = self.constant(ConstantPart::Winograd, conv);
                self.winograd(&draft, weights);
            }
        }
    }

    /// The size of a convolution or matrix product, its window, and its weights' layout where it is
    /// computed directly; none for a depthwise one.
    fn conv_size(&self, conv: &Conv, node: &Node) -> Option<(ConstantPart, Window, ConvSize)> {
        let input = node.inputs[0];
        let (part, window, in_channels) = match conv.kind {
            ConvKind::Linear(layout) => {
                let in_channels = match layout {
                    Some([channels, height, width]) => 4 * quads(channels) * height * width,
                    None => self.map(input)[0],
                };
                let point = Window {
                    kernel: [1, 1],
                    stride: [1, 1],
                    padding: [0, 0],
                };
                (ConstantPart::Linear(layout), point, in_channels)
            }
            ConvKind::Dense(window) | ConvKind::Grouped(window, _) => {
                (ConstantPart::Dense, window, self.map(input)[0])
            }
            ConvKind::Depthwise(_) => return None,
        };
        let size = ConvSize {
            in_channels,
            out_channels: self.out_channels(conv, node),
            kernel: window.kernel,
            stride: window.stride,
            out_size: self.size_of(node.outputs[0]),
        };
        Some((part, window, size))
    }

    /// One dispatch over some batches.
    fn product(&mut self, draft: ConvDraft, weights: Touched, form: ConvForm, batches: usize) {
        let size = draft.params.size;
        let mut touched = vec![draft.image, draft.result, weights];
        let kernel = Kernel::Conv(form, epilogue_of(&draft.epilogue));
        touched.extend(draft.epilogue);
        self.steps.push(Draft {
            name: draft.name,
            stage: self.stage,
            shader: Shader {
                kernel,
                numbers: draft.numbers,
            },
            params: draft.params.words(),
            touched,
            groups: dispatch(form, &size, batches),
            output: draft.output,
            flop: batches as u64 * size.flop(),
        });
    }

    /// One dispatch, of the only form.
    fn grouped(&mut self, draft: ConvDraft, weights: Touched) {
        let params = draft.params;
        let [height, width] = params.size.out_size;
        let mut touched = vec![draft.image, draft.result, weights];
        let kernel = Kernel::Grouped(epilogue_of(&draft.epilogue));
        touched.extend(draft.epilogue);
        self.steps.push(Draft {
            name: draft.name,
            stage: self.stage,
            shader: Shader {
                kernel,
                // One lane has too few products to gain by 16 bits.
                numbers: Numbers {
                    product: Number::F32,
                    ..draft.numbers
                },
            },
            params: params.words(),
            touched,
            groups: grouped_groups(height * width, quads(params.size.out_channels)),
            output: draft.output,
            flop: params.size.flop() / params.channel_groups as u64,
        });
    }

    /// Three dispatches for as many tiles as are worked on at once: to tiles, products, from tiles.
    fn winograd(&mut self, draft: &ConvDraft, weights: Touched) {
        let size = draft.params.size;
        let [in_quads, out_quads] = [size.in_channels, size.out_channels].map(quads);
        let [down, across] = size.out_size.map(|side| side.div_ceil(4));
        let tiles = down * across;
        let at_once = (WINOGRAD_BYTES / (36 * 16 * (in_quads + out_quads))).max(1);
        let form = self.target.winograd_form(&size);
        // All rounds alike, the last may be shorter.
        let at_once = tiles.div_ceil(tiles.div_ceil(at_once));
        for first in (0..tiles).step_by(at_once) {
            let count = at_once.min(tiles - first);
            let params = ConvParams {
                tiles: [first, count],
                ..draft.params
            };
            let transformed = Touched::Block(self.temporary(36 * count * in_quads * 16));
            let products = Touched::Block(self.temporary(36 * count * out_quads * 16));
            self.steps.push(Draft {
                name: format!("{} to tiles", draft.name),
                stage: self.stage,
                shader: Kernel::WinogradInput.into(),
                params: params.words(),
                touched: vec![draft.image, transformed],
                groups: groups(count * in_quads),
                output: vec![36, count, size.in_channels],
                flop: 0,
            });
            let product = ConvDraft {
                name: format!("{} products", draft.name),
                params: ConvParams::matrix(count, size.in_channels, size.out_channels),
                image: transformed,
                result: products,
                epilogue: Vec::new(),
                output: vec![36, count, size.out_channels],
                numbers: draft.numbers,
            };
            self.product(product, weights, form, 36);
            let mut touched = vec![products, draft.result];
            touched.extend(&draft.epilogue);
            self.steps.push(Draft {
                name: format!("{} from tiles", draft.name),
                stage: self.stage,
                shader: Kernel::WinogradOutput(epilogue_of(&draft.epilogue)).into(),
                params: params.words(),
                touched,
                groups: groups(count * out_quads),
                output: draft.output.clone(),
                flop: 0,
            });
        }
    }

    /// Channels that a convolution makes; its output may hold others' beside them.
    fn out_channels(&self, conv: &Conv, node: &Node) -> usize {
        let output = node.outputs[0];
        let end = self
            .graph
            .nodes
            .iter()
            .filter(|other| other.outputs[0] == output)
            .filter_map(|other| match &other.op {
                Op::Conv(other) if other.first_channel > conv.first_channel => {
                    Some(other.first_channel)
                }
                _ => None,
            })
            .min();
        end.unwrap_or(self.map(output)[0]) - conv.first_channel
    }

    fn max_pool(&mut self, window: Window, node: &Node) {
        let (input, output) = (node.inputs[0], node.outputs[0]);
        let [channels, height, width] = self.map(output);
        let params = Params::new()
            .pair(self.size_of(input))
            .pair([height, width])
            .u(quads(channels))
            .u(0)
            .pair(window.kernel)
            .pair(window.stride)
            .pair(window.padding);
        let touched = vec![self.block(input), self.block(output)];
        self.push(
            "max_pool",
            Shader {
                kernel: Kernel::MaxPool,
                numbers: self.numbers_between(Some(input), output),
            },
            params,
            touched,
            groups(height * width * quads(channels)),
            output,
        );
    }

    fn add(&mut self, node: &Node) {
        let [fine, coarse] = node.inputs[..] else {
            unreachable!("a sum has two operands")
        };
        let output = node.outputs[0];
        let [channels, height, width] = self.map(output);
        let params = Params::new()
            .pair([height, width])
            .pair(self.size_of(coarse))
            .u(quads(channels))
            .f(1.0)
            .unused(2);
        let touched = vec![self.block(fine), self.block(coarse), self.block(output)];
        self.push(
            "add",
            Shader {
                kernel: Kernel::UpsampleAdd,
                numbers: self.numbers_between(Some(fine), output),
            },
            params,
            touched,
            groups(height * width * quads(channels)),
            output,
        );
    }

    fn push(
        &mut self,
        name: &str,
        shader: impl Into<Shader>,
        params: Params,
        touched: Vec<Touched>,
        groups: [u32; 3],
        output: ValueId,
    ) {
        self.steps.push(Draft {
            name: name.to_owned(),
            stage: self.stage,
            shader: shader.into(),
            params,
            touched,
            groups,
            output: self.shape(output).to_vec(),
            flop: 0,
        });
    }

    /// From here on the heads' maps are read.
    fn end_trunk(&mut self, heads: &[ValueId]) {
        self.trunk = self.steps.len();
        self.heads = heads.to_vec();
    }

    fn select_proposals(&mut self, options: ProposalOptions, node: &Node) {
        self.end_trunk(&node.inputs);
        assert!(
            options.per_level <= MAX_SLOTS,
            "suppression holds {MAX_SLOTS} slots a level"
        );
        let (logits, deltas) = node.inputs.split_at(node.inputs.len() / 2);
        let [boxes, levels, count] = node.outputs[..] else {
            unreachable!("proposal selection has three outputs")
        };
        node.inputs.iter().for_each(|&map| self.check_finite(map));
        let grid = AnchorGrid::pyramid(options.anchor_size);
        let slots = logits.len() * options.per_level;
        let slot_boxes = Touched::Block(self.temporary(slots * 16));
        let slot_keys = Touched::Block(self.temporary(slots * 4));
        for (level, (&logits, &deltas)) in logits.iter().zip(deltas).enumerate() {
            let [anchors, height, width] = self.map(logits);
            let chosen = Touched::Block(self.temporary((1 + options.per_level) * 4));
            let name = format!("P{} top anchors", level + 2);
            let params = Params::new()
                .u(height * width)
                .u(anchors)
                .u(self.pitch(logits))
                .u(options.per_level);
            let logits_block = self.block(logits);
            self.push(
                &name,
                Kernel::TopAnchors,
                params,
                vec![logits_block, chosen],
                [1, 1, 1],
                boxes,
            );

            let stride = [options.padded[0] / height, options.padded[1] / width];
            let params = (0..anchors)
                .map(|a| grid.anchor(level, a, [0, 0], stride))
                .fold(Params::new(), Params::vec4)
                .pair([height, width])
                .pair(stride)
                .u(self.pitch(logits))
                .u(self.pitch(deltas))
                .u(options.per_level)
                .u(level * options.per_level)
                .f(options.min_side)
                .unused(3);
            let deltas_block = self.block(deltas);
            let touched = vec![
                Touched::Frame,
                logits_block,
                deltas_block,
                chosen,
                slot_boxes,
                slot_keys,
            ];
            let name = format!("P{} proposals", level + 2);
            self.push(
                &name,
                Kernel::DecodeProposals,
                params,
                touched,
                groups(options.per_level),
                boxes,
            );
        }
        let params = Params::new()
            .u(options.per_level)
            .f(options.nms_threshold)
            .unused(2);
        let each_level = [logits.len() as u32, 1, 1];
        self.push(
            "suppression",
            Kernel::NmsLevels,
            params,
            vec![slot_boxes, slot_keys],
            each_level,
            boxes,
        );
        let params = Params::new()
            .u(slots)
            .u(options.per_level)
            .u(options.limit)
            .u(0);
        let touched = vec![
            slot_boxes,
            slot_keys,
            self.block(boxes),
            self.block(levels),
            self.block(count),
        ];
        self.push(
            "proposals",
            Kernel::MergeProposals,
            params,
            touched,
            groups(slots),
            boxes,
        );
    }

    fn roi_align(&mut self, options: RoiAlignOptions, node: &Node) {
        let [p2, p3, p4, p5, boxes, count] = node.inputs[..] else {
            unreachable!("RoIAlign has six inputs")
        };
        let output = node.outputs[0];
        let [rois, channels, rows, columns] = *self.shape(output) else {
            unreachable!("RoIs are maps")
        };
        let params = [p2, p3, p4, p5]
            .iter()
            .fold(Params::new(), |params, &level| {
                params.pair(self.size_of(level))
            })
            .u(rois)
            .u(quads(channels))
            .u(options.sampling_ratio)
            .u(options.aligned.into())
            .pair([rows, columns])
            .f(options.canonical_size)
            .unused(1);
        let touched = [p2, p3, p4, p5, boxes, count, output]
            .map(|value| self.block(value))
            .to_vec();
        let lanes = rois * rows * columns * quads(channels);
        self.push(
            "roi_align",
            Shader {
                kernel: Kernel::RoiAlign,
                numbers: self.numbers_between(Some(p2), output),
            },
            params,
            touched,
            groups(lanes),
            output,
        );
    }

    /// The block of candidates with `landmarks` values each; how many fit, and vec4 of each.
    fn candidates(&mut self, rows: ValueId) -> (Touched, usize, usize) {
        let [capacity, width] = *self.shape(rows) else {
            unreachable!("candidates are rows")
        };
        let quads = quads(width) + 1;
        let block = match self.blocks[rows.0] {
            Some(block) => block,
            None => self.temporary(capacity * quads * 16),
        };
        self.blocks[rows.0] = Some(block);
        (Touched::Block(block), capacity, quads)
    }

    fn decode_rois(&mut self, options: RoiDecodeOptions, node: &Node) {
        let [logits, deltas, boxes, levels, count] = node.inputs[..] else {
            unreachable!("RoI decoding has five inputs")
        };
        [logits, deltas]
            .into_iter()
            .for_each(|rows| self.check_finite(rows));
        let (rows, found) = (node.outputs[0], node.outputs[4]);
        let (candidates, capacity, _) = self.candidates(rows);
        let params = Params::new()
            .vec4(options.weights)
            .u(self.shape(logits)[1])
            .u(self.pitch(logits))
            .u(self.pitch(deltas))
            .u(capacity)
            .f(options.score_threshold)
            .f(options.min_side)
            .unused(2);
        let mut touched = vec![Touched::Frame];
        touched.extend([logits, deltas, boxes, levels, count].map(|value| self.block(value)));
        touched.extend([candidates, self.block(found)]);
        self.push(
            "candidates",
            Kernel::DecodeRois,
            params,
            touched,
            [1, 1, 1],
            rows,
        );
    }

    fn decode_anchors(&mut self, options: AnchorDecodeOptions, node: &Node) {
        self.end_trunk(&node.inputs);
        node.inputs.iter().for_each(|&map| self.check_finite(map));
        let (rows, found) = (node.outputs[0], node.outputs[4]);
        let (candidates, capacity, _) = self.candidates(rows);
        let found = self.block(found);
        let grid = AnchorGrid::retinaface();
        let levels = node.inputs.len() / 3;
        for level in 0..levels {
            let [classes, boxes, landmarks] =
                [0, 1, 2].map(|head| node.inputs[head * levels + level]);
            let stride = 8 << level;
            let params = (0..grid.anchors_per_cell())
                .map(|a| {
                    let [x1, y1, x2, y2] = grid.anchor(level, a, [0, 0], [stride; 2]);
                    [(x1 + x2) / 2.0, (y1 + y2) / 2.0, x2 - x1, y2 - y1]
                })
                .fold(Params::new(), Params::vec4)
                .pair(self.size_of(classes))
                .u(stride)
                .u(level + 3)
                .u(self.pitch(classes))
                .u(self.pitch(boxes))
                .u(self.pitch(landmarks))
                .u((level == 0).into())
                .f(options.score_threshold)
                .f(options.variances[0])
                .f(options.variances[1])
                .u(capacity);
            let mut touched = [classes, boxes, landmarks]
                .map(|value| self.block(value))
                .to_vec();
            touched.extend([candidates, found]);
            let name = format!("P{} candidates", level + 3);
            self.push(
                &name,
                Kernel::DecodeAnchors,
                params,
                touched,
                [1, 1, 1],
                rows,
            );
        }
    }

    fn select_detections(&mut self, options: SelectOptions, node: &Node) {
        let (rows, found) = (node.inputs[0], self.block(node.inputs[4]));
        let (candidates, capacity, quads) = self.candidates(rows);
        let order = Touched::Block(self.temporary(capacity * 4));
        let alive = Touched::Block(self.temporary(capacity * 4));
        let output = node.outputs[0];
        let limit = options.limit.min(capacity);
        let params = Params::new().u(capacity).u(quads).unused(2);
        let touched = vec![candidates, found, order];
        self.push(
            "order",
            Kernel::RankCandidates,
            params,
            touched,
            groups(capacity),
            rows,
        );
        let params = Params::new()
            .u(capacity)
            .u(quads)
            .u(limit)
            .f(options.nms_threshold);
        let touched = vec![
            Touched::Frame,
            candidates,
            found,
            order,
            alive,
            Touched::Results,
        ];
        self.push(
            "detections",
            Kernel::SelectDetections,
            params,
            touched,
            [1, 1, 1],
            output,
        );
        self.results = Some(Results {
            limit,
            quads,
            landmarks: self.shape(rows)[1] - 4,
        });
    }

    /// A check of the stage that made the map, whichever asks for it.
    fn check_finite(&mut self, map: ValueId) {
        let [channels, height, width] = self.map(map);
        let params = Params::new().u(height * width * quads(channels)).unused(3);
        let touched = vec![self.block(map), Touched::Results];
        self.push(
            "finite?",
            Shader {
                kernel: Kernel::CheckFinite,
                numbers: Numbers {
                    stored: self.numbers[map.0],
                    ..Numbers::F32
                },
            },
            params,
            touched,
            [64, 1, 1],
            map,
        );
        let check = self.steps.last_mut().expect("the check was pushed");
        check.stage = self.stages[map.0];
    }

    fn finish(self) -> Plan {
        let last = self.steps.len() - 1;
        let lifetime = |block: usize| -> Block {
            let touches = |step: &Draft| {
                step.touched
                    .iter()
                    .any(|touched| matches!(touched, Touched::Block(b) if *b == block))
            };
            let first = self.steps.iter().position(touches).unwrap_or(0);
            Block {
                size: self.sizes[block],
                first,
                last: self.steps.iter().rposition(touches).unwrap_or(first),
            }
        };
        let mut blocks: Vec<Block> = (0..self.sizes.len()).map(lifetime).collect();
        // The pyramid can be read back when all is done.
        for level in &self.graph.pyramid {
            blocks[self.blocks[level.0].expect("the pyramid was computed")].last = last;
        }
        let (places, arenas, lower_bound) = place(&blocks, self.target.arena_limit);
        let bind = |touched: &Touched| match *touched {
            Touched::Frame => Binding::Frame,
            Touched::Picture => Binding::Picture,
            Touched::Constant(index) => Binding::Constant(index),
            Touched::Block(block) => Binding::Arena(places[block]),
            Touched::Results => Binding::Results,
        };
        let slot = |&map: &ValueId| MapSlot {
            shape: self.map(map),
            number: self.numbers[map.0],
            range: places[self.blocks[map.0].expect("the map was computed")],
        };
        Plan {
            padded: self.size_of(self.graph.image),
            pyramid: self.graph.pyramid.iter().map(slot).collect(),
            trunk: self.trunk,
            heads: self.heads.iter().map(slot).collect(),
            results: self.results.expect("a model ends in a selection"),
            steps: self
                .steps
                .iter()
                .map(|draft| Step {
                    name: draft.name.clone(),
                    stage: draft.stage,
                    kernel: draft.shader.kernel,
                    numbers: draft.shader.numbers,
                    params: draft.params.0.clone(),
                    bindings: draft.touched.iter().map(bind).collect(),
                    groups: draft.groups,
                    output: draft.output.clone(),
                    flop: draft.flop,
                })
                .collect(),
            constants: self.constants,
            arenas,
            lower_bound,
        }
    }
}
