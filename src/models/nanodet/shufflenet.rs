//! ShuffleNetV2 (Ma et al., 2018, <https://arxiv.org/abs/1807.11164>) without its last convolution and its
//! classifier, with leaky ReLUs.

use burn::module::Module;
use burn::nn::PaddingConfig2d;
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::tensor::activation::leaky_relu;
use burn::tensor::{Device, Tensor};

use super::SLOPE;
use crate::models::conv::{ConvLayer, ConvNorm, index_in_sequence};

/// Channels behind the stem, whatever the network's width.
const STEM_CHANNELS: usize = 24;

/// Units of the three stages.
const UNITS: [usize; 3] = [4, 8, 4];

/// A stem and three stages, with outputs at strides 8, 16 and 32.
#[derive(Module, Debug)]
pub struct ShuffleNet {
    conv1: ConvNorm,
    maxpool: MaxPool2d,
    stage2: Vec<Unit>,
    stage3: Vec<Unit>,
    stage4: Vec<Unit>,
}

impl ShuffleNet {
    /// Of stages with so many channels, weights unloaded; `eps` is that of every batch norm.
    pub fn new(channels: [usize; 3], eps: f64, device: &Device) -> Self {
        let stage = |index: usize| -> Vec<Unit> {
            let input = match index {
                0 => STEM_CHANNELS,
                _ => channels[index - 1],
            };
            let first = Unit::downsampling(input, channels[index], eps, device);
            let rest = (1..UNITS[index]).map(|_| Unit::keeping(channels[index], eps, device));
            [first].into_iter().chain(rest).collect()
        };
        Self {
            conv1: ConvLayer::new(3, STEM_CHANNELS, 3)
                .stride(2)
                .norm(eps, device),
            maxpool: MaxPool2dConfig::new([3, 3])
                .with_strides([2, 2])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init(),
            stage2: stage(0),
            stage3: stage(1),
            stage4: stage(2),
        }
    }

    /// `[N, 3, H, W]` → the three stages' outputs, finest first.
    pub fn forward(&self, image: Tensor<4>) -> [Tensor<4>; 3] {
        let x = leaky_relu(self.conv1.forward(image), SLOPE);
        let c3 = run(&self.stage2, self.maxpool.forward(x));
        let c4 = run(&self.stage3, c3.clone());
        let c5 = run(&self.stage4, c4.clone());
        [c3, c4, c5]
    }
}

/// The units of a stage, one after the other: each sees what its forerunner made, shuffled.
fn run(stage: &[Unit], x: Tensor<4>) -> Tensor<4> {
    let (first, rest) = stage.split_first().expect("a stage has units");
    // Both branches of the first see all channels, of the others half of them.
    let made = first.forward([x.clone(), x]);
    let made = rest.iter().fold(made, |[a, b], unit| {
        let [_, channels, _, _] = a.dims();
        let half = channels / 2;
        unit.forward(
            [0, half]
                .map(|from| by_turns([a.clone(), b.clone()].map(|map| map.narrow(1, from, half)))),
        )
    });
    by_turns(made)
}

/// The channels of two maps `[N, C, H, W]` by turns, `[N, 2C, H, W]`: a shuffle of two groups.
fn by_turns(maps: [Tensor<4>; 2]) -> Tensor<4> {
    let [items, channels, height, width] = maps[0].dims();
    let pairs = Tensor::stack::<5>(maps.to_vec(), 2);
    pairs.reshape([items, 2 * channels, height, width])
}

/// Two branches, each of half of the channels.
#[derive(Module, Debug)]
struct Unit {
    /// Of a unit that halves the map; any other passes these channels on as they are.
    branch1: Option<Shortcut>,
    branch2: Branch,
}

impl Unit {
    fn downsampling(input: usize, output: usize, eps: f64, device: &Device) -> Self {
        let half = output / 2;
        Self {
            branch1: Some(Shortcut {
                depthwise: depthwise(input, 2, eps, device),
                pointwise: ConvLayer::new(input, half, 1).norm(eps, device),
            }),
            branch2: Branch::new([input, half], 2, eps, device),
        }
    }

    fn keeping(channels: usize, eps: f64, device: &Device) -> Self {
        let half = channels / 2;
        Self {
            branch1: None,
            branch2: Branch::new([half, half], 1, eps, device),
        }
    }

    /// What each branch makes of its input.
    fn forward(&self, [first, second]: [Tensor<4>; 2]) -> [Tensor<4>; 2] {
        let first = match &self.branch1 {
            Some(branch) => branch.forward(first),
            None => first,
        };
        [first, self.branch2.forward(second)]
    }
}

fn depthwise(channels: usize, stride: usize, eps: f64, device: &Device) -> ConvNorm {
    ConvLayer::new(channels, channels, 3)
        .depthwise()
        .stride(stride)
        .norm(eps, device)
}

/// The branch with two convolutions.
#[derive(Module, Debug)]
struct Shortcut {
    depthwise: ConvNorm,
    pointwise: ConvNorm,
}

impl Shortcut {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.depthwise.forward(x);
        leaky_relu(self.pointwise.forward(x), SLOPE)
    }
}

/// The branch with three.
#[derive(Module, Debug)]
struct Branch {
    before: ConvNorm,
    depthwise: ConvNorm,
    after: ConvNorm,
}

impl Branch {
    fn new([input, output]: [usize; 2], stride: usize, eps: f64, device: &Device) -> Self {
        Self {
            before: ConvLayer::new(input, output, 1).norm(eps, device),
            depthwise: depthwise(output, stride, eps, device),
            after: ConvLayer::new(output, output, 1).norm(eps, device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = leaky_relu(self.before.forward(x), SLOPE);
        // No activation behind this one.
        let x = self.depthwise.forward(x);
        leaky_relu(self.after.forward(x), SLOPE)
    }
}

/// The key of a parameter by its path in the network: a branch is a sequence, in which activations count too.
pub(super) fn key(path: &str) -> String {
    let parts: Vec<&str> = path.split('.').collect();
    let (module, conv, layer, leaf) = match parts[..] {
        [conv1, layer, leaf] => (conv1.to_owned(), 0, layer, leaf),
        [stage, unit, branch, conv, layer, leaf] => {
            let first = match (branch, conv) {
                ("branch1", "depthwise") | ("branch2", "before") => 0,
                ("branch1", _) => 2,
                ("branch2", "depthwise") => 3,
                _ => 5,
            };
            (format!("{stage}.{unit}.{branch}"), first, layer, leaf)
        }
        _ => return path.to_owned(),
    };
    let index = conv + index_in_sequence(layer);
    format!("{module}.{index}.{leaf}")
}
