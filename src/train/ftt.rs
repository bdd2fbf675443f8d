//! The foreground–background-balanced loss of EFPN's feature texture transfer (Deng et al., 2020,
//! <https://arxiv.org/abs/2003.07021>): made of a picture halved, its levels are to be those of the whole picture's
//! plain pyramid, one level up.

use burn::nn::pool::AvgPool2dConfig;
use burn::tensor::{Tensor, TensorData};

use super::step::{Batch, Truth};
use crate::models::FasterRcnn;

/// The losses of a batch, `[1]` each.
#[derive(Clone, Debug)]
pub struct FttLosses {
    /// Mean difference over whole levels, of both levels together.
    pub everywhere: Tensor<1>,
    /// Mean difference over what objects cover, of both levels together.
    pub foreground: Tensor<1>,
}

impl FttLosses {
    /// Their sum, the foreground's times `lambda`.
    pub fn total(&self, lambda: f64) -> Tensor<1> {
        self.everywhere.clone() + self.foreground.clone().mul_scalar(lambda)
    }
}

/// The losses of a batch. P3′ of the halved picture is compared with P4 of the whole one, P2′ with P3; the targets
/// have no gradient.
///
/// # Panics
/// If the model has no feature texture transfer.
pub fn losses(model: &FasterRcnn, batch: &Batch) -> FttLosses {
    let images = batch.images.clone();
    let half = AvgPool2dConfig::new([2, 2]).with_strides([2, 2]).init();
    let made = model.textured_levels(model.bottom_up(half.forward(images.clone())));
    let made = made.expect("it has a feature texture transfer");
    let plain = model.plain_levels(model.bottom_up(images));
    let device = batch.images.device();
    let mut losses = FttLosses {
        everywhere: Tensor::zeros([1], &device),
        foreground: Tensor::zeros([1], &device),
    };
    for (made, target) in made.into_iter().zip(plain) {
        let [items, channels, height, width] = made.dims();
        let stride = batch.frames[0].padded[0] / height;
        let difference = (made - target.detach()).abs();
        let cells = |truth: &Vec<Truth>| covered(truth, stride, [height, width]);
        let mask: Vec<f32> = batch.truth.iter().flat_map(cells).collect();
        let count = channels as f32 * mask.iter().sum::<f32>();
        let mask = TensorData::new(mask, [items, 1, height, width]);
        let mask = Tensor::<4>::from_data(mask, &device);
        losses.everywhere = losses.everywhere + difference.clone().mean();
        if count > 0.0 {
            let foreground = (difference * mask).sum().div_scalar(count);
            losses.foreground = losses.foreground + foreground;
        }
    }
    losses
}

/// 1 for each cell of a map that an object reaches into, 0 for the others.
fn covered(truth: &[Truth], stride: usize, [height, width]: [usize; 2]) -> Vec<f32> {
    let mut cells = vec![0.0; height * width];
    for Truth { bbox, .. } in truth {
        let [x1, y1, x2, y2] = bbox.map(|side| side / stride as f32);
        // What is negative becomes 0.
        let (top, left) = (y1.floor() as usize, x1.floor() as usize);
        let (bottom, right) = (
            (y2.ceil() as usize).min(height),
            (x2.ceil() as usize).min(width),
        );
        for row in top.min(bottom)..bottom {
            cells[row * width..][left.min(right)..right].fill(1.0);
        }
    }
    cells
}
