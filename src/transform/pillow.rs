//! Pillow's `resize` with its `BILINEAR` filter, bit by bit.

use image::RgbaImage;
use rayon::prelude::*;

/// Bits of a weight behind the point.
const BITS: u32 = 22;

/// A half, where a weighted sum of bytes is rounded.
const HALF: u64 = 1 << (BITS - 1);

/// The picture brought to `size` (height, width): across, then down, each time rounded to bytes.
pub(super) fn resize(picture: &RgbaImage, [height, width]: [usize; 2]) -> RgbaImage {
    let [rows, columns] = [picture.height(), picture.width()].map(|side| side as usize);
    let pixels: &[[u8; 4]] = picture.as_raw().as_chunks().0;
    let across: Vec<Taps> = (0..width).map(|x| Taps::at(x, columns, width)).collect();
    let mut narrowed = vec![[0; 4]; rows * width];
    narrowed
        .par_chunks_exact_mut(width)
        .zip(pixels.par_chunks_exact(columns))
        .for_each(|(out, row)| {
            for (pixel, taps) in out.iter_mut().zip(&across) {
                *pixel = taps.sum(|x| row[x]);
            }
        });
    let mut resized = vec![[0; 4]; height * width];
    resized
        .par_chunks_exact_mut(width)
        .enumerate()
        .for_each(|(y, out)| {
            let taps = Taps::at(y, rows, height);
            for (x, pixel) in out.iter_mut().enumerate() {
                *pixel = taps.sum(|y| narrowed[y * width + x]);
            }
        });
    RgbaImage::from_raw(width as u32, height as u32, resized.into_flattened())
        .expect("there are as many bytes")
}

/// The source pixels of a target pixel along one axis: the first, and the weights from it on.
struct Taps {
    first: usize,
    weights: Vec<u64>,
}

impl Taps {
    /// A triangle about the target's centre that reaches one pixel of the larger of both sizes. Places
    /// are whole numbers of 1 / (2 · `target`) source pixels, so that nothing is rounded but the weights.
    fn at(place: usize, source: usize, target: usize) -> Self {
        let [place, source, target] = [place, source, target].map(|size| size as i64);
        let centre = (2 * place + 1) * source;
        let reach = 2 * source.max(target);
        let first = (centre - reach + target).div_euclid(2 * target).max(0);
        let end = (centre + reach + target) / (2 * target);
        let shares = (first..end.min(source))
            .map(|x| (reach - ((2 * x + 1) * target - centre).abs()).max(0) as u64);
        let shares: Vec<u64> = shares.collect();
        let total: u64 = shares.iter().sum();
        let weight = |share: u64| ((share << (BITS + 1)) + total) / (2 * total);
        Self {
            first: first as usize,
            weights: shares.into_iter().map(weight).collect(),
        }
    }

    fn sum(&self, pixel: impl Fn(usize) -> [u8; 4]) -> [u8; 4] {
        let mut sums = [HALF; 4];
        for (x, weight) in (self.first..).zip(&self.weights) {
            for (sum, byte) in sums.iter_mut().zip(pixel(x)) {
                *sum += weight * u64::from(byte);
            }
        }
        sums.map(|sum| (sum >> BITS).min(255) as u8)
    }
}
