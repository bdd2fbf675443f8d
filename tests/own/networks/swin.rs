//! A pair of Swin's blocks: attention within windows, which are shifted in the second.

use std::sync::Arc;

use burn::module::{Module, Param};
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor, TensorData};

use super::Case;
use super::layers::Mlp;

/// What a pair of blocks is.
#[derive(Clone, Copy)]
pub struct Swin {
    /// Height and width of the map, in whole windows.
    pub size: [usize; 2],
    pub features: usize,
    pub heads: usize,
    /// Side of a window; windows are shifted by half of it.
    pub window: usize,
}

#[derive(Module, Debug)]
pub struct Block {
    norm1: LayerNorm,
    qkv: Linear,
    /// What is added to each score, by the place of both pixels in the window.
    bias: Param<Tensor<3>>,
    project: Linear,
    norm2: LayerNorm,
    mlp: Mlp,
    window: usize,
    /// What keeps apart pixels of a window that were no neighbours before it was shifted.
    mask: Option<Tensor<3>>,
}

impl Block {
    fn new(swin: Swin, is_shifted: bool, device: &Device) -> Self {
        let (features, cells) = (swin.features, swin.window * swin.window);
        let bias = Tensor::zeros([swin.heads, cells, cells], device);
        Self {
            norm1: LayerNormConfig::new(features).init(device),
            qkv: LinearConfig::new(features, 3 * features).init(device),
            bias: Param::from_tensor(bias),
            project: LinearConfig::new(features, features).init(device),
            norm2: LayerNormConfig::new(features).init(device),
            mlp: Mlp::new(features, 4 * features, device),
            window: swin.window,
            mask: is_shifted.then(|| Tensor::from_data(mask(swin), device)),
        }
    }

    /// Of a map `[items, height, width, features]`.
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let size = x.dims();
        let shift = (self.window / 2) as i64;
        let mut made = self.norm1.forward(x.clone());
        if self.mask.is_some() {
            made = made.roll(&[-shift, -shift], &[1, 2]);
        }
        let mut made = whole(
            self.attention(windows(made, self.window)),
            size,
            self.window,
        );
        if self.mask.is_some() {
            made = made.roll(&[shift, shift], &[1, 2]);
        }
        let x = x + made;
        x.clone() + self.mlp.forward(self.norm2.forward(x))
    }

    /// Of windows `[windows, cells, features]`.
    fn attention(&self, x: Tensor<3>) -> Tensor<3> {
        let [windows, cells, features] = x.dims();
        let [heads, ..] = self.bias.dims();
        let depth = features / heads;
        let qkv = self.qkv.forward(x);
        let qkv = qkv.reshape([windows, cells, 3, heads, depth]);
        let parts = qkv.permute([2, 0, 3, 1, 4]).chunk(3, 0);
        let [q, k, v] = [0, 1, 2].map(|part: usize| parts[part].clone().squeeze_dim::<4>(0));
        let scores = (q / (depth as f64).sqrt()).matmul(k.transpose());
        let mut scores = scores + self.bias.val().unsqueeze();
        if let Some(mask) = &self.mask {
            scores = scores + mask.clone().unsqueeze_dim::<4>(1);
        }
        let made = softmax(scores, 3).matmul(v);
        let rows = made.swap_dims(1, 2).reshape([windows, cells, features]);
        self.project.forward(rows)
    }
}

/// A map taken apart into windows, one after the other.
fn windows(x: Tensor<4>, side: usize) -> Tensor<3> {
    let [items, height, width, features] = x.dims();
    let (rows, columns) = (height / side, width / side);
    x.reshape([items * rows, side, columns, side, features])
        .swap_dims(1, 2)
        .reshape([items * rows * columns, side * side, features])
}

/// A map of its windows.
fn whole(x: Tensor<3>, size: [usize; 4], side: usize) -> Tensor<4> {
    let [items, height, width, features] = size;
    let (rows, columns) = (height / side, width / side);
    x.reshape([items * rows, columns, side, side, features])
        .swap_dims(1, 2)
        .reshape(size)
}

/// −100 for pixels of a shifted window that were no neighbours, of each window: `[windows, cells, cells]`.
fn mask(swin: Swin) -> TensorData {
    let side = swin.window;
    let region = |place: usize, extent: usize| match place {
        place if place < extent - side => 0,
        place if place < extent - side / 2 => 1,
        _ => 2,
    };
    let ([rows, columns], cells) = (swin.size.map(|extent| extent / side), side * side);
    let mut values = Vec::new();
    for window in 0..rows * columns {
        let of = |cell: usize| {
            let y = window / columns * side + cell / side;
            let x = window % columns * side + cell % side;
            (region(y, swin.size[0]), region(x, swin.size[1]))
        };
        for cell in 0..cells {
            values.extend((0..cells).map(|other| match of(cell) == of(other) {
                true => 0.0_f32,
                false => -100.0,
            }));
        }
    }
    TensorData::new(values, [rows * columns, cells, cells])
}

/// Of one map `[1, H, W, features]`.
pub fn case(swin: Swin) -> Case<Vec<Block>> {
    let [height, width] = swin.size;
    Case {
        name: "Swin",
        init: Arc::new(move |device| {
            [false, true]
                .map(|is_shifted| Block::new(swin, is_shifted, device))
                .to_vec()
        }),
        forward: |blocks, io| {
            let x = io.input::<4>("map")?;
            io.output("map", blocks.iter().fold(x, |x, block| block.forward(x)))
        },
        inputs: vec![("map", vec![1, height, width, swin.features])],
    }
}
