//! The form of 1×1 convolutions.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

use crate::models::conv::ConvLayer;
use crate::ops::pixel_shuffle::pixel_shuffle;

/// How often the extractors' convolutions are used.
const TIMES: usize = 3;

/// Content and texture by 1×1 convolutions.
#[derive(Module, Debug)]
pub struct Conv1x1Ftt {
    channel_scaler: Conv2d,
    content_extractor: ContentExtractor,
    texture_extractor: TextureExtractor,
}

#[derive(Module, Debug)]
struct ContentExtractor {
    conv1: Conv2d,
    conv2: Conv2d,
}

#[derive(Module, Debug)]
struct TextureExtractor {
    conv1: Conv2d,
    conv2: Conv2d,
    conv3: Conv2d,
}

impl Conv1x1Ftt {
    /// For a pyramid of so many channels a level, with unloaded weights.
    pub fn new(channels: usize, device: &Device) -> Self {
        let conv = |input, output| ConvLayer::new(input, output, 1).init(device);
        let (four, two) = (4 * channels, 2 * channels);
        Self {
            channel_scaler: conv(channels, four),
            content_extractor: ContentExtractor {
                conv1: conv(four, four),
                conv2: conv(four, four),
            },
            texture_extractor: TextureExtractor {
                conv1: conv(two, two),
                conv2: conv(two, two),
                conv3: conv(two, channels),
            },
        }
    }

    /// As [`Ftt::forward`](super::Ftt::forward).
    pub fn forward(&self, coarse: Tensor<4>, fine: Tensor<4>) -> Tensor<4> {
        let ContentExtractor { conv1, conv2 } = &self.content_extractor;
        let content = extract([conv1, conv2], self.channel_scaler.forward(coarse));
        let content = pixel_shuffle(content, 2);
        let TextureExtractor {
            conv1,
            conv2,
            conv3,
        } = &self.texture_extractor;
        let both = Tensor::cat(vec![content.clone(), fine], 1);
        let texture = relu(conv3.forward(extract([conv1, conv2], both)));
        content + texture
    }
}

/// The two convolutions over and over.
fn extract([conv1, conv2]: [&Conv2d; 2], x: Tensor<4>) -> Tensor<4> {
    (0..TIMES).fold(x, |x, _| relu(conv2.forward(relu(conv1.forward(x)))))
}
