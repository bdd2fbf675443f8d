//! MobileNetV3-Large without its classifier (Howard et al., 2019, <https://arxiv.org/abs/1905.02244>), as
//! torchvision's `mobilenet_v3_large` and its `mobilenet_backbone`.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::activation::{hard_sigmoid, relu};
use burn::tensor::{Device, Tensor};

use super::conv::{ConvLayer, ConvNorm, index_in_sequence};

/// Channels of the two maps.
pub const CHANNELS: [usize; 2] = [160, 960];

/// Pixels of the input between the cells of the two maps: the last stage is as wide as the one before.
pub const STRIDES: [usize; 2] = [32, 32];

/// An inverted residual block.
#[derive(Clone, Copy)]
struct BlockShape {
    kernel: usize,
    expanded: usize,
    output: usize,
    /// Channels that all others are scaled by, where they are.
    squeezed: Option<usize>,
    /// Whether its activation is the hard swish, or ReLU.
    is_hard: bool,
    stride: usize,
}

const fn block(
    kernel: usize,
    expanded: usize,
    output: usize,
    squeezed: Option<usize>,
    is_hard: bool,
    stride: usize,
) -> BlockShape {
    BlockShape {
        kernel,
        expanded,
        output,
        squeezed,
        is_hard,
        stride,
    }
}

/// Channels of the stem.
const STEM: usize = 16;

/// Table 1 of the paper.
const BLOCKS: [BlockShape; 15] = [
    block(3, 16, 16, None, false, 1),
    block(3, 64, 24, None, false, 2),
    block(3, 72, 24, None, false, 1),
    block(5, 72, 40, Some(24), false, 2),
    block(5, 120, 40, Some(32), false, 1),
    block(5, 120, 40, Some(32), false, 1),
    block(3, 240, 80, None, true, 2),
    block(3, 200, 80, None, true, 1),
    block(3, 184, 80, None, true, 1),
    block(3, 184, 80, None, true, 1),
    block(3, 480, 112, Some(120), true, 1),
    block(3, 672, 112, Some(168), true, 1),
    block(5, 672, 160, Some(168), true, 2),
    block(5, 960, 160, Some(240), true, 1),
    block(5, 960, 160, Some(240), true, 1),
];

/// The first map is that behind this block, 0 the first.
const FIRST_MAP: usize = 12;

impl BlockShape {
    /// Whether it takes in fewer channels than it filters.
    fn expands(self, input: usize) -> bool {
        self.expanded != input
    }
}

/// Channels that a block takes in.
fn input_of(index: usize) -> usize {
    match index {
        0 => STEM,
        _ => BLOCKS[index - 1].output,
    }
}

/// Stem, blocks, and the last 1×1.
#[derive(Module, Debug)]
pub struct MobileNetV3 {
    stem: ConvNorm,
    blocks: Vec<InvertedResidual>,
    last: ConvNorm,
}

impl MobileNetV3 {
    /// The network with unloaded weights; `eps` is that of every batch norm.
    pub fn new(eps: f64, device: &Device) -> Self {
        let blocks = BLOCKS.iter().enumerate();
        let [_, last] = CHANNELS;
        Self {
            stem: ConvLayer::new(3, STEM, 3).stride(2).norm(eps, device),
            blocks: blocks
                .map(|(index, shape)| InvertedResidual::new(*shape, input_of(index), eps, device))
                .collect(),
            last: ConvLayer::new(BLOCKS[BLOCKS.len() - 1].output, last, 1).norm(eps, device),
        }
    }

    /// `[1, 3, H, W]` → the two maps, both at stride 32.
    pub fn forward(&self, image: Tensor<4>) -> Vec<Tensor<4>> {
        let mut x = hard_swish(self.stem.forward(image));
        let mut maps = Vec::new();
        for (index, block) in self.blocks.iter().enumerate() {
            x = block.forward(x);
            if index == FIRST_MAP {
                maps.push(x.clone());
            }
        }
        maps.push(hard_swish(self.last.forward(x)));
        maps
    }
}

/// Expanded, filtered channel by channel, scaled, and projected.
#[derive(Module, Debug)]
pub struct InvertedResidual {
    expand: Option<ConvNorm>,
    depthwise: ConvNorm,
    excite: Option<SqueezeExcite>,
    project: ConvNorm,
    is_hard: bool,
    is_residual: bool,
}

impl InvertedResidual {
    fn new(shape: BlockShape, input: usize, eps: f64, device: &Device) -> Self {
        let BlockShape {
            kernel,
            expanded,
            output,
            squeezed,
            stride,
            ..
        } = shape;
        let expand = shape
            .expands(input)
            .then(|| ConvLayer::new(input, expanded, 1).norm(eps, device));
        Self {
            expand,
            depthwise: ConvLayer::new(expanded, expanded, kernel)
                .depthwise()
                .stride(stride)
                .norm(eps, device),
            excite: squeezed.map(|squeezed| SqueezeExcite::new(expanded, squeezed, device)),
            project: ConvLayer::new(expanded, output, 1).norm(eps, device),
            is_hard: shape.is_hard,
            is_residual: stride == 1 && input == output,
        }
    }

    fn activate(&self, x: Tensor<4>) -> Tensor<4> {
        match self.is_hard {
            true => hard_swish(x),
            false => relu(x),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = match &self.expand {
            Some(expand) => self.activate(expand.forward(x.clone())),
            None => x.clone(),
        };
        let y = self.activate(self.depthwise.forward(y));
        let y = match &self.excite {
            Some(excite) => excite.forward(y),
            None => y,
        };
        let y = self.project.forward(y);
        match self.is_residual {
            true => y + x,
            false => y,
        }
    }
}

/// Each channel scaled by what the channels' means over the map come to (Hu et al., 2017,
/// <https://arxiv.org/abs/1709.01507>).
#[derive(Module, Debug)]
pub struct SqueezeExcite {
    fc1: Conv2d,
    fc2: Conv2d,
}

impl SqueezeExcite {
    fn new(channels: usize, squeezed: usize, device: &Device) -> Self {
        let conv = |input, output| ConvLayer::new(input, output, 1).bias().init(device);
        Self {
            fc1: conv(channels, squeezed),
            fc2: conv(squeezed, channels),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let mean = x.clone().mean_dim(3).mean_dim(2);
        let share = self.fc2.forward(relu(self.fc1.forward(mean)));
        x * hard_sigmoid(share, 1.0 / 6.0, 0.5)
    }
}

/// `x · min(max(x + 3, 0), 6) / 6`.
fn hard_swish(x: Tensor<4>) -> Tensor<4> {
    x.clone() * hard_sigmoid(x, 1.0 / 6.0, 0.5)
}

/// The key in torchvision's checkpoints, below the network's own, of the parameter at a path.
pub(super) fn key(path: &[&str]) -> String {
    match path {
        ["stem", layer, leaf] => format!("0.{}.{leaf}", index_in_sequence(layer)),
        ["last", layer, leaf] => {
            format!("{}.{}.{leaf}", BLOCKS.len() + 1, index_in_sequence(layer))
        }
        ["blocks", index, part, rest @ ..] => {
            let index: usize = index.parse().expect("blocks are numbered");
            let shape = BLOCKS[index];
            let expands = usize::from(shape.expands(input_of(index)));
            let excites = usize::from(shape.squeezed.is_some());
            let place = match *part {
                "expand" => 0,
                "depthwise" => expands,
                "excite" => expands + 1,
                _ => expands + 1 + excites,
            };
            let rest = match rest {
                [layer @ ("conv" | "norm"), leaf] => {
                    format!("{}.{leaf}", index_in_sequence(layer))
                }
                _ => rest.join("."),
            };
            format!("{}.block.{place}.{rest}", index + 1)
        }
        _ => path.join("."),
    }
}
