//! The losses of Faster R-CNN.

use burn::tensor::activation::{log_sigmoid, log_softmax};
use burn::tensor::{Int, Tensor};

/// The smooth L1 loss of box deltas (Girshick, 2015, <https://arxiv.org/abs/1504.08083>): of a
/// difference x, `(σx)² / 2` where `|x| < 1/σ²`, else `|x| − 1/(2σ²)`. torchvision's `beta` is `1/σ²`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SmoothL1 {
    /// How soon it becomes linear: at once where it is infinite.
    pub sigma: f64,
    /// What differences of dx, dy, dw and dh are multiplied by first ("inside weights").
    pub inside: [f32; 4],
}

impl SmoothL1 {
    /// Of no difference's square: beta 0.
    pub const L1: Self = Self::of_sigma(f64::INFINITY);

    /// With all differences as they are.
    pub const fn of_sigma(sigma: f64) -> Self {
        Self {
            sigma,
            inside: [1.0; 4],
        }
    }

    /// torchvision's: beta 1/9.
    pub const fn torchvision() -> Self {
        Self::of_sigma(3.0)
    }

    /// The sum over rows `[R, 4]`, each times its `outside` ("outside weights": one over the number of samples).
    pub fn loss(self, deltas: Tensor<2>, targets: Tensor<2>, outside: &[f32]) -> Tensor<1> {
        let device = deltas.device();
        let inside = Tensor::<1>::from_data(self.inside, &device).unsqueeze();
        let outside = Tensor::<1>::from_data(outside, &device).unsqueeze_dim::<2>(1);
        let difference = (deltas - targets) * inside;
        (self.of(difference) * outside).sum()
    }

    /// Of each difference.
    fn of(self, difference: Tensor<2>) -> Tensor<2> {
        let size = difference.clone().abs();
        if self.sigma.is_infinite() {
            return size;
        }
        let border = 1.0 / (self.sigma * self.sigma);
        let is_small = size.clone().lower_elem(border);
        let near = difference.powi_scalar(2).mul_scalar(0.5 / border);
        let far = size.sub_scalar(0.5 * border);
        far.mask_where(is_small, near)
    }
}

/// Binary cross-entropy, summed, of logits `[R]` with targets `[R]` of 0 and 1.
pub fn binary_cross_entropy(logits: Tensor<1>, targets: Tensor<1>) -> Tensor<1> {
    let against = targets.clone().neg().add_scalar(1.0);
    let yes = log_sigmoid(logits.clone()) * targets;
    let no = log_sigmoid(logits.neg()) * against;
    (yes + no).sum().neg()
}

/// Mean cross-entropy of logits `[R, classes]` with labels `[R]`.
pub fn cross_entropy(logits: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
    let of_label = log_softmax(logits, 1).gather(1, labels.unsqueeze_dim(1));
    of_label.mean().neg()
}
