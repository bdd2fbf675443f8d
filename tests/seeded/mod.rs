//! Seeded numbers, the same on every machine.

/// A number of a seeded sequence, in [-1, 1).
pub fn number(name: &str, index: usize) -> f32 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in name.bytes().chain(index.to_le_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    (hash >> 40) as f32 / (1 << 23) as f32 - 1.0
}
