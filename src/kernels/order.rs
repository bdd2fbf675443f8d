//! CPU reference of `shaders/shared/order.wgsl`.

/// A number whose unsigned order is the order of the floats; 0, below all of them, for NaN.
pub(super) fn key(value: f32) -> u32 {
    let word = value.to_bits();
    // -0 is no less than 0.
    let bits = if word & 0x7fff_ffff == 0 { 0 } else { word };
    if bits & 0x7fff_ffff > 0x7f80_0000 {
        return 0;
    }
    match bits & 0x8000_0000 != 0 {
        true => !bits,
        false => bits | 0x8000_0000,
    }
}
