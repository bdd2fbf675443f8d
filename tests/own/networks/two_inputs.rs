//! A graph of two inputs and three outputs: a picture that is told what to look for.

use std::sync::Arc;

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::{relu, sigmoid, softmax};
use burn::tensor::{Device, Tensor};

use super::Case;
use super::layers::ConvNorm;

#[derive(Module, Debug)]
pub struct Told {
    map: ConvNorm,
    words: Linear,
    head: Linear,
}

impl Told {
    fn new(device: &Device) -> Self {
        Self {
            map: ConvNorm::new([3, 14], 3, 2, device),
            words: LinearConfig::new(9, 14).init(device),
            head: LinearConfig::new(14, 4).init(device),
        }
    }
}

/// Of pictures `[N, 3, H, W]`.
pub fn case(image: [usize; 4]) -> Case<Told> {
    Case {
        name: "two inputs",
        init: Arc::new(Told::new),
        forward: |module, io| {
            let map = relu(module.map.forward(io.input("image")?));
            let words = sigmoid(module.words.forward(io.input::<2>("words")?));
            let scale = words.clone().unsqueeze_dims::<4>(&[2, 3]);
            let scaled = map.clone() * scale;
            let pixels: Tensor<3> = scaled.clone().flatten(2, 3);
            let mean = pixels.mean_dim(2).squeeze_dim::<2>(2);
            io.output("map", scaled)?;
            io.output("words", words)?;
            io.output("classes", softmax(module.head.forward(mean), 1))
        },
        inputs: vec![("image", image.to_vec()), ("words", vec![image[0], 9])],
    }
}
