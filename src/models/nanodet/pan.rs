//! NanoDet-m's pyramid: down and up again, as PANet (Liu et al., 2018, <https://arxiv.org/abs/1803.01534>), by
//! bilinear sums alone.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::{Device, Tensor};

use crate::models::Upsampling;
use crate::models::conv::ConvLayer;
use crate::models::fpn::{add_upsampled, resized_like};

/// Lateral 1×1 convolutions of three levels.
#[derive(Module, Debug)]
pub struct Pan {
    lateral_convs: Vec<Conv2d>,
}

impl Pan {
    /// A pyramid of `width` channels a level over maps with `channels`, finest first; weights unloaded.
    pub fn new(channels: [usize; 3], width: usize, device: &Device) -> Self {
        let lateral = |input| ConvLayer::new(input, width, 1).bias().init(device);
        Self {
            lateral_convs: channels.map(lateral).to_vec(),
        }
    }

    /// C3, C4, C5, each half of the one before → P3, P4, P5 `[N, width, h, w]`.
    pub fn forward(&self, features: [Tensor<4>; 3]) -> [Tensor<4>; 3] {
        let mut laterals = self.lateral_convs.iter();
        let [l3, l4, l5] = features.map(|map| {
            let lateral = laterals.next().expect("there is one a map");
            lateral.forward(map)
        });
        let l4 = add_upsampled(l4, l5.clone(), Upsampling::Bilinear);
        let p3 = add_upsampled(l3, l4.clone(), Upsampling::Bilinear);
        // Between four cells of a map twice as wide and high is their mean.
        let add_halved = |coarse: Tensor<4>, fine: &Tensor<4>| {
            let halved = resized_like(&coarse, fine.clone(), Upsampling::Bilinear);
            coarse + halved
        };
        let p4 = add_halved(l4, &p3);
        let p5 = add_halved(l5, &p4);
        [p3, p4, p5]
    }
}

/// The key of a parameter by its path in the pyramid.
pub(super) fn key(path: &str) -> String {
    match path.split('.').collect::<Vec<_>>()[..] {
        ["lateral_convs", level, leaf] => format!("lateral_convs.{level}.conv.{leaf}"),
        _ => path.to_owned(),
    }
}
