//! The region proposal network's head (Ren et al., 2015, <https://arxiv.org/abs/1506.01497>).

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

use super::conv::ConvLayer;

/// A 3×3 convolution, more of them where it is deeper, and two 1×1, shared by all levels.
#[derive(Module, Debug)]
pub struct RpnHead {
    conv: Conv2d,
    deeper: Vec<Conv2d>,
    cls_logits: Conv2d,
    bbox_pred: Conv2d,
}

impl RpnHead {
    /// A head of `depth` 3×3 convolutions, 1 at least, of `hidden` channels for maps of `input`, with `anchors` a
    /// location and `logits` an anchor; weights unloaded.
    pub fn new(
        [input, hidden]: [usize; 2],
        depth: usize,
        [anchors, logits]: [usize; 2],
        device: &Device,
    ) -> Self {
        let conv = |input| ConvLayer::new(input, hidden, 3).bias().init(device);
        let values = |channels| ConvLayer::new(hidden, channels, 1).bias().init(device);
        Self {
            conv: conv(input),
            deeper: (1..depth).map(|_| conv(hidden)).collect(),
            cls_logits: values(logits * anchors),
            bbox_pred: values(4 * anchors),
        }
    }

    /// One level `[1, C, H, W]` → logits `[1, L · A, H, W]` and deltas `[1, 4A, H, W]` (dx, dy, dw, dh
    /// of anchor 0, then of anchor 1, …).
    pub fn forward(&self, level: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let x = relu(self.conv.forward(level));
        let x = self.deeper.iter().fold(x, |x, conv| relu(conv.forward(x)));
        (
            self.cls_logits.forward(x.clone()),
            self.bbox_pred.forward(x),
        )
    }
}

/// The key in torchvision's newer layout, below the head's own, of the parameter at a path of a deeper head.
pub(super) fn deeper_key(path: &[&str]) -> String {
    match path {
        ["conv", leaf] => format!("conv.0.0.{leaf}"),
        ["deeper", index, leaf] => {
            let index: usize = index.parse().expect("convolutions are numbered");
            format!("conv.{}.0.{leaf}", index + 1)
        }
        _ => path.join("."),
    }
}
