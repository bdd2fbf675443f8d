//! An MLP mixer of two layers: perceptrons over the patches, and over their features.

use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use crate::case::Case;
use crate::layers::Mlp;

const PATCHES: usize = 15;
const FEATURES: usize = 28;

#[derive(Module, Debug)]
struct Layer {
    norm1: LayerNorm,
    patches: Mlp,
    norm2: LayerNorm,
    features: Mlp,
}

impl Layer {
    fn new(device: &Device) -> Self {
        Self {
            norm1: LayerNormConfig::new(FEATURES).init(device),
            patches: Mlp::new(PATCHES, 32, device),
            norm2: LayerNormConfig::new(FEATURES).init(device),
            features: Mlp::new(FEATURES, 64, device),
        }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let across = self.norm1.forward(x.clone()).swap_dims(1, 2);
        let x = x + self.patches.forward(across).swap_dims(1, 2);
        x.clone() + self.features.forward(self.norm2.forward(x))
    }
}

#[derive(Module, Debug)]
struct Mixer {
    layers: Vec<Layer>,
    head: Linear,
}

#[test]
fn mixer() {
    Case {
        name: "mixer",
        init: |device| Mixer {
            layers: vec![Layer::new(device), Layer::new(device)],
            head: LinearConfig::new(FEATURES, 6).init(device),
        },
        forward: |module, io| {
            let x = io.input::<3>("patches")?;
            let x = module.layers.iter().fold(x, |x, layer| layer.forward(x));
            io.output("classes", module.head.forward(x.mean_dim(1)))
        },
        inputs: &[("patches", &[3, PATCHES, FEATURES])],
    }
    .check();
}
