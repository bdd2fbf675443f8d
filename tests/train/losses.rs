//! The losses and their gradients against PyTorch's.

use burn::tensor::{Device, Int, Tensor, TensorData};
use fpn_wgpu::train::losses::{SmoothL1, binary_cross_entropy, cross_entropy};

use crate::support::{TensorFile, assert_close};
use crate::{golden, values};

const TOLERANCE: f32 = 1e-6;

/// Compare the loss of the golden's input, and the gradient.
fn check<const D: usize>(golden: &TensorFile, name: &str, loss: impl Fn(Tensor<D>) -> Tensor<1>) {
    let input: Tensor<D> = golden.tensor(&format!("{name}.input"));
    let input = input.autodiff().require_grad();
    let loss = loss(input.clone());
    let expected = golden.floats(&format!("{name}.loss"));
    assert_close(name, &values(&loss), &expected, TOLERANCE);
    let gradient = input.grad(&loss.backward()).expect("the input learns");
    let expected = golden.floats(&format!("{name}.gradient"));
    let name = format!("{name}.gradient");
    assert_close(&name, &values(&gradient), &expected, TOLERANCE);
}

#[test]
fn binary_cross_entropy_with_logits_up_to_a_hundred() {
    let golden = golden();
    check(&golden, "bce", |logits| {
        // The golden's is the mean.
        binary_cross_entropy(logits, golden.tensor("bce.targets")) / 37.0
    });
}

#[test]
fn cross_entropy_with_logits_up_to_a_hundred() {
    let golden = golden();
    let labels = golden.integers("cross_entropy.labels");
    let shape = [labels.len()];
    let data = TensorData::new(labels, shape);
    let labels: Tensor<1, Int> = Tensor::from_data(data, &Device::flex());
    check(&golden, "cross_entropy", |logits| {
        cross_entropy(logits, labels.clone())
    });
}

#[test]
fn smooth_l1_in_the_form_of_torchvision() {
    let golden = golden();
    check(&golden, "smooth_l1.beta", |deltas| {
        let targets = golden.tensor("smooth_l1.targets");
        SmoothL1::torchvision().loss(deltas, targets, &[1.0 / 46.0; 23])
    });
}

#[test]
fn smooth_l1_in_the_form_of_fast_rcnn() {
    let golden = golden();
    let smooth_l1 = SmoothL1 {
        sigma: 1.7,
        inside: [1.0, 0.5, 2.0, 0.0],
    };
    check(&golden, "smooth_l1.sigma", |deltas| {
        smooth_l1.loss(deltas, golden.tensor("smooth_l1.targets"), &[0.125; 23])
    });
}
