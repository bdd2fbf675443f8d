//! Gradients of attention within windows and of PixelShuffle.

use burn::tensor::Tensor;
use fpn_wgpu::ops::pixel_shuffle::pixel_shuffle;
use fpn_wgpu::ops::window_attention::window_attention;

use crate::attention_case::AttentionCase;
use crate::support::{TensorFile, assert_close, sample};
use crate::{random, values};

/// Against PyTorch's in f64.
#[test]
fn attention_within_windows_learns_as_in_pytorch() {
    let golden = TensorFile::golden("window_attention");
    for case in AttentionCase::all(&golden) {
        let qkv = case.qkv.autodiff().require_grad();
        let bias = case.bias.autodiff().require_grad();
        let seen = window_attention(qkv.clone(), bias.clone(), case.options);
        let upstream = format!("{}.gradient", case.name);
        let upstream: Tensor<4> = random::tensor(golden.number("seed"), &upstream, case.shape);
        let gradients = (seen * upstream.autodiff()).sum().backward();
        let learnt = [
            ("qkv", values(&qkv.grad(&gradients).expect("it learns"))),
            ("bias", values(&bias.grad(&gradients).expect("it learns"))),
        ];
        for (part, learnt) in learnt {
            let name = format!("{}.{part}_gradient", case.name);
            assert_close(&name, &sample(&learnt, 256), &golden.floats(&name), 1e-5);
        }
    }
}

/// A value learns from where it went.
#[test]
fn pixel_shuffle_hands_gradients_back_in_place() {
    let x: Tensor<4> = random::tensor(1, "x", [2, 18, 3, 5]);
    let upstream: Tensor<4> = random::tensor(1, "gradient", [2, 2, 9, 15]);
    let x = x.autodiff().require_grad();
    let loss = (pixel_shuffle(x.clone(), 3) * upstream.clone().autodiff()).sum();
    let learnt = x.grad(&loss.backward()).expect("it learns");
    assert_eq!(pixel_shuffle(learnt, 3).into_data(), upstream.into_data());
}
