//! An MLP mixer of two layers: perceptrons over the patches, and over their features.

use std::sync::Arc;

use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use super::Case;
use super::layers::Mlp;

#[derive(Module, Debug)]
struct Layer {
    norm1: LayerNorm,
    patches: Mlp,
    norm2: LayerNorm,
    features: Mlp,
}

impl Layer {
    fn new(patches: usize, features: usize, device: &Device) -> Self {
        Self {
            norm1: LayerNormConfig::new(features).init(device),
            patches: Mlp::new(patches, 2 * patches, device),
            norm2: LayerNormConfig::new(features).init(device),
            features: Mlp::new(features, 4 * features, device),
        }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let across = self.norm1.forward(x.clone()).swap_dims(1, 2);
        let x = x + self.patches.forward(across).swap_dims(1, 2);
        x.clone() + self.features.forward(self.norm2.forward(x))
    }
}

#[derive(Module, Debug)]
pub struct Mixer {
    layers: Vec<Layer>,
    head: Linear,
}

/// Of rows `[N, patches, features]`.
pub fn case(rows: [usize; 3]) -> Case<Mixer> {
    let [_, patches, features] = rows;
    Case {
        name: "mixer",
        init: Arc::new(move |device| Mixer {
            layers: [(); 2]
                .map(|()| Layer::new(patches, features, device))
                .to_vec(),
            head: LinearConfig::new(features, 6).init(device),
        }),
        forward: |module, io| {
            let x = io.input::<3>("patches")?;
            let x = module.layers.iter().fold(x, |x, layer| layer.forward(x));
            io.output("classes", module.head.forward(x.mean_dim(1)))
        },
        inputs: vec![("patches", rows.to_vec())],
    }
}
