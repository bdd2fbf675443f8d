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
    /// A head of `hidden` channels for maps of `input`, with `anchors` a location and `logits` an anchor;
    /// weights unloaded.
    pub fn new(
        [input, hidden]: [usize; 2],
        anchors: usize,
        logits: usize,
        device: &Device,
    ) -> Self {
        let values = |channels| ConvLayer::new(hidden, channels, 1).bias().init(device);
        Self {
            conv: ConvLayer::new(input, hidden, 3).bias().init(device),
            cls_logits: values(logits * anchors),
            bbox_pred: values(4 * anchors),
        }
    }

    /// One level `[1, C, H, W]` → logits `[1, L · A, H, W]` and deltas `[1, 4A, H, W]` (dx, dy, dw, dh
    /// of anchor 0, then of anchor 1, …).
    pub fn forward(&self, level: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let x = relu(self.conv.forward(level));
        (
            self.cls_logits.forward(x.clone()),
            self.bbox_pred.forward(x),
        )
    }
}
