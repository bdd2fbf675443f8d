//! From a picture to a network's input: scale, normalize, resize, pad. Each [`Resizer`] does the same
//! arithmetic, in the same order, as the code it is named after.

mod pillow;

use std::borrow::Cow;

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

/// The order of a picture's channels in a network's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelOrder {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
}

impl ChannelOrder {
    /// Where red, green and blue are among the input's channels, and the other way round.
    fn places(self) -> [usize; 3] {
        match self {
            Self::Rgb => [0, 1, 2],
            Self::Bgr => [2, 1, 0],
        }
    }
}

/// Whose way of resizing a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resizer {
    /// torchvision's detectors: normalized values, bilinear without antialiasing, the scale that of the
    /// integer sizes, which are rounded down.
    Torchvision,
    /// Pillow's `BILINEAR`, as detectron2 uses it: bytes, before they are normalized, through a triangle
    /// as wide as the scale, across and then down, each time rounded to bytes.
    Pillow,
    /// OpenCV's `INTER_LINEAR` by a factor, as the C4 models use it: normalized values, bilinear without
    /// antialiasing, the scale that factor, whatever the sizes were rounded to.
    OpenCv,
    /// OpenCV's `warpPerspective` as NanoDet uses it, without its rounding: bytes, before they are
    /// normalized, bilinear from index to index without antialiasing, black beyond the picture. The long
    /// side becomes `max_size`, and the picture lies in the middle of what its sides are rounded down to.
    NanoDet,
    /// The same as NanoDet-Plus uses it: both sides become `max_size`.
    NanoDetPlus,
}

impl Resizer {
    /// Whether it warps a picture into a square, whose side is both bounds.
    pub fn is_warp(self) -> bool {
        matches!(self, Self::NanoDet | Self::NanoDetPlus)
    }

    /// A picture of `original` height and width and what it is brought to; no padding yet. No side
    /// vanishes, where the originals fail.
    fn frame(self, original: [usize; 2], bounds: ResizeBounds) -> Frame {
        let fitted = |resized: [usize; 2], ratio| Frame {
            original,
            resized,
            padded: resized,
            ratio,
            shift: [0.0; 2],
        };
        let sides = original.map(|side| side as f64);
        let [short, long] = [sides[0].min(sides[1]), sides[0].max(sides[1])];
        let (least, most) = (bounds.min_size as f64, bounds.max_size as f64);
        let least_scale = least / short;
        let sizes = match self {
            Self::Torchvision => {
                let scale = least_scale.min(most / long);
                sides.map(|side| (side * scale).floor())
            }
            Self::Pillow => {
                let limit = (most / (long * least_scale)).min(1.0);
                let scaled = sides.map(|side| match side == short {
                    true => least,
                    false => side * least_scale,
                });
                scaled.map(|side| (side * limit + 0.5).floor())
            }
            Self::OpenCv => {
                let is_too_long = (long * least_scale).round_ties_even() > most;
                let scale = if is_too_long {
                    most / long
                } else {
                    least_scale
                };
                let sizes = sides.map(|side| (side * scale).round_ties_even() as usize);
                return fitted(sizes.map(|side| side.max(1)), [(1.0 / scale) as f32; 2]);
            }
            Self::NanoDet => {
                let sizes = sides.map(|side| (most / long * side).floor().max(1.0));
                // The scale that fits both of the rounded sides.
                let [down, across] = [0, 1].map(|axis| sizes[axis] / sides[axis]);
                let scale = down.min(across);
                let shift = |axis: usize| (sides[axis] - sizes[axis] / scale) / 2.0;
                return Frame {
                    shift: [0, 1].map(|axis| shift(axis) as f32),
                    ..fitted(sizes.map(|side| side as usize), [(1.0 / scale) as f32; 2])
                };
            }
            Self::NanoDetPlus => [most; 2],
        };
        let resized = sizes.map(|side| (side as usize).max(1));
        let ratio = [0, 1].map(|axis| original[axis] as f32 / resized[axis] as f32);
        fitted(resized, ratio)
    }
}

/// How pictures are prepared for a model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transform {
    /// The order of the input's channels.
    pub order: ChannelOrder,
    /// Values 0–255 are divided by this first.
    pub divisor: f32,
    /// Subtracted from the input's channels, in their order.
    pub mean: [f32; 3],
    /// The input's channels are divided by this, in their order.
    pub std: [f32; 3],
    /// Into which bounds the picture is resized; `None` leaves its size.
    pub resize: Option<ResizeBounds>,
    /// Whose way of resizing.
    pub resizer: Resizer,
    /// The input's sides are padded with zeros, right and below, to a multiple of this.
    pub multiple: usize,
    /// The same where a side has less than this.
    pub least: usize,
}

impl Transform {
    /// torchvision's detectors: ImageNet's mean and deviation, 800/1333, multiples of 32.
    pub const fn torchvision() -> Self {
        Self {
            order: ChannelOrder::Rgb,
            divisor: 255.0,
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
            resize: Some(ResizeBounds {
                min_size: 800,
                max_size: 1333,
            }),
            resizer: Resizer::Torchvision,
            multiple: 32,
            least: 1,
        }
    }

    /// RetinaFace: 0–255 less the mean, the picture's own size.
    pub const fn retinaface() -> Self {
        Self {
            order: ChannelOrder::Rgb,
            divisor: 1.0,
            mean: [104.0, 117.0, 123.0],
            std: [1.0; 3],
            resize: None,
            resizer: Resizer::Torchvision,
            multiple: 1,
            least: 1,
        }
    }

    /// The sizes a picture of `[height, width]` goes through.
    pub fn frame(&self, original: [usize; 2]) -> Frame {
        let frame = match self.resize {
            None => Frame::unresized(original),
            Some(bounds) => self.resizer.frame(original, bounds),
        };
        Frame {
            // A side too large for a number is too large for any network, which is said later.
            padded: frame.resized.map(|side| {
                let side = side.max(self.least);
                side.checked_next_multiple_of(self.multiple).unwrap_or(side)
            }),
            ..frame
        }
    }

    /// A side before and after, in pixels, that is resized too far to be computed exactly, if there is
    /// one. None is in any picture of common proportions.
    pub(crate) fn out_of_reach(&self, frame: &Frame) -> Option<[usize; 2]> {
        let [product, square] = PILLOW_LIMITS;
        let sides = [0, 1].map(|axis| [frame.original[axis], frame.resized[axis]]);
        let is_within = |[from, to]: &[usize; 2]| {
            from.saturating_mul(*to) <= product
                && from.saturating_mul(*from) <= to.saturating_mul(square)
        };
        let mut sides = sides.into_iter();
        sides.find(|side| self.resizer == Resizer::Pillow && !is_within(side))
    }

    /// The network's input `[1, 3, H, W]` for a picture; its alpha is ignored. `frame` is
    /// this transform's for the picture's size.
    pub fn apply(&self, picture: &RgbaImage, frame: &Frame, device: &Device) -> Tensor<4> {
        let [height, width] = frame.padded;
        let values = preprocess(picture, self, frame);
        Tensor::from_data(TensorData::new(values, [1, 3, height, width]), device)
    }
}

/// Most that the product of a side's lengths before and after may be for Pillow's resizer, and most that
/// the first one's square may be times the second: the kernel counts in 32 bits.
const PILLOW_LIMITS: [usize; 2] = [1 << 30, 1 << 27];

/// The sizes of one picture on its way, `[height, width]` each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// As it came.
    pub original: [usize; 2],
    /// As the network sees it.
    pub resized: [usize; 2],
    /// The network's input, padding included.
    pub padded: [usize; 2],
    /// What a length in the resized picture is multiplied by to be one in the original, down and
    /// across.
    pub ratio: [f32; 2],
    /// Where the resized picture begins in the original, in pixels of that one, down and across: what is
    /// added then to a place.
    pub shift: [f32; 2],
}

impl Frame {
    /// The part of the network's input, down and across, that lies over the picture.
    pub(crate) fn coverage(&self) -> [f32; 2] {
        [0, 1].map(|axis| self.resized[axis] as f32 / self.padded[axis] as f32)
    }

    /// Of a picture that stays as it is.
    fn unresized(size: [usize; 2]) -> Self {
        Self {
            original: size,
            resized: size,
            padded: size,
            ratio: [1.0; 2],
            shift: [0.0; 2],
        }
    }

    /// What the selecting operations need of it: `[6]`, the resized height and width, and the
    /// ratios and shifts (down, across) that take its pixels back to the original's.
    pub fn tensor(&self, device: &Device) -> Tensor<1> {
        let size = self.resized.map(|side| side as f32);
        let values = [size, self.ratio, self.shift];
        Tensor::from_data(values.as_flattened(), device)
    }

    /// Bytes of the picture as it came, four a pixel.
    pub(crate) fn picture_bytes(&self) -> usize {
        let [height, width] = self.original;
        width.saturating_mul(height).saturating_mul(4)
    }
}

/// What the preprocessing kernels do, on the CPU: planes `[3, H, W]` of the padded input.
pub(crate) fn preprocess(picture: &RgbaImage, transform: &Transform, frame: &Frame) -> Vec<f32> {
    // Pillow's bytes are of the right size before they are normalized.
    let (picture, ratio) = match transform.resizer {
        Resizer::Pillow => (Cow::Owned(pillow::resize(picture, frame.resized)), [1.0; 2]),
        _ => (Cow::Borrowed(picture), frame.ratio),
    };
    let is_warp = transform.resizer.is_warp();
    let source = [picture.height(), picture.width()].map(|side| side as usize);
    let [height, width] = frame.resized;
    let [padded_height, padded_width] = frame.padded;
    let tap = |target: usize, axis: usize| match is_warp {
        true => Tap::warped(target, ratio[axis], frame.shift[axis], source[axis]),
        false => Tap::at(target, ratio[axis], source[axis]),
    };
    let xs: Vec<Tap> = (0..width).map(|x| tap(x, 1)).collect();
    let mut planes = vec![0.0; 3 * padded_height * padded_width];
    planes
        .par_chunks_exact_mut(padded_width)
        .enumerate()
        .filter(|(row, _)| row % padded_height < height)
        .for_each(|(row, out)| {
            let (channel, y) = (row / padded_height, row % padded_height);
            let colour = transform.order.places()[channel];
            let y = tap(y, 0);
            let byte =
                |x: usize, y: usize| f32::from(picture.as_raw()[(y * source[1] + x) * 4 + colour]);
            let normal = |value: f32| {
                (value / transform.divisor - transform.mean[channel]) / transform.std[channel]
            };
            for (value, x) in out.iter_mut().zip(&xs) {
                *value = match is_warp {
                    true => normal(between(x, &y, byte)),
                    false => between(x, &y, |x, y| normal(byte(x, y))),
                };
            }
        });
    planes
}

/// What lies between four source pixels.
fn between(x: &Tap, y: &Tap, value: impl Fn(usize, usize) -> f32) -> f32 {
    let row = |y: usize| x.far * value(x.low, y) + x.near * value(x.high, y);
    y.far * row(y.low) + y.near * row(y.high)
}

/// The two source pixels of a target pixel along one axis, and their weights.
pub(crate) struct Tap {
    pub low: usize,
    pub high: usize,
    /// Weight of `low`.
    pub far: f32,
    /// Weight of `high`.
    pub near: f32,
}

impl Tap {
    /// With half-pixel centres; `ratio` source pixels are one of the target's.
    pub fn at(target: usize, ratio: f32, source_size: usize) -> Self {
        let position = ((target as f32 + 0.5) * ratio - 0.5).max(0.0);
        let low = (position as usize).min(source_size - 1);
        let near = (position - low as f32).clamp(0.0, 1.0);
        Self {
            low,
            high: (low + 1).min(source_size - 1),
            far: 1.0 - near,
            near,
        }
    }

    /// From index to index. A pixel beyond the source is black, and weighs nothing.
    fn warped(target: usize, ratio: f32, shift: f32, source_size: usize) -> Self {
        let position = target as f32 * ratio + shift;
        let low = position.floor();
        let near = position - low;
        let pixel = |index: f32, weight: f32| match index >= 0.0 && index < source_size as f32 {
            true => (index as usize, weight),
            false => (0, 0.0),
        };
        let ((low, far), (high, near)) = (pixel(low, 1.0 - near), pixel(low + 1.0, near));
        Self {
            low,
            high,
            far,
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
    fn sides_far_out_of_proportion_are_out_of_reach() {
        let pillow = Transform {
            resizer: Resizer::Pillow,
            ..Transform::torchvision()
        };
        let out_of_reach = |size| pillow.out_of_reach(&pillow.frame(size));
        assert_eq!(out_of_reach([8000, 12_000]), None);
        assert_eq!(out_of_reach([1, 40_000]), None);
        assert_eq!(out_of_reach([1, 1_000_000]), Some([1_000_000, 1333]));
        let torchvision = Transform::torchvision();
        let frame = torchvision.frame([1, 1_000_000]);
        assert_eq!(torchvision.out_of_reach(&frame), None);
    }

    #[test]
    fn colours_are_in_the_order_of_the_network() {
        let picture = RgbaImage::from_pixel(2, 1, image::Rgba([10, 20, 30, 255]));
        let transform = Transform {
            order: ChannelOrder::Bgr,
            mean: [30.0, 18.0, 7.0],
            std: [1.0, 2.0, 1.0],
            ..Transform::retinaface()
        };
        let values = preprocess(&picture, &transform, &transform.frame([1, 2]));
        assert_eq!(values, [0.0, 0.0, 1.0, 1.0, 3.0, 3.0]);
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
