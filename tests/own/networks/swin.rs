//! A pair of Swin's blocks: attention within windows, which are shifted in the second.

use burn::module::{Module, Param};
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor, TensorData};

use crate::case::Case;
use crate::layers::Mlp;

/// Pixels of a map.
const SIZE: [usize; 2] = [8, 12];
/// Side of a window, and of how much it is shifted.
const WINDOW: usize = 4;
const SHIFT: usize = WINDOW / 2;
const FEATURES: usize = 24;
const HEADS: usize = 2;
/// Pixels of a window.
const CELLS: usize = WINDOW * WINDOW;

#[derive(Module, Debug)]
struct Block {
    norm1: LayerNorm,
    qkv: Linear,
    /// What is added to each score, by the place of both pixels in the window.
    bias: Param<Tensor<3>>,
    project: Linear,
    norm2: LayerNorm,
    mlp: Mlp,
    is_shifted: bool,
}

impl Block {
    fn new(is_shifted: bool, device: &Device) -> Self {
        let bias = Tensor::zeros([HEADS, CELLS, CELLS], device);
        Self {
            norm1: LayerNormConfig::new(FEATURES).init(device),
            qkv: LinearConfig::new(FEATURES, 3 * FEATURES).init(device),
            bias: Param::from_tensor(bias),
            project: LinearConfig::new(FEATURES, FEATURES).init(device),
            norm2: LayerNormConfig::new(FEATURES).init(device),
            mlp: Mlp::new(FEATURES, 4 * FEATURES, device),
            is_shifted,
        }
    }

    /// Of a map `[items, height, width, features]`.
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let size = x.dims();
        let shift = SHIFT as i64;
        let mut made = self.norm1.forward(x.clone());
        if self.is_shifted {
            made = made.roll(&[-shift, -shift], &[1, 2]);
        }
        let mut made = whole(self.attention(windows(made)), size);
        if self.is_shifted {
            made = made.roll(&[shift, shift], &[1, 2]);
        }
        let x = x + made;
        x.clone() + self.mlp.forward(self.norm2.forward(x))
    }

    /// Of windows `[windows, cells, features]`.
    fn attention(&self, x: Tensor<3>) -> Tensor<3> {
        let [windows, cells, features] = x.dims();
        let depth = features / HEADS;
        let device = x.device();
        let qkv = self.qkv.forward(x);
        let qkv = qkv.reshape([windows, cells, 3, HEADS, depth]);
        let parts = qkv.permute([2, 0, 3, 1, 4]).chunk(3, 0);
        let [q, k, v] = [0, 1, 2].map(|part: usize| parts[part].clone().squeeze_dim::<4>(0));
        let scores = (q / (depth as f64).sqrt()).matmul(k.transpose());
        let mut scores = scores + self.bias.val().unsqueeze();
        if self.is_shifted {
            let mask = Tensor::<3>::from_data(mask(), &device);
            scores = scores + mask.unsqueeze_dim::<4>(1);
        }
        let made = softmax(scores, 3).matmul(v);
        let rows = made.swap_dims(1, 2).reshape([windows, cells, features]);
        self.project.forward(rows)
    }
}

/// A map taken apart into windows, one after the other.
fn windows(x: Tensor<4>) -> Tensor<3> {
    let [items, height, width, features] = x.dims();
    let (rows, columns) = (height / WINDOW, width / WINDOW);
    x.reshape([items * rows, WINDOW, columns, WINDOW, features])
        .swap_dims(1, 2)
        .reshape([items * rows * columns, CELLS, features])
}

/// A map of its windows.
fn whole(x: Tensor<3>, size: [usize; 4]) -> Tensor<4> {
    let [items, height, width, features] = size;
    let (rows, columns) = (height / WINDOW, width / WINDOW);
    x.reshape([items * rows, columns, WINDOW, WINDOW, features])
        .swap_dims(1, 2)
        .reshape(size)
}

/// −100 for pixels of a shifted window that were no neighbours, of each window: `[windows, cells, cells]`.
fn mask() -> TensorData {
    let region = |place: usize, extent: usize| match place {
        place if place < extent - WINDOW => 0,
        place if place < extent - SHIFT => 1,
        _ => 2,
    };
    let [rows, columns] = SIZE.map(|extent| extent / WINDOW);
    let mut values = Vec::new();
    for window in 0..rows * columns {
        let of = |cell: usize| {
            let y = window / columns * WINDOW + cell / WINDOW;
            let x = window % columns * WINDOW + cell % WINDOW;
            (region(y, SIZE[0]), region(x, SIZE[1]))
        };
        for cell in 0..CELLS {
            values.extend((0..CELLS).map(|other| match of(cell) == of(other) {
                true => 0.0_f32,
                false => -100.0,
            }));
        }
    }
    TensorData::new(values, [rows * columns, CELLS, CELLS])
}

#[test]
fn swin_blocks() {
    Case {
        name: "Swin",
        init: |device| vec![Block::new(false, device), Block::new(true, device)],
        forward: |blocks, io| {
            let x = io.input::<4>("map")?;
            io.output("map", blocks.iter().fold(x, |x, block| block.forward(x)))
        },
        inputs: &[("map", &[1, SIZE[0], SIZE[1], FEATURES])],
    }
    .check();
}
