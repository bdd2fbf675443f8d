//! Blocks of layers from a Burn module to a map: captured, compiled and computed by the twins of the
//! plan's kernels, against what Burn computes itself.

use std::collections::BTreeMap;
use std::convert::Infallible;

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};

use super::capture::id;
use super::schedule::without_selection;
use super::{CapturedModel, ConvKind, Graph, LowerError, Op, Target, lower, optimize, quads};
use crate::gpu::pack;
use crate::models::parameters;
use crate::plan::{Binding, Epilogue, Kernel, Plan, Range};
use crate::twins;
use crate::weights::{StoredTensor, Stream};

/// A block as ResNeXt has them, but for the last 1×1 convolution.
#[derive(Module, Debug)]
struct Block {
    reduce: Conv2d,
    grouped: Conv2d,
    norm: BatchNorm,
}

#[derive(Clone, Copy)]
struct BlockConfig {
    size: [usize; 2],
    /// Of the input, between the convolutions, and of the output.
    channels: [usize; 3],
    groups: usize,
    stride: usize,
    bias: bool,
    /// Whether the input is added.
    residual: bool,
}

impl Block {
    fn new(config: BlockConfig, device: &Device) -> Self {
        let [input, middle, output] = config.channels;
        Self {
            reduce: Conv2dConfig::new([input, middle], [1, 1]).init(device),
            grouped: Conv2dConfig::new([middle, output], [3, 3])
                .with_stride([config.stride; 2])
                .with_groups(config.groups)
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .with_bias(config.bias)
                .init(device),
            norm: BatchNormConfig::new(output).init(device),
        }
    }

    fn forward(&self, x: Tensor<4>, config: BlockConfig) -> Tensor<4> {
        let reduced = relu(self.reduce.forward(x.clone()));
        let y = self.norm.forward(self.grouped.forward(reduced));
        relu(if config.residual { y + x } else { y })
    }
}

/// Values of the parameter at a path; those of a variance are above 0.
fn parameter(path: &str, shape: &[usize]) -> Vec<f32> {
    let stream = Stream::new(1, path);
    let values = (0..shape.iter().product::<usize>()).map(|k| stream.symmetric(k as u64) as f32);
    match path.ends_with("running_var") {
        true => values.map(|value| 1.0 + 0.5 * value).collect(),
        false => values.collect(),
    }
}

/// The block's graph, rewritten.
fn compiled(config: BlockConfig, image: &Tensor<4>) -> Result<Graph, LowerError> {
    let device = Device::capture();
    let frame = Tensor::<1>::zeros([4], &Device::flex());
    let mut names = BTreeMap::new();
    let mut pyramid = Vec::new();
    let recorded = device.capture_scope(|scope| {
        let block = Block::new(config, &device);
        let image = image.clone().to_device(&device);
        let frame = frame.to_device(&device);
        let inputs = [image.clone().into_dispatch(), frame.into_dispatch()].map(id);
        let made = id(block.forward(image, config).into_dispatch());
        pyramid.push(made);
        parameters::for_each(&block, |parameter| {
            names.insert(id(parameter.tensor()), parameter.path.clone());
        });
        scope.complete(inputs, [made])
    });
    let mut graph = recorded.expect("the block can be captured").graph;
    // The map stands for all that a model gives back.
    graph.outputs = pyramid.repeat(5);
    let captured = CapturedModel {
        graph,
        parameters: names,
        pyramid,
    };
    lower(&captured).map(optimize)
}

/// Channels, height and width of a map as `[y][x][channel]`, channels rounded up to fours.
fn in_memory(values: &[f32], [channels, height, width]: [usize; 3]) -> Vec<u32> {
    let mut words = vec![0; height * width * quads(channels) * 4];
    for (index, value) in values.iter().enumerate() {
        let (channel, cell) = (index / (height * width), index % (height * width));
        words[cell * quads(channels) * 4 + channel] = value.to_bits();
    }
    words
}

/// What the plan's first step reads is `image`; the words of the pyramid's only level.
fn run(plan: &Plan, shapes: &BTreeMap<String, Vec<usize>>, image: &[u32]) -> Vec<u32> {
    let read = |path: &str| {
        let values = parameter(path, &shapes[path]);
        StoredTensor::whole(shapes[path].clone(), move || Ok(values.clone()))
    };
    let constant = |index: usize| -> Vec<u32> {
        let packed = pollster::block_on(pack(&plan.constants[index], &read, &async || {}));
        let packed = packed.expect("the values are made here");
        packed.into_iter().map(f32::to_bits).collect()
    };
    let mut arenas: Vec<Vec<u32>> = plan.arenas.iter().map(|bytes| vec![0; bytes / 4]).collect();
    let place = |range: &Range| range.offset / 4..(range.offset + range.size) / 4;
    let Binding::Arena(first) = plan.steps[0].bindings[0] else {
        panic!("a convolution reads a map first")
    };
    arenas[first.arena][place(&first)].copy_from_slice(image);
    for step in &plan.steps {
        let bound = step.bindings.iter().map(|binding| match binding {
            Binding::Constant(index) => constant(*index),
            Binding::Arena(range) => arenas[range.arena][place(range)].to_vec(),
            other => panic!("no convolution binds {other:?}"),
        });
        let mut bound: Vec<Vec<u32>> = bound.collect();
        twins::run(step.kernel, &step.params, step.groups, &mut bound);
        for (binding, words) in step.bindings.iter().zip(bound) {
            if let Binding::Arena(range) = binding {
                arenas[range.arena][place(range)].copy_from_slice(&words);
            }
        }
    }
    let level = plan.pyramid[0].range;
    arenas[level.arena][place(&level)].to_vec()
}

#[test]
fn grouped_convolutions_are_those_of_burn() {
    let plain = BlockConfig {
        size: [7, 9],
        channels: [3, 32, 64],
        groups: 8,
        stride: 2,
        bias: true,
        residual: false,
    };
    let adding = BlockConfig {
        size: [6, 5],
        channels: [16; 3],
        groups: 2,
        stride: 1,
        bias: false,
        residual: true,
    };
    for (config, epilogue) in [(plain, Epilogue::Bias), (adding, Epilogue::Residual)] {
        let device = Device::flex();
        let block = parameters::fill(Block::new(config, &device), |path, shape| {
            Ok::<_, Infallible>(parameter(path, shape))
        });
        let Ok(block) = block;
        let mut shapes = BTreeMap::new();
        parameters::for_each(&block, |parameter| {
            shapes.insert(parameter.path, parameter.shape);
        });
        let [height, width] = config.size;
        let shape = [config.channels[0], height, width];
        let values = parameter("image", &shape);
        let data = TensorData::new(values.clone(), [1, shape[0], height, width]);
        let image = Tensor::<4>::from_data(data, &device);

        let graph = compiled(config, &image).unwrap_or_else(|error| panic!("{error}"));
        let [_, grouped] = &graph.nodes[..] else {
            panic!("all is fused into the two convolutions: {:?}", graph.nodes)
        };
        let is_grouped = |op: &Op| match op {
            Op::Conv(conv) => matches!(conv.kind, ConvKind::Grouped(_, n) if n == config.groups),
            _ => false,
        };
        assert!(is_grouped(&grouped.op), "{:?}", grouped.op);
        let plan = without_selection(&graph, &Target::webgpu()).expect("it has kernels");
        assert_eq!(plan.steps[1].kernel, Kernel::Grouped(epilogue));

        let found = run(&plan, &shapes, &in_memory(&values, shape));
        let expected = block.forward(image, config);
        let [_, channels, height, width] = expected.dims();
        let expected: Vec<f32> = expected.to_data().try_to_vec().expect("f32");
        let expected = in_memory(&expected, [channels, height, width]);
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.into_iter().zip(expected) {
            let [found, expected] = [found, expected].map(f32::from_bits);
            assert!(
                (found - expected).abs() < 1e-5 * expected.abs().max(1.0),
                "{found} instead of {expected}"
            );
        }
    }
}

#[test]
fn groups_of_other_than_multiples_of_four_are_refused() {
    let config = BlockConfig {
        size: [4, 4],
        channels: [3, 12, 24],
        groups: 2,
        stride: 1,
        bias: false,
        residual: false,
    };
    let image = Tensor::<4>::zeros([1, 3, 4, 4], &Device::flex());
    let error = compiled(config, &image).unwrap_err().to_string();
    assert!(
        error.contains("of grouped.weight, which cannot be compiled: each of its 2 groups makes 12 channels of 6"),
        "{error}"
    );
}
