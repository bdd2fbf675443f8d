//! From a picture to a network's input: scale, normalize, resize, pad. For torchvision's detectors
//! the same arithmetic, in the same order, as its `GeneralizedRCNNTransform`.

use burn::tensor::{Device, Tensor, TensorData};
use image::RgbaImage;
use rayon::prelude::*;

/// The bounds a picture is resized into, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResizeBounds {
    /// The short side becomes this …
    pub min_size: usize,
    /// … unless the long side would pass this.
    pub max_size: usize,
}

/// How pictures are prepared for a model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transform {
    /// Values 0–255 are divided by this first.
    pub divisor: f32,
    /// Subtracted from red, green and blue.
    pub mean: [f32; 3],
    /// Red, green and blue are divided by this.
    pub std: [f32; 3],
    /// How the picture is resized; `None` leaves its size.
    pub resize: Option<ResizeBounds>,
    /// The input's sides are padded with zeros, right and below, to a multiple of this.
    pub multiple: usize,
}

impl Transform {
    /// torchvision's detectors: ImageNet's mean and deviation, 800/1333, multiples of 32.
    pub const fn torchvision() -> Self {
        Self {
            divisor: 255.0,
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
            resize: Some(ResizeBounds {
                min_size: 800,
                max_size: 1333,
            }),
            multiple: 32,
        }
    }

    /// RetinaFace: 0–255 less the mean, the picture's own size.
    pub const fn retinaface() -> Self {
        Self {
            divisor: 1.0,
            mean: [104.0, 117.0, 123.0],
            std: [1.0; 3],
            resize: None,
            multiple: 1,
        }
    }

    /// The sizes a picture of `[height, width]` goes through.
    pub fn frame(&self, original: [usize; 2]) -> Frame {
        let resized = match self.resize {
            None => original,
            Some(bounds) => {
                let [short, long] = [original[0].min(original[1]), original[0].max(original[1])];
                let scale = (bounds.min_size as f64 / short as f64)
                    .min(bounds.max_size as f64 / long as f64);
                // A side never vanishes: torchvision fails where it would.
                original.map(|side| ((side as f64 * scale).floor() as usize).max(1))
            }
        };
        Frame {
            original,
            resized,
            // A side too large for a number is too large for any network, which is said later.
            padded: resized
                .map(|side| side.checked_next_multiple_of(self.multiple).unwrap_or(side)),
        }
    }

    /// The network's input `[1, 3, H, W]` (RGB) for a picture; its alpha is ignored. `frame` is
    /// this transform's for the picture's size.
    pub fn apply(&self, picture: &RgbaImage, frame: &Frame, device: &Device) -> Tensor<4> {
        let [height, width] = frame.padded;
        let values = preprocess(picture, self, frame);
        Tensor::from_data(TensorData::new(values, [1, 3, height, width]), device)
    }
}

/// The sizes of one picture on its way, `[height, width]` each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// As it came.
    pub original: [usize; 2],
    /// As the network sees it.
    pub resized: [usize; 2],
    /// The network's input, padding included.
    pub padded: [usize; 2],
}

impl Frame {
    /// What the selecting operations need of it: `[4]`, the resized height and width, and the
    /// ratios (down, across) that take its pixels back to the original's.
    pub fn tensor(&self, device: &Device) -> Tensor<1> {
        let [height, width] = self.resized.map(|side| side as f32);
        let [down, across] = self.ratio();
        Tensor::from_data([height, width, down, across], device)
    }

    /// Bytes of the picture as it came, four a pixel.
    pub(crate) fn picture_bytes(&self) -> usize {
        let [height, width] = self.original;
        width.saturating_mul(height).saturating_mul(4)
    }

    /// What a length in the resized picture is multiplied by to be one in the original, down and
    /// across.
    pub fn ratio(&self) -> [f32; 2] {
        [0, 1].map(|axis| self.original[axis] as f32 / self.resized[axis] as f32)
    }
}

/// What the preprocessing kernel does, on the CPU: planes `[3, H, W]` of the padded input. Bilinear, half-pixel
/// centres, no antialiasing; the scale is that of the integer sizes.
pub(crate) fn preprocess(picture: &RgbaImage, transform: &Transform, frame: &Frame) -> Vec<f32> {
    let [height, width] = frame.resized;
    let [padded_height, padded_width] = frame.padded;
    let xs: Vec<Tap> = (0..width)
        .map(|x| Tap::at(x, frame.original[1], width))
        .collect();
    let mut planes = vec![0.0; 3 * padded_height * padded_width];
    planes
        .par_chunks_exact_mut(padded_width)
        .enumerate()
        .filter(|(row, _)| row % padded_height < height)
        .for_each(|(row, out)| {
            let (channel, y) = (row / padded_height, row % padded_height);
            let y = Tap::at(y, frame.original[0], height);
            let normal = |x: usize, y: usize| {
                let value = picture.as_raw()[(y * frame.original[1] + x) * 4 + channel];
                let value = f32::from(value) / transform.divisor;
                (value - transform.mean[channel]) / transform.std[channel]
            };
            for (value, x) in out.iter_mut().zip(&xs) {
                let row = |y: usize| x.far * normal(x.low, y) + x.near * normal(x.high, y);
                *value = y.far * row(y.low) + y.near * row(y.high);
            }
        });
    planes
}

/// The two source pixels of a target pixel along one axis, and their weights.
struct Tap {
    low: usize,
    high: usize,
    /// Weight of `low`.
    far: f32,
    /// Weight of `high`.
    near: f32,
}

impl Tap {
    fn at(target: usize, source_size: usize, target_size: usize) -> Self {
        let scale = source_size as f32 / target_size as f32;
        let position = ((target as f32 + 0.5) * scale - 0.5).max(0.0);
        let low = (position as usize).min(source_size - 1);
        let near = (position - low as f32).clamp(0.0, 1.0);
        Self {
            low,
            high: (low + 1).min(source_size - 1),
            far: 1.0 - near,
            near,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_never_vanish() {
        let frame = Transform::torchvision().frame([1, 4000]);
        assert_eq!(frame.resized, [1, 1333]);
        assert_eq!(frame.padded, [32, 1344]);
        let frame = Transform::torchvision().frame([1, 1]);
        assert_eq!(frame.resized, [800, 800]);
    }

    #[test]
    fn the_short_side_may_fall_short_by_a_pixel() {
        // 800 / 427 · 427 is 799.999… in f64.
        let frame = Transform::torchvision().frame([427, 640]);
        assert_eq!(frame.resized, [800, 1199]);
    }

    #[test]
    fn an_unresized_picture_is_only_normalized() {
        let picture = RgbaImage::from_pixel(5, 3, image::Rgba([104, 217, 23, 7]));
        let transform = Transform::retinaface();
        let frame = transform.frame([3, 5]);
        let values = preprocess(&picture, &transform, &frame);
        assert_eq!(values[..15], [0.0; 15]);
        assert_eq!(values[15..30], [100.0; 15]);
        assert_eq!(values[30..], [-100.0; 15]);
    }
}
