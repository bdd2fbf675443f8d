//! The goldens' cases of attention within windows.

use burn::tensor::Tensor;
use fpn_wgpu::ops::window_attention::{WindowAttentionOptions, Windows};

use crate::random;
use crate::support::TensorFile;

pub struct AttentionCase {
    pub name: String,
    pub options: WindowAttentionOptions,
    pub qkv: Tensor<4>,
    pub bias: Tensor<2>,
    /// What comes out.
    pub shape: [usize; 4],
}

impl AttentionCase {
    pub fn all(golden: &TensorFile) -> Vec<Self> {
        let names = golden.metadata("cases");
        let cases = names.split(' ').map(|name| Self::open(golden, name));
        cases.collect()
    }

    fn open(golden: &TensorFile, name: &str) -> Self {
        let numbers = golden.metadata(name);
        let mut numbers = numbers.split(['=', ' ']).skip(1).step_by(2);
        let [channels, heads, height, width, window, keys, shift] = std::array::from_fn(|_| {
            let number = numbers.next().expect("seven numbers");
            number.parse().expect("a number")
        });
        let options = WindowAttentionOptions {
            heads,
            window,
            windows: match keys {
                0 => Windows::Shifted(shift),
                keys => Windows::Overlapping(keys),
            },
        };
        let seed = golden.number("seed");
        let biases = [options.positions().pow(2), heads];
        let qkv: Tensor<4> = random::tensor(
            seed,
            &format!("{name}.qkv"),
            [1, 3 * channels, height, width],
        );
        Self {
            name: name.to_owned(),
            options,
            qkv: qkv * 3.0,
            bias: random::tensor(seed, &format!("{name}.bias"), biases),
            shape: [1, channels, height, width],
        }
    }
}
