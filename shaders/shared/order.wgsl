#define_import_path fpn::order

// A number whose unsigned order is the order of the floats; 0, below all of them, for NaN.
fn key(value: f32) -> u32 {
    // By bits: drivers may take the smallest numbers for 0 where they compare floats.
    let word = bitcast<u32>(value);
    // -0 is no less than 0.
    let bits = select(word, 0u, (word & 0x7fffffffu) == 0u);
    if (bits & 0x7fffffffu) > 0x7f800000u {
        return 0u;
    }
    return select(bits | 0x80000000u, ~bits, (bits & 0x80000000u) != 0u);
}
