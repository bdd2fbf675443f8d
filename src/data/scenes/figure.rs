//! A shape as it is drawn: areas in pixels, and the box around them.

use std::f32::consts::TAU;

use tiny_skia::{
    FillRule, LineJoin, Mask, Paint, Path, PathBuilder, Pixmap, Shader, Stroke, Transform,
};

use super::projection::Projection;
use super::shape::Contour;
use crate::boxes::BBox;

/// The areas that a shape colours.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    /// The inside, unless only the outline is drawn.
    interior: Option<Path>,
    /// The outline, as wide as it is drawn.
    line: Option<Path>,
    /// Around both, in pixels; `x2` and `y2` exclusive; not cut to the picture.
    pub bounds: BBox,
}

impl Figure {
    /// `contours` as `projection` lays them; filled or not; with a line of `line_width` pixels
    /// along them, 0 for none. `None` if there is nothing to draw.
    pub fn new(
        contours: &[Contour],
        projection: Projection,
        filled: bool,
        line_width: f32,
    ) -> Option<Self> {
        let mut builder = PathBuilder::new();
        for contour in contours {
            for (index, &point) in contour.iter().enumerate() {
                let [x, y] = projection.apply(point);
                match index {
                    0 => builder.move_to(x, y),
                    _ => builder.line_to(x, y),
                }
            }
            builder.close();
        }
        let outline = builder.finish()?;
        let stroke = Stroke {
            width: line_width,
            line_join: LineJoin::Round,
            ..Stroke::default()
        };
        let line = match line_width > 0.0 {
            true => Some(outline.stroke(&stroke, 1.0)?),
            false => None,
        };
        let interior = filled.then_some(outline);
        let bounds = [&interior, &line]
            .into_iter()
            .flatten()
            .filter_map(Path::compute_tight_bounds)
            .map(|rect| [rect.left(), rect.top(), rect.right(), rect.bottom()])
            .reduce(|a, b| {
                [
                    a[0].min(b[0]),
                    a[1].min(b[1]),
                    a[2].max(b[2]),
                    a[3].max(b[3]),
                ]
            })?;
        Some(Self {
            interior,
            line,
            bounds,
        })
    }

    /// Draw it onto a picture.
    pub fn draw(&self, canvas: &mut Pixmap, interior: Shader, line: Shader) {
        let areas = [
            (&self.interior, interior, FillRule::EvenOdd),
            (&self.line, line, FillRule::Winding),
        ];
        for (path, shader, rule) in areas {
            let Some(path) = path else { continue };
            let paint = Paint {
                shader,
                ..Paint::default()
            };
            canvas.fill_path(path, &paint, rule, Transform::identity(), None);
        }
    }

    /// The pixels that it colours, and where the mask's corner lies in the picture. `None` if it
    /// is larger than a mask can be.
    pub fn mask(&self) -> Option<(Mask, [i32; 2])> {
        let [x1, y1, x2, y2] = self.bounds;
        let corner = [x1.floor(), y1.floor()];
        let mut mask = Mask::new(
            (x2.ceil() - corner[0]) as u32,
            (y2.ceil() - corner[1]) as u32,
        )?;
        let shift = Transform::from_translate(-corner[0], -corner[1]);
        for (path, rule) in [
            (&self.interior, FillRule::EvenOdd),
            (&self.line, FillRule::Winding),
        ] {
            if let Some(path) = path {
                mask.fill_path(path, rule, true, shift);
            }
        }
        Some((mask, corner.map(|value| value as i32)))
    }
}

/// The contour as an unsteady hand draws it: displaced by up to about `amplitude`, in waves that
/// begin at `phase` (radians).
pub(super) fn by_hand(contour: &Contour, amplitude: f32, phase: f32) -> Contour {
    /// Pieces of a side, for straight ones to bend.
    const PIECES: usize = 12;
    let count = contour.len() * PIECES;
    (0..count)
        .map(|index| {
            let (corner, piece) = (index / PIECES, index % PIECES);
            let (from, to) = (contour[corner], contour[(corner + 1) % contour.len()]);
            let part = piece as f32 / PIECES as f32;
            let along = TAU * index as f32 / count as f32;
            let x = 0.6 * (2.0 * along + phase).sin() + 0.4 * (5.0 * along + 2.0 * phase).sin();
            let y = 0.6 * (3.0 * along + 4.0 * phase).sin() + 0.4 * (7.0 * along - phase).sin();
            [
                from[0] + (to[0] - from[0]) * part + amplitude * x,
                from[1] + (to[1] - from[1]) * part + amplitude * y,
            ]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use tiny_skia::Color;

    use super::*;
    use crate::data::scenes::shape::Shape;

    /// Bounds of the pixels that are not white.
    fn drawn(canvas: &Pixmap) -> BBox {
        let width = canvas.width() as usize;
        let mut bounds = [f32::MAX, f32::MAX, 0.0, 0.0_f32];
        for (index, pixel) in canvas.pixels().iter().enumerate() {
            if pixel.red() < 255 {
                let (x, y) = ((index % width) as f32, (index / width) as f32);
                bounds = [
                    bounds[0].min(x),
                    bounds[1].min(y),
                    bounds[2].max(x + 1.0),
                    bounds[3].max(y + 1.0),
                ];
            }
        }
        bounds
    }

    #[test]
    fn boxes_are_those_of_the_pixels() {
        for (case, shape) in Shape::ALL.into_iter().cycle().take(96).enumerate() {
            let part = case as f32 / 96.0;
            let size = 10.0 * 25.0_f32.powf((7.0 * part).fract());
            let mut contours = shape.contours(part);
            if case % 3 == 0 {
                contours = contours.iter().map(|c| by_hand(c, 0.04, part)).collect();
            }
            let projection = Projection::placed([0.0; 2], 1.0, 9.0 * part)
                .then(Projection::tilted(5.0 * part, 0.6 * part))
                .then(Projection::placed([200.3, 199.6], size / 2.0, 0.0));
            let (filled, line_width) =
                [(true, 0.0), (true, 0.06 * size), (false, 0.08 * size)][case / 8 % 3];
            let figure = Figure::new(&contours, projection, filled, line_width).unwrap();
            let mut canvas = Pixmap::new(400, 400).unwrap();
            canvas.fill(Color::WHITE);
            let black = || Shader::SolidColor(Color::BLACK);
            figure.draw(&mut canvas, black(), black());
            for (told, seen) in figure.bounds.iter().zip(drawn(&canvas)) {
                assert!(
                    (told - seen).abs() <= 1.0,
                    "{shape:?} of {size}: {told}, drawn {seen}"
                );
            }
        }
    }
}
