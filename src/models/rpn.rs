//! The region proposal network's head (Ren et al., 2015, <https://arxiv.org/abs/1506.01497>).

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

use super::conv::ConvLayer;

/// One 3×3 convolution and two 1×1, shared by all levels.
#[derive(Module, Debug)]
pub struct RpnHead {
    conv: Conv2d,
    cls_logits: Conv2d,
    bbox_pred: Conv2d,
}

impl RpnHead {
    /// A head for maps of `channels` with `anchors` a location; weights unloaded.
    pub fn new(channels: usize, anchors: usize, device: &Device) -> Self {
        Self {
            conv: ConvLayer::new(channels, channels, 3).bias().init(device),
            cls_logits: ConvLayer::new(channels, anchors, 1).bias().init(device),
            bbox_pred: ConvLayer::new(channels, 4 * anchors, 1).bias().init(device),
        }
    }

    /// One level `[1, C, H, W]` → objectness logits `[1, A, H, W]` and deltas `[1, 4A, H, W]`
    /// (dx, dy, dw, dh of anchor 0, then of anchor 1, …).
    pub fn forward(&self, level: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let x = relu(self.conv.forward(level));
        (
            self.cls_logits.forward(x.clone()),
            self.bbox_pred.forward(x),
        )
    }
}
