//! What a camera makes of a scene: light, blur, noise and compression.
//!
//! Each effect is there with some probability and of random strength; none moves anything, so boxes
//! stay as they are. All are mild enough for an object of ten pixels to be recognized.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageFormat, RgbImage, RgbaImage, imageops};
use rand::{Rng, RngExt};
use rand_pcg::Pcg64Mcg;

/// The picture as a camera takes it, in the order in which a camera's parts act: light, lens,
/// sensor, compression.
pub(super) fn take(picture: RgbaImage, rng: &mut Pcg64Mcg) -> RgbaImage {
    let mut picture = DynamicImage::from(picture).into_rgb8();
    if rng.random_bool(0.3) {
        shade(&mut picture, rng);
    }
    if rng.random_bool(0.35) {
        let sigma = 0.4 + 0.8 * rng.random::<f32>().powi(2);
        picture = imageops::blur(&picture, sigma);
    }
    if rng.random_bool(0.5) {
        expose(&mut picture, rng);
    }
    if rng.random_bool(0.4) {
        let strength = 2.0 + 16.0 * rng.random::<f32>().powi(2);
        add_noise(&mut picture, rng, strength);
    }
    if rng.random_bool(0.4) {
        picture = compressed(picture, rng.random_range(35..96));
    }
    DynamicImage::from(picture).into_rgba8()
}

/// Light that falls off from one place to the others.
fn shade(picture: &mut RgbImage, rng: &mut Pcg64Mcg) {
    let (width, height) = picture.dimensions();
    let strength = rng.random_range(0.1..0.5);
    let centre = [
        width as f32 * rng.random_range(0.1..0.9),
        height as f32 * rng.random_range(0.1..0.9),
    ];
    let reach = width.max(height) as f32;
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let (dx, dy) = (x as f32 - centre[0], y as f32 - centre[1]);
        let part = (dx * dx + dy * dy) / (reach * reach);
        let light = 1.0 - strength * part.min(1.0);
        for channel in &mut pixel.0 {
            *channel = (f32::from(*channel) * light) as u8;
        }
    }
}

/// Exposure, gamma and a cast of colour.
fn expose(picture: &mut RgbImage, rng: &mut Pcg64Mcg) {
    let exposure = rng.random_range(0.7..1.25_f32);
    let gamma = rng.random_range(0.75..1.3_f32);
    let tables = [(); 3].map(|()| {
        let gain = 255.0 * exposure * rng.random_range(0.9..1.1_f32);
        let mut table = [0_u8; 256];
        for (value, out) in table.iter_mut().enumerate() {
            *out = (gain * (value as f32 / 255.0).powf(gamma)) as u8;
        }
        table
    });
    for pixel in picture.pixels_mut() {
        for (channel, table) in pixel.0.iter_mut().zip(&tables) {
            *channel = table[usize::from(*channel)];
        }
    }
}

/// A sensor's noise, of `strength` levels (standard deviation), in each channel by itself.
fn add_noise(picture: &mut RgbImage, rng: &mut Pcg64Mcg, strength: f32) {
    /// Standard deviation of a sum of two even bytes, about: close enough to a bell.
    const SPREAD: f32 = 104.5;
    let gain = strength / SPREAD;
    for pixel in picture.pixels_mut() {
        let bytes = rng.next_u64().to_le_bytes();
        for (channel, pair) in pixel.0.iter_mut().zip(bytes.chunks_exact(2)) {
            let sum = f32::from(pair[0]) + f32::from(pair[1]) - 255.0;
            *channel = (f32::from(*channel) + gain * sum + 0.5) as u8;
        }
    }
}

/// As after a JPEG file of `quality` (1 to 100).
fn compressed(picture: RgbImage, quality: u8) -> RgbImage {
    let mut file = Vec::new();
    let written = JpegEncoder::new_with_quality(&mut file, quality).encode_image(&picture);
    written
        .and_then(|()| image::load(Cursor::new(file), ImageFormat::Jpeg))
        .expect("a picture in memory that the encoder wrote is one that the decoder reads")
        .into_rgb8()
}
