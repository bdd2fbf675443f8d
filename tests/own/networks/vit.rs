//! A vision transformer: patches as rows, attention over all of them.

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};

use crate::case::Case;
use crate::layers::Mlp;

const PATCH: usize = 8;
const PATCHES: [usize; 2] = [4, 5];
const FEATURES: usize = 48;
const HEADS: usize = 3;

#[derive(Module, Debug)]
struct Block {
    norm1: LayerNorm,
    qkv: Linear,
    project: Linear,
    norm2: LayerNorm,
    mlp: Mlp,
}

impl Block {
    fn new(device: &Device) -> Self {
        Self {
            norm1: LayerNormConfig::new(FEATURES).init(device),
            qkv: LinearConfig::new(FEATURES, 3 * FEATURES).init(device),
            project: LinearConfig::new(FEATURES, FEATURES).init(device),
            norm2: LayerNormConfig::new(FEATURES).init(device),
            mlp: Mlp::new(FEATURES, 4 * FEATURES, device),
        }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let x = x.clone() + self.attention(self.norm1.forward(x));
        x.clone() + self.mlp.forward(self.norm2.forward(x))
    }

    fn attention(&self, x: Tensor<3>) -> Tensor<3> {
        let [items, rows, features] = x.dims();
        let depth = features / HEADS;
        let qkv = self.qkv.forward(x);
        let qkv = qkv.reshape([items, rows, 3, HEADS, depth]);
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
struct ViT {
    patches: Conv2d,
    positions: Param<Tensor<3>>,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Linear,
}

impl ViT {
    fn new(device: &Device) -> Self {
        let rows = PATCHES[0] * PATCHES[1];
        let positions = Tensor::zeros([1, rows, FEATURES], device);
        Self {
            patches: Conv2dConfig::new([3, FEATURES], [PATCH, PATCH])
                .with_stride([PATCH, PATCH])
                .init(device),
            positions: Param::from_tensor(positions),
            blocks: vec![Block::new(device), Block::new(device)],
            norm: LayerNormConfig::new(FEATURES).init(device),
            head: LinearConfig::new(FEATURES, 10).init(device),
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

#[test]
fn vit() {
    Case {
        name: "ViT",
        init: ViT::new,
        forward: |module, io| {
            let image = io.input("image")?;
            io.output("classes", module.forward(image))
        },
        inputs: &[("image", &[2, 3, PATCH * PATCHES[0], PATCH * PATCHES[1]])],
    }
    .check();
}
