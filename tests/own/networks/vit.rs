//! A vision transformer: patches as rows, attention over all of them.

use std::sync::Arc;

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};

use super::Case;
use super::layers::Mlp;

/// Side of a patch.
const PATCH: usize = 16;

#[derive(Module, Debug)]
struct Block {
    norm1: LayerNorm,
    qkv: Linear,
    project: Linear,
    norm2: LayerNorm,
    mlp: Mlp,
    heads: usize,
}

impl Block {
    fn new(features: usize, heads: usize, device: &Device) -> Self {
        Self {
            norm1: LayerNormConfig::new(features).init(device),
            qkv: LinearConfig::new(features, 3 * features).init(device),
            project: LinearConfig::new(features, features).init(device),
            norm2: LayerNormConfig::new(features).init(device),
            mlp: Mlp::new(features, 4 * features, device),
            heads,
        }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let x = x.clone() + self.attention(self.norm1.forward(x));
        x.clone() + self.mlp.forward(self.norm2.forward(x))
    }

    fn attention(&self, x: Tensor<3>) -> Tensor<3> {
        let [items, rows, features] = x.dims();
        let depth = features / self.heads;
        let qkv = self.qkv.forward(x);
        let qkv = qkv.reshape([items, rows, 3, self.heads, depth]);
        // One of three, items, heads, rows, what a head looks at.
        let parts = qkv.permute([2, 0, 3, 1, 4]).chunk(3, 0);
        let [q, k, v] = [0, 1, 2].map(|part: usize| parts[part].clone().squeeze_dim::<4>(0));
        let scores = q.matmul(k.transpose()) / (depth as f64).sqrt();
        let made = softmax(scores, 3).matmul(v);
        let rows_of = made.swap_dims(1, 2).reshape([items, rows, features]);
        self.project.forward(rows_of)
    }
}

#[derive(Module, Debug)]
pub struct ViT {
    patches: Conv2d,
    positions: Param<Tensor<3>>,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Linear,
}

impl ViT {
    fn new(patches: usize, features: usize, heads: usize, device: &Device) -> Self {
        let positions = Tensor::zeros([1, patches, features], device);
        let block = || Block::new(features, heads, device);
        Self {
            patches: Conv2dConfig::new([3, features], [PATCH, PATCH])
                .with_stride([PATCH, PATCH])
                .init(device),
            positions: Param::from_tensor(positions),
            blocks: vec![block(), block()],
            norm: LayerNormConfig::new(features).init(device),
            head: LinearConfig::new(features, 10).init(device),
        }
    }

    fn forward(&self, image: Tensor<4>) -> Tensor<2> {
        let map = self.patches.forward(image);
        let rows: Tensor<3> = map.flatten(2, 3);
        let rows = rows.swap_dims(1, 2) + self.positions.val();
        let rows = self.blocks.iter().fold(rows, |x, block| block.forward(x));
        let mean = self.norm.forward(rows).mean_dim(1).squeeze_dim(1);
        self.head.forward(mean)
    }
}

/// Of pictures `[N, 3, H, W]` in whole patches, with rows of so many features.
pub fn case(image: [usize; 4], features: usize, heads: usize) -> Case<ViT> {
    let patches = image[2] / PATCH * (image[3] / PATCH);
    Case {
        name: "ViT",
        init: Arc::new(move |device| ViT::new(patches, features, heads, device)),
        forward: |module, io| {
            let image = io.input("image")?;
            io.output("classes", module.forward(image))
        },
        inputs: vec![("image", image.to_vec())],
    }
}
