//! Generated numbers: those of `tests/goldens/generator.py`.

use burn::tensor::{Device, Tensor, TensorData};

/// `count` numbers in [-1, 1), a function of the seed and a name: SplitMix64.
pub fn values(seed: u64, name: &str, count: usize) -> Vec<f32> {
    let name_hash = name.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    let key = mix(seed) ^ name_hash;
    (1..=count as u64)
        .map(|step| mix(key.wrapping_add(step.wrapping_mul(0x9E37_79B9_7F4A_7C15))))
        .map(|bits| (2.0 * ((bits >> 40) as f64 / f64::from(1 << 24)) - 1.0) as f32)
        .collect()
}

/// The numbers as a tensor of the CPU engine.
pub fn tensor<const D: usize>(seed: u64, name: &str, shape: [usize; D]) -> Tensor<D> {
    let values = values(seed, name, shape.iter().product());
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
