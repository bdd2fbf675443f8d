//! MobileNetV3's blocks: inverted bottlenecks with squeeze and excitation.

use std::sync::Arc;

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::activation::{hard_sigmoid, hard_swish, relu};
use burn::tensor::module::adaptive_avg_pool2d;
use burn::tensor::{Device, Tensor};

use super::Case;
use super::layers::{ConvNorm, same};

/// Each channel scaled by what all of the map is.
#[derive(Module, Debug)]
struct SqueezeExcite {
    fc1: Conv2d,
    fc2: Conv2d,
}

impl SqueezeExcite {
    fn new(channels: usize, squeezed: usize, device: &Device) -> Self {
        Self {
            fc1: same([channels, squeezed], 1).init(device),
            fc2: same([squeezed, channels], 1).init(device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let mean = adaptive_avg_pool2d(x.clone(), [1, 1]);
        let scale = self.fc2.forward(relu(self.fc1.forward(mean)));
        x * hard_sigmoid(scale, 1.0 / 6.0, 0.5)
    }
}

#[derive(Module, Debug)]
struct Block {
    expand: ConvNorm,
    depthwise: ConvNorm,
    excite: Option<SqueezeExcite>,
    project: ConvNorm,
    swishes: bool,
    is_residual: bool,
}

/// What a block is.
struct Shape {
    channels: [usize; 2],
    expanded: usize,
    kernel: usize,
    stride: usize,
    /// Channels of the squeezed map, where it has one.
    squeezed: Option<usize>,
    /// Whether it is of hard swish, not of ReLU.
    swishes: bool,
}

impl Block {
    fn new(shape: Shape, device: &Device) -> Self {
        let (expanded, [before, after]) = (shape.expanded, shape.channels);
        let excite = shape.squeezed;
        Self {
            expand: ConvNorm::new([before, expanded], 1, 1, device),
            depthwise: ConvNorm::depthwise(expanded, shape.kernel, shape.stride, device),
            excite: excite.map(|squeezed| SqueezeExcite::new(expanded, squeezed, device)),
            project: ConvNorm::new([expanded, after], 1, 1, device),
            swishes: shape.swishes,
            is_residual: shape.stride == 1 && before == after,
        }
    }

    fn activate(&self, x: Tensor<4>) -> Tensor<4> {
        match self.swishes {
            true => hard_swish(x),
            false => relu(x),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let made = self.activate(self.expand.forward(x.clone()));
        let made = self.activate(self.depthwise.forward(made));
        let made = match &self.excite {
            Some(excite) => excite.forward(made),
            None => made,
        };
        let made = self.project.forward(made);
        match self.is_residual {
            true => made + x,
            false => made,
        }
    }
}

#[derive(Module, Debug)]
pub struct MobileNet {
    stem: ConvNorm,
    blocks: Vec<Block>,
}

impl MobileNet {
    fn new(device: &Device) -> Self {
        let shapes = [
            Shape {
                channels: [16, 24],
                expanded: 72,
                kernel: 3,
                stride: 2,
                squeezed: None,
                swishes: false,
            },
            Shape {
                channels: [24, 40],
                expanded: 72,
                kernel: 5,
                stride: 2,
                squeezed: Some(24),
                swishes: false,
            },
            Shape {
                channels: [40, 40],
                expanded: 120,
                kernel: 5,
                stride: 1,
                squeezed: Some(32),
                swishes: true,
            },
        ];
        let blocks = shapes.map(|shape| Block::new(shape, device));
        Self {
            stem: ConvNorm::new([3, 16], 3, 2, device),
            blocks: blocks.to_vec(),
        }
    }

    fn forward(&self, image: Tensor<4>) -> Tensor<4> {
        let x = hard_swish(self.stem.forward(image));
        self.blocks.iter().fold(x, |x, block| block.forward(x))
    }
}

/// Of pictures `[N, 3, H, W]`.
pub fn case(image: [usize; 4]) -> Case<MobileNet> {
    Case {
        name: "MobileNetV3",
        init: Arc::new(MobileNet::new),
        forward: |module, io| {
            let image = io.input("image")?;
            io.output("map", module.forward(image))
        },
        inputs: vec![("image", image.to_vec())],
    }
}
