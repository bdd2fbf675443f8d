//! A shape as it is drawn: areas in pixels, and the box around them.

use std::f32::consts::TAU;

use tiny_skia::{
    FillRule, LineJoin, Mask, Paint, Path, PathBuilder, Pixmap, Shader, Stroke, Transform,
};

use super::projection::Projection;
use super::shape::Contour;
use crate::ops::boxes::BBox;

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
