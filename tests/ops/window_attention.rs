//! Attention within windows against its definition in PyTorch.

use burn::tensor::{Device, Tensor, TensorData};
use fpn_wgpu::models::Distribution;
use fpn_wgpu::ops::window_attention::{WindowAttentionOptions, Windows, window_attention};
use fpn_wgpu::weights::seeded_values;

use crate::support::{TensorFile, assert_close, sample};

#[test]
fn window_attention_is_that_of_pytorch() {
    let golden = TensorFile::golden("window_attention");
    let seed = golden.number("seed");
    let values = |name: String, shape: &[usize], half_width: f64| {
        let distribution = Distribution::around(0.0, half_width);
        TensorData::new(seeded_values(seed, &name, shape, distribution), shape)
    };
    let device = Device::flex();
    for case in golden.metadata("cases").split(' ') {
        let numbers = golden.metadata(case);
        let mut numbers = numbers.split(['=', ' ']).skip(1).step_by(2);
        let [channels, heads, height, width, window, keys, shift] = std::array::from_fn(|_| {
            let number = numbers.next().expect("seven numbers");
            number.parse::<usize>().expect("a number")
        });
        let options = WindowAttentionOptions {
            heads,
            window,
            windows: match keys {
                0 => Windows::Shifted(shift),
                keys => Windows::Overlapping(keys),
            },
        };
        let qkv = values(
            format!("{case}.qkv"),
            &[1, 3 * channels, height, width],
            3.0,
        );
        let bias = values(
            format!("{case}.bias"),
            &[options.positions().pow(2), heads],
            1.0,
        );
        let qkv = Tensor::<4>::from_data(qkv, &device);
        let bias = Tensor::<2>::from_data(bias, &device);
        // Two items, one of them halved.
        let both = Tensor::cat(vec![qkv.clone(), qkv / 2.0], 0);
        let found = window_attention(both, bias, options);
        assert_eq!(found.dims(), [2, channels, height, width], "{case}");
        let found: Vec<f32> = found.into_data().try_to_vec().expect("floats");
        let (found, _) = found.split_at(found.len() / 2);
        let expected = golden.floats(&format!("{case}.sample"));
        assert_close(case, &sample(found, 256), &expected, 1e-5);
    }
}

#[test]
fn what_does_not_fit_is_told_in_a_sentence() {
    let options = |heads, window, windows| WindowAttentionOptions {
        heads,
        window,
        windows,
    };
    let refused = |options: WindowAttentionOptions, channels, size| {
        options.check(channels, size).expect_err("it does not fit")
    };
    for (problem, expected) in [
        (
            refused(options(2, 7, Windows::Overlapping(10)), 8, [14, 7]),
            "keys in windows of 10 around windows of 7: expected an even number more",
        ),
        (
            refused(options(2, 8, Windows::Overlapping(6)), 8, [8, 8]),
            "keys in windows of 6 around windows of 8",
        ),
        (
            refused(options(3, 8, Windows::Shifted(0)), 8, [8, 8]),
            "3 heads: expected a number that divides its 8 channels",
        ),
        (
            refused(options(2, 8, Windows::Shifted(4)), 8, [12, 8]),
            "windows of 8, where a side is expected that divides a map of 12 by 8 cells",
        ),
        (
            refused(options(2, 8, Windows::Shifted(8)), 8, [8, 8]),
            "shifts windows of 8 by 8: expected less than a side",
        ),
    ] {
        assert!(problem.contains(expected), "{problem}");
    }
}

#[test]
#[should_panic(expected = "attention has biases [225, 3], where [225, 2] is expected")]
fn biases_of_other_heads_are_refused() {
    let device = Device::flex();
    let options = WindowAttentionOptions {
        heads: 2,
        window: 8,
        windows: Windows::Shifted(0),
    };
    let (qkv, bias) = (
        Tensor::<4>::zeros([1, 24, 8, 8], &device),
        Tensor::<2>::zeros([225, 3], &device),
    );
    window_attention(qkv, bias, options);
}
