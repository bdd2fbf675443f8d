//! Masks over a picture.

use image::{GrayImage, Luma, Pixel, Rgb, RgbImage};
use imageproc::distance_transform::Norm;
use imageproc::morphology::erode_mut;

use crate::masks::Rle;

/// How much of the picture a mask's inside covers, of 255.
const COVER: u8 = 110;
const SET: Luma<u8> = Luma([255]);

/// Lay a mask over a canvas that shows the picture `scale` times as large: a translucent inside, and a contour
/// `line` pixels wide.
pub fn draw(canvas: &mut RgbImage, mask: &Rle, scale: f32, line: u8, colour: Rgb<u8>) {
    let Some(window) = Window::of(mask, scale, canvas) else {
        return;
    };
    let all = window.sample(mask, scale);
    let mut inside = all.clone();
    erode_mut(&mut inside, Norm::L2, line);
    for (x, y, pixel) in all.enumerate_pixels() {
        if *pixel != SET {
            continue;
        }
        let alpha = match *inside.get_pixel(x, y) == SET {
            true => COVER,
            false => u8::MAX,
        };
        // Only what is on the canvas is set, and that is never on the margin.
        let drawn = canvas.get_pixel_mut(window.left + x - MARGIN, window.top + y - MARGIN);
        *drawn = drawn.map2(&colour, |below, above| mixed(below, above, alpha));
    }
}

/// Around a window there is nothing, so that a contour goes along a picture's edge, too.
const MARGIN: u32 = 1;

fn mixed(below: u8, above: u8, alpha: u8) -> u8 {
    let [below, above, alpha] = [below, above, alpha].map(u16::from);
    ((below * (255 - alpha) + above * alpha + 127) / 255) as u8
}

/// The part of the canvas that a mask covers, in its pixels.
struct Window {
    left: u32,
    top: u32,
    right: u32,
    bottom: u32,
}

impl Window {
    /// None if the mask covers nothing of it.
    fn of(mask: &Rle, scale: f32, canvas: &RgbImage) -> Option<Self> {
        let [x1, y1, x2, y2] = mask.bbox()?.map(|edge| edge as f32 * scale);
        let window = Self {
            left: x1.floor() as u32,
            top: y1.floor() as u32,
            right: (x2.ceil() as u32).min(canvas.width()),
            bottom: (y2.ceil() as u32).min(canvas.height()),
        };
        (window.left < window.right && window.top < window.bottom).then_some(window)
    }

    /// What of it the mask covers: a pixel of the canvas belongs to it if the picture's pixel at its centre does.
    fn sample(&self, mask: &Rle, scale: f32) -> GrayImage {
        let [width, height] = [self.right - self.left, self.bottom - self.top];
        let mut sampled = GrayImage::new(width + 2 * MARGIN, height + 2 * MARGIN);
        // The canvas' pixels, from the first to after the last, whose centres lie in a range of the picture's.
        let within = |from: f32, to: f32, start: u32, count: u32| {
            let [from, to] = [from, to].map(|edge| (edge * scale - 0.5).ceil() - start as f32);
            let [from, to] = [from, to].map(|edge| edge.clamp(0.0, count as f32) as u32);
            from..to
        };
        for [x, top, bottom] in columns(mask) {
            for x in within(x, x + 1.0, self.left, width) {
                for y in within(top, bottom, self.top, height) {
                    sampled.put_pixel(x + MARGIN, y + MARGIN, SET);
                }
            }
        }
        sampled
    }
}

/// A mask's runs cut into columns: the column, and from where to where in it.
fn columns(mask: &Rle) -> impl Iterator<Item = [f32; 3]> {
    let height = mask.size()[0];
    mask.ranges().flat_map(move |range| {
        let [start, end] = [range.start as usize, range.end as usize];
        let [first, last] = [start / height, (end - 1) / height];
        (first..=last).map(move |column| {
            let top = start.max(column * height) - column * height;
            let bottom = end.min((column + 1) * height) - column * height;
            [column as f32, top as f32, bottom as f32]
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLOUR: Rgb<u8> = Rgb([255, 0, 0]);

    /// A black canvas with a mask of the rectangle over it, in a picture of 20 × 30 pixels.
    fn drawn([x1, y1, x2, y2]: [usize; 4], scale: f32, line: u8) -> RgbImage {
        let is_set = |pixel: usize| {
            let (x, y) = (pixel % 20, pixel / 20);
            (x1..x2).contains(&x) && (y1..y2).contains(&y)
        };
        let bitmap: Vec<bool> = (0..600).map(is_set).collect();
        let mask = Rle::from_bitmap([30, 20], &bitmap).expect("pixels");
        let mut canvas = RgbImage::new((20.0 * scale) as u32, (30.0 * scale) as u32);
        draw(&mut canvas, &mask, scale, line, COLOUR);
        canvas
    }

    /// How many pixels have this much red.
    fn count(canvas: &RgbImage, red: u8) -> usize {
        canvas.pixels().filter(|pixel| pixel[0] == red).count()
    }

    #[test]
    fn the_inside_is_translucent_and_the_contour_is_not() {
        let canvas = drawn([3, 4, 13, 24], 1.0, 2);
        assert_eq!(count(&canvas, COVER), 6 * 16);
        assert_eq!(count(&canvas, 255), 10 * 20 - 6 * 16);
        assert_eq!(canvas.get_pixel(3, 4), &COLOUR);
        assert_eq!(canvas.get_pixel(5, 6), &Rgb([COVER, 0, 0]));
        assert_eq!(canvas.get_pixel(13, 23), &Rgb([0; 3]));
    }

    #[test]
    fn a_contour_goes_along_the_edge_of_the_picture() {
        let canvas = drawn([0, 0, 20, 30], 1.0, 1);
        assert_eq!(count(&canvas, 255), 2 * 20 + 2 * 28);
        assert_eq!(count(&canvas, COVER), 18 * 28);
    }

    #[test]
    fn masks_grow_and_shrink_with_the_picture() {
        for (scale, area) in [(2.0, 20 * 40), (0.5, 5 * 10)] {
            let canvas = drawn([4, 4, 14, 24], scale, 1);
            assert_eq!(canvas.pixels().filter(|pixel| pixel[0] > 0).count(), area);
        }
    }

    #[test]
    fn nothing_is_drawn_of_a_mask_that_is_empty_or_beside_the_canvas() {
        assert_eq!(count(&drawn([5, 5, 5, 5], 1.0, 1), 0), 600);
        let mask = Rle::from_counts([2, 40], [70, 10]).expect("runs of all pixels");
        let mut canvas = RgbImage::new(20, 1);
        draw(&mut canvas, &mask, 1.0, 1, COLOUR);
        assert_eq!(count(&canvas, 0), 20);
    }
}
