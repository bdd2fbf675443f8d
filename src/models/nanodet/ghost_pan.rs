//! NanoDet-Plus's pyramid: down and up again, as PANet (Liu et al., 2018, <https://arxiv.org/abs/1803.01534>),
//! where maps are joined by GhostNet's bottlenecks (Han et al., 2020, <https://arxiv.org/abs/1911.11907>), and
//! one level more.

use burn::module::Module;
use burn::tensor::activation::leaky_relu;
use burn::tensor::{Device, Tensor};

use super::SLOPE;
use crate::models::Upsampling;
use crate::models::conv::{ConvLayer, ConvNorm, index_in_sequence};
use crate::models::fpn::resized_like;
use crate::models::mobilenet::Separable;

/// Four levels of the same width.
#[derive(Module, Debug)]
pub struct GhostPan {
    reduce_layers: Vec<ConvNorm>,
    top_down_blocks: Vec<GhostBottleneck>,
    downsamples: Vec<Separable>,
    bottom_up_blocks: Vec<GhostBottleneck>,
    extra_lvl_in_conv: Separable,
    extra_lvl_out_conv: Separable,
}

impl GhostPan {
    /// A pyramid of `width` channels a level over maps with `channels`, finest first; weights unloaded.
    pub fn new(channels: [usize; 3], width: usize, eps: f64, device: &Device) -> Self {
        let blocks = || (0..2).map(|_| GhostBottleneck::new(2 * width, width, eps, device));
        let downsample = || Separable::new([width, width], 5, 2, eps, device);
        Self {
            reduce_layers: channels
                .map(|input| ConvLayer::new(input, width, 1).norm(eps, device))
                .to_vec(),
            top_down_blocks: blocks().collect(),
            downsamples: (0..2).map(|_| downsample()).collect(),
            bottom_up_blocks: blocks().collect(),
            extra_lvl_in_conv: downsample(),
            extra_lvl_out_conv: downsample(),
        }
    }

    /// C3, C4, C5, each half of the one before → P3, P4, P5, P6 `[N, width, h, w]`.
    pub fn forward(&self, features: [Tensor<4>; 3]) -> [Tensor<4>; 4] {
        let mut reductions = self.reduce_layers.iter();
        let [r3, r4, r5] = features.map(|map| {
            let reduction = reductions.next().expect("there is one a map");
            leaky_relu(reduction.forward(map), SLOPE)
        });
        let join = |block: &GhostBottleneck, first, second| {
            block.forward(Tensor::cat(vec![first, second], 1))
        };
        let (down, up) = (&self.top_down_blocks, &self.bottom_up_blocks);
        let coarse = resized_like(&r4, r5.clone(), Upsampling::Bilinear);
        let t4 = join(&down[0], coarse, r4);
        let coarse = resized_like(&r3, t4.clone(), Upsampling::Bilinear);
        let p3 = join(&down[1], coarse, r3);
        let p4 = join(&up[0], self.downsamples[0].forward(p3.clone()), t4);
        let p5 = join(&up[1], self.downsamples[1].forward(p4.clone()), r5.clone());
        let p6 = self.extra_lvl_in_conv.forward(r5) + self.extra_lvl_out_conv.forward(p5.clone());
        [p3, p4, p5, p6]
    }
}

/// Two ghost modules beside a shortcut of convolutions; nothing is active behind the sum.
#[derive(Module, Debug)]
struct GhostBottleneck {
    ghost1: Ghost,
    ghost2: Ghost,
    shortcut: Shortcut,
}

impl GhostBottleneck {
    fn new(input: usize, output: usize, eps: f64, device: &Device) -> Self {
        Self {
            ghost1: Ghost::new(input, output, eps, device),
            ghost2: Ghost::new(output, output, eps, device),
            shortcut: Shortcut {
                depthwise: ConvLayer::new(input, input, 5)
                    .depthwise()
                    .norm(eps, device),
                pointwise: ConvLayer::new(input, output, 1).norm(eps, device),
            },
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let made = self.ghost1.forward(x.clone(), |map| leaky_relu(map, SLOPE));
        self.ghost2.forward(made, |map| map) + self.shortcut.forward(x)
    }
}

/// Half of its channels are made of all of the input's, the others by a filter each from one of those.
#[derive(Module, Debug)]
struct Ghost {
    primary_conv: ConvNorm,
    cheap_operation: ConvNorm,
}

impl Ghost {
    fn new(input: usize, output: usize, eps: f64, device: &Device) -> Self {
        let half = output / 2;
        Self {
            primary_conv: ConvLayer::new(input, half, 1).norm(eps, device),
            cheap_operation: ConvLayer::new(half, half, 3).depthwise().norm(eps, device),
        }
    }

    fn forward(&self, x: Tensor<4>, activation: fn(Tensor<4>) -> Tensor<4>) -> Tensor<4> {
        let primary = activation(self.primary_conv.forward(x));
        let ghosts = activation(self.cheap_operation.forward(primary.clone()));
        Tensor::cat(vec![primary, ghosts], 1)
    }
}

/// A separable convolution without activations.
#[derive(Module, Debug)]
struct Shortcut {
    depthwise: ConvNorm,
    pointwise: ConvNorm,
}

impl Shortcut {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.pointwise.forward(self.depthwise.forward(x))
    }
}

/// The key of a parameter by its path in the pyramid.
pub(super) fn key(path: &str) -> String {
    let parts: Vec<&str> = path.split('.').collect();
    match parts[..] {
        ["reduce_layers", level, layer, leaf] => {
            let layer = if layer == "norm" { "bn" } else { layer };
            format!("reduce_layers.{level}.{layer}.{leaf}")
        }
        [blocks, index, "shortcut", conv, layer, leaf] => {
            let first = if conv == "depthwise" { 0 } else { 2 };
            let place = first + index_in_sequence(layer);
            format!("{blocks}.{index}.blocks.0.shortcut.{place}.{leaf}")
        }
        [
            blocks,
            index,
            ghost @ ("ghost1" | "ghost2"),
            part,
            layer,
            leaf,
        ] => {
            let place = index_in_sequence(layer);
            format!("{blocks}.{index}.blocks.0.{ghost}.{part}.{place}.{leaf}")
        }
        [extra, conv, layer, leaf] => {
            format!("{extra}.0.{}", super::separable_key(conv, layer, leaf))
        }
        ["downsamples", index, conv, layer, leaf] => {
            let rest = super::separable_key(conv, layer, leaf);
            format!("downsamples.{index}.{rest}")
        }
        _ => path.to_owned(),
    }
}
