//! Whether a JPEG is whole.

/// Whether a JPEG has its end marker. A decoder fills what a file that was cut short lacks with grey,
/// and reports nothing.
pub fn reaches_end(mut jpeg: &[u8]) -> bool {
    loop {
        jpeg = match jpeg {
            [] => return false,
            [0xFF, 0xD9, ..] => return true,
            // A segment says how long it is: a thumbnail in it ends, too.
            [0xFF, 0xC0..=0xCF | 0xDA..=0xFE, high, low, ..] => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                jpeg.get(2 + length..).unwrap_or_default()
            }
            [_, rest @ ..] => rest,
        };
    }
}
