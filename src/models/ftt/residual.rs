//! The form of residual blocks.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::activation::{leaky_relu, relu};
use burn::tensor::{Device, Tensor};

use crate::models::Upsampling;
use crate::models::conv::ConvLayer;
use crate::models::fpn::add_upsampled;
use crate::ops::pixel_shuffle::pixel_shuffle;

/// Slope of the activations outside the residual blocks.
const SLOPE: f64 = 0.1;

/// Content and texture by residual blocks of 3×3 convolutions. The authors feed the levels before their output
/// convolutions and put a 3×3 behind; all forms are wired alike here.
#[derive(Module, Debug)]
pub struct ResidualFtt {
    content_extractor: ContentExtractor,
    sub_pixel: Conv2d,
    texture_extractor: TextureExtractor,
    tail1: Conv2d,
    tail2: Conv2d,
}

#[derive(Module, Debug)]
struct ContentExtractor {
    content_head: Conv2d,
    content_body: Vec<ResidualBlock>,
}

#[derive(Module, Debug)]
struct TextureExtractor {
    texture_head: Conv2d,
    texture_body: Vec<ResidualBlock>,
}

impl ResidualFtt {
    /// For a pyramid of so many channels a level, with unloaded weights.
    pub fn new(channels: usize, device: &Device) -> Self {
        // Channels of what is extracted.
        let wide = 2 * channels;
        let conv = |input, output| ConvLayer::new(input, output, 3).bias().init(device);
        let block = || ResidualBlock {
            conv1: conv(wide, wide),
            conv2: conv(wide, wide),
        };
        Self {
            content_extractor: ContentExtractor {
                content_head: conv(channels, wide),
                content_body: vec![block()],
            },
            sub_pixel: conv(wide, 4 * wide),
            texture_extractor: TextureExtractor {
                texture_head: conv(wide + channels, wide),
                texture_body: vec![block(), block()],
            },
            tail1: conv(wide, wide),
            tail2: conv(wide, channels),
        }
    }

    /// As [`Ftt::forward`](super::Ftt::forward).
    pub fn forward(&self, coarse: Tensor<4>, fine: Tensor<4>) -> Tensor<4> {
        let active = |conv: &Conv2d, x| leaky_relu(conv.forward(x), SLOPE);
        let ContentExtractor {
            content_head,
            content_body,
        } = &self.content_extractor;
        let head = active(content_head, coarse.clone());
        let content = head.clone() + through(content_body, head);
        let content = leaky_relu(pixel_shuffle(self.sub_pixel.forward(content), 2), SLOPE);
        let TextureExtractor {
            texture_head,
            texture_body,
        } = &self.texture_extractor;
        let both = Tensor::cat(vec![content.clone(), fine], 1);
        let texture = through(texture_body, active(texture_head, both));
        let fused = self.tail2.forward(active(&self.tail1, texture + content));
        add_upsampled(fused, coarse, Upsampling::Nearest)
    }
}

/// Two convolutions with a shortcut around them.
#[derive(Module, Debug)]
struct ResidualBlock {
    conv1: Conv2d,
    conv2: Conv2d,
}

impl ResidualBlock {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        relu(x.clone() + self.conv2.forward(relu(self.conv1.forward(x))))
    }
}

fn through(blocks: &[ResidualBlock], x: Tensor<4>) -> Tensor<4> {
    blocks.iter().fold(x, |x, block| block.forward(x))
}

/// A parameter's path as checkpoints spell it: most layers stand in Sequentials, which count activations too.
pub(super) fn key(path: &str) -> String {
    let parts: Vec<&str> = path.split('.').collect();
    match &parts[..] {
        ["tail1", leaf] => format!("tail.0.{leaf}"),
        ["tail2", leaf] => format!("tail.2.{leaf}"),
        ["sub_pixel", leaf] => format!("sub_pixel.0.{leaf}"),
        [part, head @ ("content_head" | "texture_head"), leaf] => format!("{part}.{head}.0.{leaf}"),
        [
            part,
            body @ ("content_body" | "texture_body"),
            block,
            layer,
            leaf,
        ] => {
            let index = match *layer {
                "conv1" => 0,
                _ => 2,
            };
            format!("{part}.{body}.{block}.conv_block.{index}.{leaf}")
        }
        _ => path.to_owned(),
    }
}
