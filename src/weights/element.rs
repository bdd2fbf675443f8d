//! The number formats that weights are stored in.

use std::ops::Range;

use half::{bf16, f16};

#[derive(Clone, Copy, Debug)]
pub(super) enum ElementType {
    F16,
    BF16,
    F32,
    F64,
}

impl ElementType {
    /// Those of the little-endian numbers in `bytes` whose indices are in `part`, as f32; fewer where
    /// the bytes end before.
    pub fn to_f32(self, bytes: &[u8], part: Range<usize>) -> Vec<f32> {
        match self {
            Self::F16 => each(bytes, part, |b| f16::from_le_bytes(b).to_f32()),
            Self::BF16 => each(bytes, part, |b| bf16::from_le_bytes(b).to_f32()),
            Self::F32 => each(bytes, part, f32::from_le_bytes),
            Self::F64 => each(bytes, part, |b| f64::from_le_bytes(b) as f32),
        }
    }
}

fn each<const N: usize>(
    bytes: &[u8],
    part: Range<usize>,
    convert: impl Fn([u8; N]) -> f32,
) -> Vec<f32> {
    let (numbers, _) = bytes.as_chunks::<N>();
    let part = part.start.min(numbers.len())..part.end.min(numbers.len());
    numbers[part].iter().map(|bytes| convert(*bytes)).collect()
}
