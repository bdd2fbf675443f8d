//! A scene: objects on a background, placed so that each is to be seen.

use std::f32::consts::TAU;

use image::RgbaImage;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use tiny_skia::{Color, Pixmap, Shader};

use super::background;
use super::colour::{from_hsv, mix, of_contrast, rgb};
use super::coverage::Coverage;
use super::figure::{Figure, by_hand};
use super::projection::Projection;
use super::shape::Shape;
use super::style::{Colours, Fill, Style};
use crate::boxes::{BBox, area, clip, iou};
use crate::data::{Example, Object};

/// Least share of an object that is not hidden by others nor cut off at the border.
pub(super) const LEAST_VISIBLE: f32 = 0.6;
/// Largest overlap of two boxes (IoU): of more, non-maximum suppression would lose one.
const LARGEST_OVERLAP: f32 = 0.5;
/// Smallest size of an object in pixels; the largest is a share of the picture's short side.
const SMALLEST: f32 = 10.0;
const LARGEST_SHARE: f32 = 0.85;
/// Smallest and largest size of small objects: COCO's small ones have less than 32 by 32 pixels.
const SMALL: [f32; 2] = [8.0, 30.0];

/// A picture that is being drawn.
pub struct Scene {
    canvas: Pixmap,
    coverage: Coverage,
    objects: Vec<Object>,
    /// The sheet of paper on which everything is drawn, if there is one.
    sheet: Option<Projection>,
    /// How far an object's colours are from those behind it.
    contrast: f32,
}

impl Scene {
    /// The scene of a seed, as `[height, width]` pixels (8 or more each): at least one object, 14
    /// at most, from 10 pixels to most of the picture. What overlaps another object, or the
    /// border, is still visible by more than a half. Without the effects of a camera.
    pub fn draw(seed: u64, [height, width]: [usize; 2]) -> Example {
        let mut rng = Pcg64Mcg::seed_from_u64(seed);
        let mut scene = Self::empty(&mut rng, [height, width]);
        let largest = (LARGEST_SHARE * height.min(width) as f32).max(SMALLEST + 1.0);
        let count = 3 + (12.0 * rng.random::<f32>().powf(1.3)) as usize;
        scene.fill(&mut rng, count, [SMALLEST, largest], 0.9);
        scene.finish()
    }

    /// The same with small objects only, 4 to 12 of about 8 to 30 pixels.
    pub fn draw_small(seed: u64, size: [usize; 2]) -> Example {
        let mut rng = Pcg64Mcg::seed_from_u64(seed);
        let mut scene = Self::empty(&mut rng, size);
        let count = rng.random_range(4..=12);
        scene.fill(&mut rng, count, SMALL, 1.0);
        scene.finish()
    }

    /// Add `count` objects from the smallest to the largest size, as far as there is room for them, at least one;
    /// more large ones the smaller `power` is.
    fn fill(&mut self, rng: &mut Pcg64Mcg, count: usize, [least, most]: [f32; 2], power: f32) {
        let mut sizes: Vec<(f32, f32)> = (0..count)
            .map(|_| {
                let size = least * (most / least).powf(rng.random::<f32>().powf(power));
                // Mostly the larger ones first: those drawn later lie above.
                (size, size * 3.0_f32.powf(rng.random_range(-1.0..1.0)))
            })
            .collect();
        sizes.sort_by(|a, b| b.1.total_cmp(&a.1));
        for (size, _) in sizes {
            self.add(rng, size);
        }
        if self.objects.is_empty() {
            self.add(rng, least);
        }
    }

    fn empty(rng: &mut Pcg64Mcg, [height, width]: [usize; 2]) -> Self {
        let mut canvas = Pixmap::new(width.max(1) as u32, height.max(1) as u32)
            .expect("a picture small enough to be held in memory");
        background::paint(&mut canvas, rng);
        let sheet = rng
            .random_bool(0.22)
            .then(|| background::lay_sheet(&mut canvas, rng));
        let contrast = match rng.random_bool(0.1) {
            true => 0.15,
            false => 0.3,
        };
        Self {
            canvas,
            coverage: Coverage::new([height, width]),
            objects: Vec::new(),
            sheet,
            contrast,
        }
    }

    /// Add an object of about `size` pixels where there is room; none if there is none.
    fn add(&mut self, rng: &mut Pcg64Mcg, size: f32) {
        const TRIES: usize = 12;
        let shape = Shape::ALL[rng.random_range(0..Shape::ALL.len() as u32) as usize];
        let style = match self.sheet {
            Some(_) => Style::pen(rng, size),
            None => Style::random(rng, size),
        };
        let mut contours = shape.contours(rng.random());
        if self.sheet.is_some() && rng.random_bool(0.6) {
            let (amplitude, phase) = (rng.random_range(0.0..0.03), rng.random_range(0.0..TAU));
            for contour in &mut contours {
                *contour = by_hand(contour, amplitude, phase);
            }
        }
        for _ in 0..TRIES {
            let projection = self.projection(rng, size);
            let filled = style.fill != Fill::None;
            let Some(figure) = Figure::new(&contours, projection, filled, style.line_width) else {
                continue;
            };
            let bbox = self.clipped(figure.bounds);
            let apart = |other: &Object| iou(other.bbox, bbox) <= LARGEST_OVERLAP;
            if self.objects.iter().all(apart) && self.coverage.lay(&figure, LEAST_VISIBLE) {
                self.paint(rng, &figure, style);
                self.objects.push(object(shape, bbox));
                return;
            }
        }
    }

    /// A random place, turn and tilt for a shape of `size` pixels.
    fn projection(&self, rng: &mut Pcg64Mcg, size: f32) -> Projection {
        let radius = size / 2.0;
        // Half of them stand as they are drawn on signs and paper, the others are turned at will.
        let turn = match rng.random_bool(0.5) {
            true => rng.random_range(-0.35..0.35),
            false => rng.random_range(0.0..TAU),
        };
        if let Some(sheet) = self.sheet {
            let scale = radius / sheet.scale();
            let reach = (1.0 - scale).max(0.05);
            let place = [
                rng.random_range(-reach..reach),
                rng.random_range(-reach..reach),
            ];
            return Projection::placed(place, scale, turn).then(sheet);
        }
        let most_cut = match rng.random_bool(0.25) {
            true => 0.1,
            false => 1.0,
        };
        let mut place = |length: u32| {
            let length = length as f32;
            let margin = (radius * most_cut).min(0.45 * length);
            rng.random_range(margin..length - margin)
        };
        let centre = [place(self.canvas.width()), place(self.canvas.height())];
        let tilt = rng.random_range(0.0..0.6_f32);
        let axis = rng.random_range(0.0..TAU);
        Projection::placed([0.0; 2], 1.0, turn)
            .then(Projection::tilted(axis, tilt))
            .then(Projection::placed(centre, radius, 0.0))
    }

    fn clipped(&self, bounds: BBox) -> BBox {
        let (width, height) = (self.canvas.width() as f32, self.canvas.height() as f32);
        clip(bounds, [height, width])
    }

    fn paint(&mut self, rng: &mut Pcg64Mcg, figure: &Figure, style: Style) {
        let colours = match self.sheet {
            Some(_) => {
                let ink = of_contrast(
                    rng,
                    ink,
                    &colours_below(&self.canvas, figure.bounds),
                    self.contrast,
                );
                Colours {
                    fill: ink,
                    second: mix(ink, Color::WHITE, 0.4),
                    line: ink,
                }
            }
            None => Colours::random(
                rng,
                style,
                &colours_below(&self.canvas, figure.bounds),
                self.contrast,
            ),
        };
        let interior = colours.interior(style.fill, figure.bounds, rng.random_range(0.0..TAU));
        figure.draw(&mut self.canvas, interior, Shader::SolidColor(colours.line));
    }

    fn finish(self) -> Example {
        Example {
            picture: picture(self.canvas),
            objects: self.objects,
        }
    }
}

/// Samples of what is there in and around a box.
pub(super) fn colours_below(canvas: &Pixmap, [x1, y1, x2, y2]: BBox) -> Vec<Color> {
    const SIDE: usize = 7;
    let at = |low: f32, high: f32, index: usize| {
        let part = 1.2 * index as f32 / (SIDE - 1) as f32 - 0.1;
        low + (high - low) * part
    };
    (0..SIDE * SIDE)
        .map(|i| (at(x1, x2, i % SIDE), at(y1, y2, i / SIDE)))
        .filter(|&(x, y)| x >= 0.0 && y >= 0.0)
        .filter_map(|(x, y)| canvas.pixel(x as u32, y as u32))
        .map(|pixel| Color::from_rgba8(pixel.red(), pixel.green(), pixel.blue(), 255))
        .collect()
}

/// The canvas as a picture. Everything drawn is opaque, so nothing has to be divided by alpha.
pub(super) fn picture(canvas: Pixmap) -> RgbaImage {
    let (width, height) = (canvas.width(), canvas.height());
    RgbaImage::from_raw(width, height, canvas.take()).expect("four bytes a pixel")
}

/// An object of the sets of scenes.
pub(super) fn object(shape: Shape, bbox: BBox) -> Object {
    Object {
        bbox,
        label: shape.label(),
        area: area(bbox),
        crowd: false,
        difficult: false,
    }
}

/// A dark colour, as of pens and printers.
fn ink(rng: &mut Pcg64Mcg) -> Color {
    match rng.random_range(0..3) {
        0 => rgb([rng.random_range(0.0..0.3); 3]),
        _ => from_hsv(
            rng.random_range(0.0..6.0),
            rng.random_range(0.6..1.0),
            rng.random_range(0.25..0.75),
        ),
    }
}
