use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, Rgb, RgbImage, Rgba, RgbaImage};
use proptest::prelude::*;

use super::{Format, FrameError, decode};

/// Red, green and blue; the same by BT.601 in limited range.
const COLOURS: [([u8; 3], [u8; 3]); 4] = [
    ([255, 255, 255], [235, 128, 128]),
    ([0, 0, 0], [16, 128, 128]),
    ([255, 0, 0], [81, 90, 240]),
    ([0, 0, 255], [41, 240, 110]),
];

const UNCOMPRESSED: [Format; 6] = [
    Format::Yuyv,
    Format::Nv12,
    Format::Rgb,
    Format::Bgr,
    Format::Bgrx,
    Format::Grey,
];

const SIZES: [[u32; 2]; 6] = [[1, 1], [2, 2], [5, 3], [64, 1], [33, 17], [640, 480]];

/// A frame of one colour, with so many bytes of noise behind each row.
fn frame(format: Format, [width, height]: [u32; 2], colour: usize, gap: usize) -> Vec<u8> {
    let ([r, g, b], [y, u, v]) = COLOURS[colour];
    let [width, height] = [width as usize, height as usize];
    let row = |pattern: &[u8], times: usize| {
        let noise = (0..gap).map(|index| index as u8 ^ 0x5A);
        pattern.repeat(times).into_iter().chain(noise).collect()
    };
    let rows: Vec<Vec<u8>> = match format {
        Format::Yuyv => vec![row(&[y, u, y, v], width.div_ceil(2)); height],
        Format::Nv12 => {
            let half = width.div_ceil(2);
            let luma = vec![row(&[y, y], half); height];
            [luma, vec![row(&[u, v], half); height.div_ceil(2)]].concat()
        }
        Format::Rgb => vec![row(&[r, g, b], width); height],
        Format::Bgr => vec![row(&[b, g, r], width); height],
        Format::Bgrx => vec![row(&[b, g, r, 7], width); height],
        Format::Grey => vec![row(&[r], width); height],
        Format::Mjpeg => Vec::new(),
    };
    rows.concat()
}

fn assert_all(picture: &RgbaImage, size: [u32; 2], [r, g, b]: [u8; 3], what: &str) {
    assert_eq!(picture.dimensions(), size.into(), "{what}");
    for (x, y, pixel) in picture.enumerate_pixels() {
        let Rgba(found) = *pixel;
        let differs = |side: usize| found[side].abs_diff([r, g, b, 255][side]) > 2;
        assert!(!(0..4).any(differs), "{what}: {found:?} at {x}, {y}");
        assert_eq!(found[3], 255, "{what}");
    }
}

#[test]
fn colours_of_every_format_size_and_stride() {
    let mut picture = RgbaImage::new(3, 3);
    for format in UNCOMPRESSED {
        for size in SIZES {
            for gap in [0, 2, 37] {
                for (colour, (rgb, _)) in COLOURS.into_iter().enumerate() {
                    let bytes = frame(format, size, colour, gap);
                    let stride = match gap {
                        0 => 0,
                        gap => format.row(size[0] as usize) + gap,
                    };
                    let what = format!("{format:?} of {size:?}, gaps of {gap}");
                    decode(format, size, stride, &bytes, &mut picture).expect(&what);
                    let expected = match format {
                        Format::Grey => [rgb[0]; 3],
                        _ => rgb,
                    };
                    assert_all(&picture, size, expected, &what);
                }
            }
        }
    }
}

/// Pixels do not trade places.
#[test]
fn places() {
    let expected = RgbImage::from_fn(4, 3, |x, y| Rgb([60 * x as u8, 100 * y as u8, 9]));
    let rows = expected.rows().map(|row| row.flat_map(|pixel| pixel.0));
    let bytes: Vec<u8> = rows.flat_map(|row| row.chain([1, 2])).collect();
    let mut picture = RgbaImage::default();
    decode(Format::Rgb, [4, 3], 14, &bytes, &mut picture).unwrap();
    for (x, y, Rgb([r, g, b])) in expected.enumerate_pixels() {
        assert_eq!(picture.get_pixel(x, y), &Rgba([*r, *g, *b, 255]));
    }
}

#[test]
fn too_few_bytes() {
    let mut picture = RgbaImage::default();
    for format in UNCOMPRESSED {
        let bytes = frame(format, [33, 17], 0, 0);
        for found in [0, 1, bytes.len() / 2, bytes.len() - 1] {
            let error = decode(format, [33, 17], 0, &bytes[..found], &mut picture).unwrap_err();
            let expected = bytes.len();
            assert_eq!(error, FrameError::CutShort { expected, found });
        }
        let error = decode(format, [33, 17], 1, &bytes, &mut picture).unwrap_err();
        assert!(
            matches!(error, FrameError::Stride { found: 1, .. }),
            "{error}"
        );
    }
}

#[test]
fn strides_beyond_all_memory() {
    let mut picture = RgbaImage::default();
    for format in UNCOMPRESSED {
        let error = decode(format, [2, 2], usize::MAX, &[0; 64], &mut picture).unwrap_err();
        assert!(matches!(error, FrameError::CutShort { .. }), "{error}");
    }
}

#[test]
fn sizes_that_no_picture_has() {
    let mut picture = RgbaImage::default();
    let jpeg = jpeg([2, 2], 0);
    for [width, height] in [[0, 1], [1, 0], [1 << 20, 1 << 10], [u32::MAX; 2]] {
        for format in UNCOMPRESSED.into_iter().chain([Format::Mjpeg]) {
            let error = decode(format, [width, height], 0, &jpeg, &mut picture).unwrap_err();
            assert_eq!(error, FrameError::Size { width, height });
        }
    }
}

#[test]
fn memory_is_used_again() {
    let mut picture = RgbaImage::default();
    let size = [640, 480];
    for colour in [0, 1] {
        let jpeg = jpeg(size, colour);
        let mut before = None;
        for format in UNCOMPRESSED {
            let bytes = frame(format, size, colour, 0);
            decode(format, size, 0, &bytes, &mut picture).unwrap();
            decode(Format::Mjpeg, size, 0, &jpeg, &mut picture).unwrap();
            let place = picture.as_ptr();
            assert_eq!(*before.get_or_insert(place), place);
        }
    }
}

fn jpeg([width, height]: [u32; 2], colour: usize) -> Vec<u8> {
    let picture = RgbImage::from_pixel(width, height, Rgb(COLOURS[colour].0));
    encode(&picture)
}

fn encode(picture: &RgbImage) -> Vec<u8> {
    let mut jpeg = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut jpeg, 95);
    picture.write_with_encoder(encoder).unwrap();
    jpeg
}

/// A picture that takes many bytes.
fn motley() -> RgbImage {
    RgbImage::from_fn(64, 48, |x, y| {
        let noise = (x * 7919 + y * 104_729) % 251;
        Rgb([noise as u8, (noise * 3 % 256) as u8, (x * y % 256) as u8])
    })
}

/// Without its Huffman tables, as many webcams send them.
fn without_tables(jpeg: &[u8]) -> Vec<u8> {
    let (mut kept, mut rest) = (jpeg[..2].to_vec(), &jpeg[2..]);
    while rest[1] != 0xDA {
        let length = 2 + usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        if rest[1] != 0xC4 {
            kept.extend_from_slice(&rest[..length]);
        }
        rest = &rest[length..];
    }
    [&kept, rest].concat()
}

#[test]
fn jpegs() {
    let mut picture = RgbaImage::default();
    for size in SIZES {
        for (colour, (rgb, _)) in COLOURS.into_iter().enumerate() {
            let jpeg = jpeg(size, colour);
            let what = format!("JPEG of {size:?}");
            decode(Format::Mjpeg, size, 7, &jpeg, &mut picture).expect(&what);
            assert_all(&picture, size, rgb, &what);
        }
    }
    let padded = [&jpeg([5, 3], 2)[..], &[0; 100]].concat();
    decode(Format::Mjpeg, [5, 3], 0, &padded, &mut picture).unwrap();
    assert_all(&picture, [5, 3], COLOURS[2].0, "padded");
}

#[test]
fn grey_jpeg() {
    let (mut jpeg, mut picture) = (Vec::new(), RgbaImage::default());
    let encoder = JpegEncoder::new(&mut jpeg);
    let written =
        image::ImageEncoder::write_image(encoder, &[99; 77], 11, 7, ExtendedColorType::L8);
    written.unwrap();
    decode(Format::Mjpeg, [11, 7], 0, &jpeg, &mut picture).unwrap();
    assert_all(&picture, [11, 7], [99; 3], "grey");
}

#[test]
fn jpeg_without_tables() {
    let whole = encode(&motley());
    let bare = without_tables(&whole);
    assert!(bare.len() < whole.len());
    let [mut expected, mut found] = [(); 2].map(|()| RgbaImage::default());
    decode(Format::Mjpeg, [64, 48], 0, &whole, &mut expected).unwrap();
    decode(Format::Mjpeg, [64, 48], 0, &bare, &mut found).unwrap();
    assert_eq!(expected, found);
}

#[test]
fn broken_jpegs() {
    let mut picture = RgbaImage::default();
    let jpeg = encode(&motley());
    let mut fault = |size: [u32; 2], bytes: &[u8]| {
        decode(Format::Mjpeg, size, 0, bytes, &mut picture).unwrap_err()
    };
    let size = [64, 48];
    assert_eq!(fault(size, &[]), FrameError::NotJpeg);
    assert_eq!(fault(size, &[0; 5000]), FrameError::NotJpeg);
    assert_eq!(fault(size, &jpeg[..2]), FrameError::JpegCutShort);
    assert_eq!(
        fault(size, &jpeg[..jpeg.len() / 2]),
        FrameError::JpegCutShort
    );
    // No code is all ones.
    let middle = jpeg.len() / 2;
    let spoilt = [&jpeg[..middle], &b"\xFF\0".repeat(20), &jpeg[middle..]].concat();
    assert_eq!(fault(size, &spoilt), FrameError::JpegBroken);
    let error = fault([48, 64], &jpeg).to_string();
    assert_eq!(error, "is a JPEG of 64×48 pixels: expected 48×64");
}

fn mjpeg(bytes: &[u8]) {
    let mut picture = RgbaImage::default();
    // That it comes back at all is what is asked.
    let _ = decode(Format::Mjpeg, [64, 48], 0, bytes, &mut picture);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        mjpeg(&bytes);
        mjpeg(&[b"\xFF\xD8", &bytes[..], b"\xFF\xD9"].concat());
    }

    #[test]
    fn altered_jpegs(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
        is_bare in any::<bool>(),
    ) {
        let mut jpeg = encode(&motley());
        if is_bare {
            jpeg = without_tables(&jpeg);
        }
        for (place, byte) in changes {
            let place = place.index(jpeg.len());
            jpeg[place] = byte;
        }
        mjpeg(&jpeg);
        jpeg.truncate(cut.index(jpeg.len()));
        mjpeg(&jpeg);
        mjpeg(&[&jpeg[..], b"\xFF\xD9"].concat());
    }
}
