//! Drawing detections over a picture, as `fpn detect` does.

mod mask;
mod skeleton;

use std::sync::LazyLock;

use ab_glyph::{FontRef, PxScale};
use image::{DynamicImage, Rgb, RgbImage};
use imageproc::drawing::{
    draw_filled_circle_mut, draw_filled_rect_mut, draw_hollow_rect_mut, draw_text_mut, text_size,
};
use imageproc::rect::Rect;

use crate::detections::Detection;

static FONT: LazyLock<FontRef<'static>> = LazyLock::new(|| {
    FontRef::try_from_slice(epaint_default_fonts::UBUNTU_LIGHT).expect("the font is a font")
});

/// White.
pub const WHITE: Rgb<u8> = Rgb([255, 255, 255]);
/// Black.
pub const BLACK: Rgb<u8> = Rgb([0, 0, 0]);

/// The picture with a box, a name and a score for each detection, its landmarks, mask and keypoints.
pub fn annotate(picture: &DynamicImage, detections: &[Detection]) -> RgbImage {
    let mut canvas = picture.to_rgb8();
    let pen = Pen::for_size(canvas.width(), canvas.height());
    pen.draw(&mut canvas, detections, 1.0, true);
    canvas
}

/// Line width and letter height that suit a picture.
pub struct Pen {
    width: i32,
    letters: f32,
}

impl Pen {
    /// For a picture of this size in pixels.
    pub fn for_size(width: u32, height: u32) -> Self {
        let side = width.min(height) as f32;
        Self {
            width: (side / 250.0).round().clamp(2.0, 8.0) as i32,
            letters: (side / 28.0).clamp(12.0, 48.0),
        }
    }

    /// Detections, best first, on a canvas that shows the picture `scale` times as large.
    pub fn draw<'a, D>(&self, canvas: &mut RgbImage, detections: D, scale: f32, labels: bool)
    where
        D: IntoIterator<Item = &'a Detection, IntoIter: Clone + DoubleEndedIterator>,
    {
        // The best last, on top; masks below all lines.
        let detections = detections.into_iter().rev();
        for detection in detections.clone() {
            if let Some(mask) = &detection.mask {
                let colour = colour_of(detection.label);
                mask::draw(canvas, mask, scale, self.width as u8, colour);
            }
        }
        for detection in detections {
            self.draw_lines(canvas, detection, scale, labels);
        }
    }

    /// All of a detection but its mask.
    fn draw_lines(&self, canvas: &mut RgbImage, detection: &Detection, scale: f32, label: bool) {
        let colour = colour_of(detection.label);
        // What is drawn outside the canvas is not seen, but takes time.
        let outside = 2.0 * self.width as f32;
        let (right, bottom) = (
            canvas.width() as f32 + outside,
            canvas.height() as f32 + outside,
        );
        let x = |x: f32| (x * scale).clamp(-outside, right).round() as i32;
        let y = |y: f32| (y * scale).clamp(-outside, bottom).round() as i32;
        let [x1, y1, x2, y2] = detection.bbox;
        let [x1, y1, x2, y2] = [x(x1), y(y1), x(x2), y(y2)];
        for inset in 0..self.width {
            let (width, height) = (x2 - x1 - 2 * inset, y2 - y1 - 2 * inset);
            if width > 0 && height > 0 {
                let frame = Rect::at(x1 + inset, y1 + inset).of_size(width as u32, height as u32);
                draw_hollow_rect_mut(canvas, frame, colour);
            }
        }
        for point in detection.landmarks.iter().flatten() {
            draw_filled_circle_mut(canvas, (x(point[0]), y(point[1])), self.width + 1, colour);
        }
        if let Some(keypoints) = &detection.keypoints {
            let place = |&[x, y, score]: &[f32; 3]| [x * scale, y * scale, score];
            let keypoints: Vec<[f32; 3]> = keypoints.iter().map(place).collect();
            skeleton::draw(canvas, &keypoints, 1.5 * self.width as f32, colour);
        }
        if label {
            let text = format!("{} {:.2}", detection.name, detection.score);
            self.label(canvas, &text, [x1, y1], colour);
        }
    }

    /// A line of text on a coloured ground, above `corner` where there is room, else below.
    fn label(&self, canvas: &mut RgbImage, text: &str, [x, y]: [i32; 2], colour: Rgb<u8>) {
        let scale = PxScale::from(self.letters);
        let (width, _) = text_size(scale, &*FONT, text);
        let height = self.letters.ceil() as u32;
        let y = if y >= height as i32 {
            y - height as i32
        } else {
            y
        };
        let x = x.min(canvas.width() as i32 - width as i32 - 4).max(0);
        let y = y.max(0);
        draw_filled_rect_mut(canvas, Rect::at(x, y).of_size(width + 4, height), colour);
        let ink = if luminance(colour) > 140.0 {
            BLACK
        } else {
            WHITE
        };
        draw_text_mut(canvas, ink, x + 2, y, scale, &*FONT, text);
    }
}

/// A line of text, its letters `height` pixels high.
pub fn write(canvas: &mut RgbImage, text: &str, [x, y]: [i32; 2], height: f32, ink: Rgb<u8>) {
    draw_text_mut(canvas, ink, x, y, PxScale::from(height), &*FONT, text);
}

/// The colour of a class.
pub fn colour_of(label: usize) -> Rgb<u8> {
    let palette = colorous::TABLEAU10;
    let colour = palette[label % palette.len()];
    Rgb([colour.r, colour.g, colour.b])
}

/// The values of a map that become the darkest and the brightest colour: all but the last hundredth at either end, so
/// that one outlying cell does not darken the rest. None where there are fewer than two.
pub fn contrast(values: &[f32]) -> Option<[f32; 2]> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    let cut = sorted.len() / 100;
    match sorted.get(cut..sorted.len() - cut) {
        Some([low, .., high]) => Some([*low, *high]),
        _ => None,
    }
}

fn luminance(Rgb([r, g, b]): Rgb<u8>) -> f32 {
    0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b)
}
