//! Fewer pixels with more channels.

use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor, s};

/// Swin's patch merging, which comes with HAT: the channels of each square of four pixels side by side, normed, and
/// reduced to twice what one of them had.
#[derive(Module, Debug)]
pub struct PatchMerging {
    norm: LayerNorm,
    reduction: Linear,
}

impl PatchMerging {
    /// Of so many channels, with unloaded weights.
    pub fn new(channels: usize, device: &Device) -> Self {
        let reduction = LinearConfig::new(4 * channels, 2 * channels).with_bias(false);
        Self {
            norm: LayerNormConfig::new(4 * channels).init(device),
            reduction: reduction.init(device),
        }
    }

    /// `[N, H, W, C]` → `[N, H / 2, W / 2, 2 · C]`.
    ///
    /// # Panics
    /// If a side is odd.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [_, height, width, _] = x.dims();
        assert!(
            height % 2 == 0 && width % 2 == 0,
            "a map of {height} by {width} cells has no squares of four"
        );
        // Down a column first.
        let corners = [[0, 0], [1, 0], [0, 1], [1, 1]];
        let corner = |[y, x0]: [usize; 2]| x.clone().slice(s![.., y..;2, x0..;2, ..]);
        let squares = Tensor::cat(corners.map(corner).to_vec(), 3);
        self.reduction.forward(self.norm.forward(squares))
    }
}
