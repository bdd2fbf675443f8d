//! How cameras lay their pictures out in memory, and the way from there to RGBA.

use image::RgbaImage;
use yuv::{
    YuvBiPlanarImage, YuvConversionMode, YuvError, YuvGrayImage, YuvPackedImage, YuvRange,
    YuvStandardMatrix, bgr_to_rgba, bgra_to_rgba, rgb_to_rgba, yuv_nv12_to_rgba, yuv400_to_rgba,
    yuyv422_to_rgba,
};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

#[cfg(test)]
mod tests;

/// Most memory of a picture, in bytes.
const MAX_PICTURE: u64 = 512 << 20;

/// What webcams mean by luma and chroma, unless they say otherwise.
const MATRIX: YuvStandardMatrix = YuvStandardMatrix::Bt601;

/// A segment that makes the decoder take the standard's own Huffman tables, which Motion JPEG may
/// leave out, where a picture brings none.
const STANDARD_TABLES: [u8; 18] = *b"\xFF\xE0\0\x10AVI1\0\0\0\0\0\0\0\0\0\0";

/// A layout of pixels, those that are rather taken first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// Luma and, by turns, the two chromas of two pixels side by side; also called YUY2.
    Yuyv,
    /// A plane of luma, then one of both chromas of two by two pixels.
    Nv12,
    /// Red, green and blue.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    Rgb,
    /// Blue, green and red.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    Bgr,
    /// Blue, green, red, and a byte without meaning.
    Bgrx,
    /// A JPEG, possibly without its Huffman tables.
    Mjpeg,
    /// Luma alone, in full range.
    Grey,
}

/// What is wrong with a frame. Reads on from "the frame".
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum FrameError {
    #[error(
        "has {width}×{height} pixels: expected at least one, and at most {} MiB in memory",
        MAX_PICTURE >> 20
    )]
    Size { width: u32, height: u32 },
    #[error("is cut short: expected {expected} bytes, found {found}")]
    CutShort { expected: usize, found: usize },
    #[error("has rows of {found} bytes: expected at least {expected}")]
    Stride { expected: usize, found: usize },
    #[error("is no JPEG: expected it to begin with FF D8")]
    NotJpeg,
    #[error("is a JPEG that is cut short: expected FF D9 at its end")]
    JpegCutShort,
    #[error("is a JPEG whose data breaks off in the middle")]
    JpegBroken,
    #[error("is a JPEG of {found} pixels: expected {expected}")]
    JpegSize { expected: String, found: String },
    #[error("cannot be decoded: {0}")]
    Decoder(String),
}

impl Format {
    /// What [`Format`] has, as people write them.
    pub const NAMES: &str = "YUYV, NV12, RGB24, BGR24, BGRX32, MJPEG and GREY";

    /// Bytes of a row of so many pixels, at least. A JPEG has no rows.
    fn row(self, width: usize) -> usize {
        match self {
            Self::Yuyv => width.div_ceil(2) * 4,
            // Pairs of chroma take as many bytes as an even number of pixels.
            Self::Nv12 => width.div_ceil(2) * 2,
            Self::Rgb | Self::Bgr => width * 3,
            Self::Bgrx => width * 4,
            Self::Grey => width,
            Self::Mjpeg => 0,
        }
    }

    /// Rows of a picture so high, those of all planes together.
    fn rows(self, height: usize) -> usize {
        match self {
            Self::Nv12 => height + height.div_ceil(2),
            _ => height,
        }
    }
}

/// Makes a frame's bytes a picture, opaque, in `picture`, whose memory is used again. `size` is width
/// and height in pixels; `stride` is the bytes from one row to the next, 0 where they follow each other
/// without a gap. What comes after the last row does not count.
///
/// # Errors
/// If the bytes are too few, no picture of that size, or one that memory could not hold. What `picture`
/// then holds is not told.
pub fn decode(
    format: Format,
    size: [u32; 2],
    stride: usize,
    bytes: &[u8],
    picture: &mut RgbaImage,
) -> Result<(), FrameError> {
    let [width, height] = size;
    let memory = (u64::from(width) * u64::from(height)).saturating_mul(4);
    if !(1..=MAX_PICTURE).contains(&memory) {
        return Err(FrameError::Size { width, height });
    }
    if format == Format::Mjpeg {
        return decode_jpeg(size, bytes, picture);
    }
    let [width, height] = size.map(|side| side as usize);
    let row = format.row(width);
    let stride = match stride {
        0 => row,
        stride if stride < row => {
            return Err(FrameError::Stride {
                expected: row,
                found: stride,
            });
        }
        stride => stride,
    };
    let expected = stride.saturating_mul(format.rows(height));
    let Some(bytes) = bytes.get(..expected) else {
        return Err(FrameError::CutShort {
            expected,
            found: bytes.len(),
        });
    };
    fit(picture, size);
    convert(format, size, stride, bytes, picture)
        .map_err(|error| FrameError::Decoder(error.to_string()))
}

/// Of exactly as many bytes as there should be.
fn convert(
    format: Format,
    [width, height]: [u32; 2],
    stride: usize,
    bytes: &[u8],
    rgba: &mut [u8],
) -> Result<(), YuvError> {
    let luma = stride * height as usize;
    let stride = u32::try_from(stride).map_err(|_| YuvError::PointerOverflow)?;
    let rgba_stride = 4 * width;
    match format {
        Format::Yuyv => {
            let image = YuvPackedImage {
                yuy: bytes,
                yuy_stride: stride,
                width,
                height,
            };
            yuyv422_to_rgba(&image, rgba, rgba_stride, YuvRange::Limited, MATRIX)
        }
        Format::Nv12 => {
            let (y_plane, uv_plane) = bytes.split_at(luma);
            let image = YuvBiPlanarImage {
                y_plane,
                y_stride: stride,
                uv_plane,
                uv_stride: stride,
                width,
                height,
            };
            let mode = YuvConversionMode::Balanced;
            yuv_nv12_to_rgba(&image, rgba, rgba_stride, YuvRange::Limited, MATRIX, mode)
        }
        Format::Grey => {
            let image = YuvGrayImage {
                y_plane: bytes,
                y_stride: stride,
                width,
                height,
            };
            yuv400_to_rgba(&image, rgba, rgba_stride, YuvRange::Full, MATRIX)
        }
        Format::Rgb => rgb_to_rgba(bytes, stride, rgba, rgba_stride, width, height),
        Format::Bgr => bgr_to_rgba(bytes, stride, rgba, rgba_stride, width, height),
        Format::Bgrx => {
            bgra_to_rgba(bytes, stride, rgba, rgba_stride, width, height)?;
            for pixel in rgba.as_chunks_mut::<4>().0 {
                pixel[3] = u8::MAX;
            }
            Ok(())
        }
        // Has no rows.
        Format::Mjpeg => Ok(()),
    }
}

fn decode_jpeg(size: [u32; 2], bytes: &[u8], picture: &mut RgbaImage) -> Result<(), FrameError> {
    let Some(rest) = bytes.strip_prefix(b"\xFF\xD8") else {
        return Err(FrameError::NotJpeg);
    };
    // Cameras may send more behind the end, up to a round number of bytes.
    let end = rest.windows(2).rposition(|pair| pair == b"\xFF\xD9");
    let end = end.ok_or(FrameError::JpegCutShort)?;
    match has_tables(rest) {
        true => decode_whole_jpeg(size, bytes, picture),
        false => {
            let whole = [b"\xFF\xD8", &STANDARD_TABLES[..], &rest[..end + 2]].concat();
            decode_whole_jpeg(size, &whole, picture)
        }
    }
}

/// Whether Huffman tables stand before a JPEG's first scan; `rest` begins behind the start of the image.
fn has_tables(mut rest: &[u8]) -> bool {
    while let [0xFF, marker, high, low, ..] = *rest {
        match marker {
            0xC4 => return true,
            0xDA => return false,
            _ => {}
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        rest = rest.get(2 + length..).unwrap_or_default();
    }
    // The decoder finds its way through what is not as it should be.
    true
}

fn decode_whole_jpeg(
    size: [u32; 2],
    jpeg: &[u8],
    picture: &mut RgbaImage,
) -> Result<(), FrameError> {
    let [width, height] = size;
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::RGBA);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(jpeg), options);
    let broken = |error: zune_jpeg::errors::DecodeErrors| FrameError::Decoder(error.to_string());
    decoder.decode_headers().map_err(broken)?;
    let found = decoder.info().map(|info| (info.width, info.height));
    let (found_width, found_height) = found.unwrap_or_default();
    if [u32::from(found_width), u32::from(found_height)] != size {
        return Err(FrameError::JpegSize {
            expected: format!("{width}×{height}"),
            found: format!("{found_width}×{found_height}"),
        });
    }
    fit(picture, size);
    decoder.decode_into(picture).map_err(broken)?;
    // The decoder fills up with grey what broken data leave out, in the alpha channel too.
    match picture.last() {
        Some(&u8::MAX) => Ok(()),
        _ => Err(FrameError::JpegBroken),
    }
}

/// Makes `picture` one of that size, of the same memory where it suffices.
fn fit(picture: &mut RgbaImage, size: [u32; 2]) {
    let [width, height] = size;
    if picture.dimensions() == (width, height) {
        return;
    }
    let mut pixels = std::mem::take(picture).into_raw();
    pixels.resize(4 * width as usize * height as usize, 0);
    if let Some(fitting) = RgbaImage::from_raw(width, height, pixels) {
        *picture = fitting;
    }
}
