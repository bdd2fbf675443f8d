//! NanoDet's heads: of each level a tower of separable convolutions for classes and boxes, the latter as
//! distributions (generalized focal loss, Li et al., 2020, <https://arxiv.org/abs/2006.04388>).

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::{Device, Tensor};

use crate::models::conv::ConvLayer;
use crate::models::mobilenet::Separable;

/// How far a side may be from a cell's point, in strides: 0 to one less than this.
pub(super) const BINS: usize = 8;

/// Channels of boxes: left, top, right, bottom.
pub(super) const BOX_CHANNELS: usize = 4 * BINS;

/// Convolutions of a tower.
const TOWER: usize = 2;

/// Nothing is shared between levels.
#[derive(Module, Debug)]
pub struct Head {
    cls_convs: Vec<Vec<Separable>>,
    gfl_cls: Vec<Conv2d>,
}

impl Head {
    /// For so many levels of `width` channels, with `kernel × kernel` filters; weights unloaded. `classes` are
    /// without the background.
    pub fn new(
        levels: usize,
        width: usize,
        kernel: usize,
        classes: usize,
        eps: f64,
        device: &Device,
    ) -> Self {
        let tower = || (0..TOWER).map(|_| Separable::new([width, width], kernel, 1, eps, device));
        let last = |_| {
            ConvLayer::new(width, classes + BOX_CHANNELS, 1)
                .bias()
                .init(device)
        };
        Self {
            cls_convs: (0..levels).map(|_| tower().collect()).collect(),
            gfl_cls: (0..levels).map(last).collect(),
        }
    }

    /// A map a level → its logits, those of classes before those of boxes: `[N, classes + 32, h, w]` each.
    pub fn forward(&self, levels: &[Tensor<4>]) -> Vec<Tensor<4>> {
        let towers = self.cls_convs.iter().zip(&self.gfl_cls);
        let run = |((tower, last), map): ((&Vec<Separable>, &Conv2d), &Tensor<4>)| {
            let map = tower.iter().fold(map.clone(), |x, conv| conv.forward(x));
            last.forward(map)
        };
        towers.zip(levels).map(run).collect()
    }
}

/// The key of a parameter by its path in the head.
pub(super) fn key(path: &str) -> String {
    match path.split('.').collect::<Vec<_>>()[..] {
        ["cls_convs", level, index, conv, layer, leaf] => {
            let rest = super::separable_key(conv, layer, leaf);
            format!("cls_convs.{level}.{index}.{rest}")
        }
        _ => path.to_owned(),
    }
}
