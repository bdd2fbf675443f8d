//! From luma and chroma to red, green and blue, and back.

use image::{RgbImage, RgbaImage};
use yuv::{
    YuvChromaSubsampling, YuvConversionMode, YuvError, YuvGrayImage, YuvPlanarImage,
    YuvPlanarImageMut, YuvRange, YuvStandardMatrix, rgb_to_yuv420, yuv400_to_rgba, yuv420_to_rgba,
    yuv422_to_rgba, yuv444_to_rgba,
};

use super::VideoError;

/// Tallest picture that is taken for standard definition.
const STANDARD_DEFINITION: u32 = 576;

/// What the numbers of a video mean.
#[derive(Clone, Copy)]
pub struct Colour {
    matrix: YuvStandardMatrix,
    range: YuvRange,
}

impl Colour {
    /// Of pictures so high that say nothing else: BT.601 for standard definition, BT.709 above, in
    /// limited range.
    pub fn usual(height: u32) -> Self {
        let matrix = match height <= STANDARD_DEFINITION {
            true => YuvStandardMatrix::Bt601,
            false => YuvStandardMatrix::Bt709,
        };
        Self {
            matrix,
            range: YuvRange::Limited,
        }
    }

    pub fn with_full_range(self, is_full: bool) -> Self {
        let range = match is_full {
            true => YuvRange::Full,
            false => YuvRange::Limited,
        };
        Self { range, ..self }
    }

    /// By the number that H.264 has for a matrix (ISO/IEC 23091-2, `MatrixCoefficients`); one that is
    /// not told, or not known, changes nothing.
    pub fn with_matrix(self, number: u8) -> Self {
        let matrix = match number {
            1 => YuvStandardMatrix::Bt709,
            4 => YuvStandardMatrix::Fcc,
            5 | 6 => YuvStandardMatrix::Bt601,
            7 => YuvStandardMatrix::Smpte240,
            9 | 10 => YuvStandardMatrix::Bt2020,
            _ => self.matrix,
        };
        Self { matrix, ..self }
    }
}

/// How many pixels share a sample of chroma.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sampling {
    /// No chroma at all.
    Mono,
    /// Two by two.
    S420,
    /// Two side by side.
    S422,
    /// One.
    S444,
}

impl Sampling {
    /// Samples of luma, and of either chroma, in a picture of this width and height. Where sides are
    /// odd, the last samples of chroma serve fewer pixels.
    pub fn samples(self, [width, height]: [u32; 2]) -> [usize; 2] {
        let rows = match self {
            Self::Mono => 0,
            Self::S420 => height.div_ceil(2),
            Self::S422 | Self::S444 => height,
        };
        let row = self.chroma_width(width);
        [
            width as usize * height as usize,
            row as usize * rows as usize,
        ]
    }

    fn chroma_width(self, width: u32) -> u32 {
        match self {
            Self::Mono | Self::S444 => width,
            Self::S420 | Self::S422 => width.div_ceil(2),
        }
    }
}

/// A picture in three planes, row by row, eight bits a sample.
pub struct Planes<'a> {
    /// Width and height in pixels.
    pub size: [u32; 2],
    pub sampling: Sampling,
    pub y: &'a [u8],
    pub u: &'a [u8],
    pub v: &'a [u8],
}

impl Planes<'_> {
    /// The same picture in red, green and blue, opaque.
    ///
    /// # Errors
    /// If a plane has too few samples.
    pub fn to_rgba(&self, colour: Colour) -> Result<RgbaImage, VideoError> {
        let [width, height] = self.size;
        let mut picture = RgbaImage::new(width, height);
        let converted = self.convert(&mut picture, colour);
        converted.map_err(|error| VideoError::Broken(error.to_string()))?;
        Ok(picture)
    }

    fn convert(&self, picture: &mut [u8], colour: Colour) -> Result<(), YuvError> {
        let Colour { matrix, range } = colour;
        let [width, height] = self.size;
        let chroma = self.sampling.chroma_width(width);
        let grey = YuvGrayImage {
            y_plane: self.y,
            y_stride: width,
            width,
            height,
        };
        let planes = YuvPlanarImage {
            y_plane: self.y,
            y_stride: width,
            u_plane: self.u,
            u_stride: chroma,
            v_plane: self.v,
            v_stride: chroma,
            width,
            height,
        };
        let stride = 4 * width;
        match self.sampling {
            Sampling::Mono => yuv400_to_rgba(&grey, picture, stride, range, matrix),
            Sampling::S420 => yuv420_to_rgba(&planes, picture, stride, range, matrix),
            Sampling::S422 => yuv422_to_rgba(&planes, picture, stride, range, matrix),
            Sampling::S444 => yuv444_to_rgba(&planes, picture, stride, range, matrix),
        }
    }
}

/// A picture as luma and chroma of two by two pixels, in the usual colours.
///
/// # Errors
/// If the picture has no pixels.
pub fn to_yuv420(picture: &RgbImage) -> Result<YuvPlanarImageMut<'static, u8>, YuvError> {
    let (width, height) = picture.dimensions();
    let Colour { matrix, range } = Colour::usual(height);
    let mut planes = YuvPlanarImageMut::alloc(width, height, YuvChromaSubsampling::Yuv420);
    let mode = YuvConversionMode::Balanced;
    rgb_to_yuv420(&mut planes, picture, 3 * width, range, matrix, mode)?;
    Ok(planes)
}

/// Samples of more than eight bits, the lower byte first, rounded to eight.
pub fn to_eight_bits(samples: &[u8], bits: usize) -> Vec<u8> {
    let shift = bits - 8;
    let half = 1 << (shift - 1);
    let pairs = samples.as_chunks::<2>().0.iter();
    let rounded = pairs.map(|pair| (u32::from(u16::from_le_bytes(*pair)) + half) >> shift);
    rounded.map(|sample| sample.min(255) as u8).collect()
}
