//! Weights and pictures out of a seed, the same on every machine: for the demo, and for comparing
//! with other frameworks (`tests/goldens/generator.py` makes the same numbers).

use std::ops::Range;

use image::RgbaImage;

use super::load::expected;
use super::{Checkpoint, Metadata, StoredTensor};
use crate::models::{Distribution, ModelConfig};

/// A checkpoint of seeded weights for `config`, distributed as its architecture says.
pub fn seeded(config: &ModelConfig, seed: u64) -> Checkpoint {
    let distribution = config.architecture.specification().seeded;
    let tensors = expected(config).into_iter().map(|(key, shape)| {
        let distribution = distribution(&key, &shape);
        let name = key.clone();
        let read = move |part| Ok(values(distribution, &Stream::new(seed, &name), part));
        (key, StoredTensor::in_parts(shape, read))
    });
    let metadata = Metadata::of(config);
    Checkpoint::new(tensors, metadata).expect("a model has no parameter twice")
}

/// All values of the tensor of this name and shape, for modules that are no whole model.
pub fn seeded_values(
    seed: u64,
    name: &str,
    shape: &[usize],
    distribution: Distribution,
) -> Vec<f32> {
    let all = 0..shape.iter().product();
    values(distribution, &Stream::new(seed, name), all)
}

/// The values at the indices of `part`.
fn values(distribution: Distribution, stream: &Stream, part: Range<usize>) -> Vec<f32> {
    part.map(|index| {
        let apart = distribution.apart.filter(|(apart, _)| *apart == index);
        let centre = apart.map_or(distribution.centre, |(_, centre)| centre);
        (centre + distribution.half_width * stream.symmetric(index as u64)) as f32
    })
    .collect()
}

/// Edge in pixels of a cell of [`picture`]'s lattice.
const CELL: u64 = 32;

/// A generated picture: smooth blobs of colour with some noise.
pub fn picture(seed: u64, width: u32, height: u32) -> RgbaImage {
    let lattice = Stream::new(seed, "picture");
    let noise = Stream::new(seed, "noise");
    RgbaImage::from_fn(width, height, |x, y| {
        let (x, y) = (u64::from(x), u64::from(y));
        let value = |channel: u64| {
            let corner = |gx: u64, gy: u64| lattice.bits((gy * 4096 + gx) * 3 + channel) >> 56;
            let (gx, gy, fx, fy) = (x / CELL, y / CELL, x % CELL, y % CELL);
            let smooth = corner(gx, gy) * (CELL - fx) * (CELL - fy)
                + corner(gx + 1, gy) * fx * (CELL - fy)
                + corner(gx, gy + 1) * (CELL - fx) * fy
                + corner(gx + 1, gy + 1) * fx * fy;
            let smooth = ((smooth + 512) >> 10) as i64;
            let noise = (noise.bits((y * 8192 + x) * 3 + channel) >> 58) as i64 - 32;
            (smooth + noise).clamp(0, 255) as u8
        };
        image::Rgba([value(0), value(1), value(2), 255])
    })
}

/// Numbers by index: SplitMix64 (Steele et al., 2014) started from a seed and a name.
pub(crate) struct Stream {
    key: u64,
}

impl Stream {
    pub(crate) fn new(seed: u64, name: &str) -> Self {
        Self {
            key: mix(seed) ^ fnv1a(name.as_bytes()),
        }
    }

    pub(crate) fn bits(&self, index: u64) -> u64 {
        let step = index.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mix(self.key.wrapping_add(step))
    }

    /// In [-1, 1).
    pub(crate) fn symmetric(&self, index: u64) -> f64 {
        2.0 * ((self.bits(index) >> 40) as f64 / f64::from(1 << 24)) - 1.0
    }
}

fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The generator in Python is checked against the same numbers.
    #[test]
    fn the_stream_is_that_of_the_goldens() {
        let stream = Stream::new(3, "backbone.body.layer1.0.conv1.weight");
        assert_eq!(stream.key, 0x3461_026c_25e2_3d05);
        assert_eq!(stream.symmetric(0), -0.181_651_949_882_507_32);
        assert_eq!(stream.symmetric(2), 0.983_145_833_015_441_9);
        let picture = picture(3, 90, 70);
        assert_eq!(picture.get_pixel(89, 69).0, [91, 67, 11, 255]);
        let sum: u64 = picture
            .pixels()
            .flat_map(|p| &p.0[..3])
            .map(|&v| u64::from(v))
            .sum();
        assert_eq!(sum, 2_447_721);
    }
}
