//! What lies behind the objects: surfaces, and clutter that is none of the shapes.

use std::f32::consts::{PI, TAU};

use rand::RngExt;
use rand_pcg::Pcg64Mcg;
use tiny_skia::{
    Color, FillRule, FilterQuality, LineCap, LineJoin, Paint, PathBuilder, Pattern, Pixmap, Rect,
    Shader, SpreadMode, Stroke, Transform,
};

use super::colour::{mix, random, rgb};
use super::projection::Projection;
use super::style::{along, stripes};

/// Paint the whole canvas.
pub(super) fn paint(canvas: &mut Pixmap, rng: &mut Pcg64Mcg) {
    let base = random(rng);
    let second = mix(base, random(rng), rng.random_range(0.1..0.5));
    let (width, height) = (canvas.width() as f32, canvas.height() as f32);
    let centre = [width / 2.0, height / 2.0];
    let angle = rng.random_range(0.0..TAU);
    match rng.random_range(0..10) {
        0 => canvas.fill(base),
        1..4 => cover(canvas, along(centre, width / 2.0, angle, [base, second])),
        4..7 => noise(canvas, rng, base),
        7 => {
            let period = rng.random_range(8.0_f32..90.0);
            cover(canvas, stripes(centre, period, angle, [base, second], 0.5));
        }
        8 => checks(canvas, [base, second], rng.random_range(8.0..64.0), angle),
        _ => {
            noise(canvas, rng, base);
            clutter(canvas, rng, 18);
        }
    }
    if rng.random_bool(0.35) {
        clutter(canvas, rng, 6);
    }
}

/// Lay a sheet of paper on the canvas; where its square of −1 to 1 comes to lie is returned.
pub(super) fn lay_sheet(canvas: &mut Pixmap, rng: &mut Pcg64Mcg) -> Projection {
    let (width, height) = (canvas.width() as f32, canvas.height() as f32);
    let centre = [
        width * rng.random_range(0.42..0.58),
        height * rng.random_range(0.42..0.58),
    ];
    let scale = width.max(height) * rng.random_range(0.42..0.7);
    let projection = Projection::placed([0.0; 2], 1.0, 0.0)
        .then(Projection::tilted(
            rng.random_range(0.0..TAU),
            rng.random_range(0.0..0.5),
        ))
        .then(Projection::placed(
            centre,
            scale,
            rng.random_range(-0.3..0.3),
        ));
    let white = rng.random_range(0.8..1.0);
    let warmth = rng.random_range(-0.04..0.06);
    let paper = rgb([white + warmth, white, white - warmth]);
    let shade = mix(paper, Color::BLACK, rng.random_range(0.0..0.25));
    let light = along(centre, scale, rng.random_range(0.0..TAU), [paper, shade]);
    let corners = [[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]];
    fill_polygon(
        canvas,
        &corners.map(|corner| projection.apply(corner)),
        light,
    );
    if rng.random_bool(0.15) {
        ruling(canvas, rng, projection, mix(paper, Color::BLACK, 0.2));
    }
    projection
}

/// Lines across a sheet, as in a school book.
fn ruling(canvas: &mut Pixmap, rng: &mut Pcg64Mcg, sheet: Projection, ink: Color) {
    let count = rng.random_range(8..24);
    for index in 1..count {
        let y = 2.0 * index as f32 / count as f32 - 1.0;
        let line = [[-1.0, y], [1.0, y]].map(|point| sheet.apply(point));
        draw_line(canvas, &line, ink, 1.0);
    }
}

fn cover(canvas: &mut Pixmap, shader: Shader) {
    let paint = Paint {
        shader,
        ..Paint::default()
    };
    let (width, height) = (canvas.width() as f32, canvas.height() as f32);
    if let Some(all) = Rect::from_xywh(0.0, 0.0, width, height) {
        canvas.fill_rect(all, &paint, Transform::identity(), None);
    }
}

/// A tile stretched over the canvas, or repeated there.
fn cover_with_tile(
    canvas: &mut Pixmap,
    tile: &Pixmap,
    mode: SpreadMode,
    quality: FilterQuality,
    transform: Transform,
) {
    cover(
        canvas,
        Pattern::new(tile.as_ref(), mode, quality, 1.0, transform),
    );
}

/// Few random tones, smoothly enlarged.
fn noise(canvas: &mut Pixmap, rng: &mut Pcg64Mcg, base: Color) {
    let cells = rng.random_range(3..24_u32);
    let Some(mut tile) = Pixmap::new(cells, cells) else {
        return;
    };
    let strength = rng.random_range(0.05..0.3);
    for pixel in tile.pixels_mut() {
        let other = random(rng);
        *pixel = mix(base, other, strength).premultiply().to_color_u8();
    }
    // A cell more at each side, where there is nothing to blend with.
    let scale = canvas.width().max(canvas.height()) as f32 / (cells - 2) as f32;
    let transform = Transform::from_scale(scale, scale).pre_translate(-1.0, -1.0);
    let mode = SpreadMode::Pad;
    cover_with_tile(canvas, &tile, mode, FilterQuality::Bilinear, transform);
}

fn checks(canvas: &mut Pixmap, colours: [Color; 2], cell: f32, angle: f32) {
    let Some(mut tile) = Pixmap::new(2, 2) else {
        return;
    };
    let [a, b] = colours.map(|colour| colour.premultiply().to_color_u8());
    tile.pixels_mut().copy_from_slice(&[a, b, b, a]);
    let transform = Transform::from_scale(cell, cell).post_rotate(angle.to_degrees());
    let mode = SpreadMode::Repeat;
    cover_with_tile(canvas, &tile, mode, FilterQuality::Nearest, transform);
}

/// Up to `most` things that are none of the shapes, and yet have edges and corners.
fn clutter(canvas: &mut Pixmap, rng: &mut Pcg64Mcg, most: u32) {
    for _ in 0..rng.random_range(1..=most) {
        let colour = random(rng);
        let centre = [
            rng.random_range(0.0..canvas.width() as f32),
            rng.random_range(0.0..canvas.height() as f32),
        ];
        let size = 10.0 * 12.0_f32.powf(rng.random());
        match rng.random_range(0..5) {
            0 => scribble(canvas, rng, centre, size, colour),
            1 => blob(canvas, rng, centre, size, colour),
            2 => bar(canvas, rng, centre, size, colour),
            3 => angle_iron(canvas, rng, centre, size, colour),
            _ => writing(canvas, rng, centre, size / 4.0 + 4.0, colour),
        }
    }
}

/// A crooked line.
fn scribble(canvas: &mut Pixmap, rng: &mut Pcg64Mcg, [x, y]: [f32; 2], size: f32, ink: Color) {
    let mut at = [x, y];
    let points: Vec<_> = (0..rng.random_range(2..5))
        .map(|_| {
            at = [
                at[0] + rng.random_range(-1.5..1.5) * size,
                at[1] + rng.random_range(-1.5..1.5) * size,
            ];
            at
        })
        .collect();
    draw_line(canvas, &points, ink, rng.random_range(1.0..4.0));
}

/// A long, dented drop.
fn blob(canvas: &mut Pixmap, rng: &mut Pcg64Mcg, centre: [f32; 2], size: f32, colour: Color) {
    const POINTS: usize = 40;
    let lie = Projection::placed(centre, size / 2.0, rng.random_range(0.0..TAU));
    let (dent, phase) = (rng.random_range(0.15..0.35), rng.random_range(0.0..TAU));
    let points: Vec<_> = (0..POINTS)
        .map(|index| {
            let along = TAU * index as f32 / POINTS as f32;
            let radius = 1.0 + dent * ((3.0 * along + phase).sin() + (2.0 * along).cos());
            lie.apply([radius * along.cos(), 0.42 * radius * along.sin()])
        })
        .collect();
    fill_polygon(canvas, &points, Shader::SolidColor(colour));
}

/// A long rectangle.
fn bar(canvas: &mut Pixmap, rng: &mut Pcg64Mcg, centre: [f32; 2], size: f32, colour: Color) {
    let lie = Projection::placed(centre, size, rng.random_range(0.0..TAU));
    let half = rng.random_range(0.08..0.3);
    let corners = [[-1.0, -half], [1.0, -half], [1.0, half], [-1.0, half]];
    let points = corners.map(|corner| lie.apply(corner));
    fill_polygon(canvas, &points, Shader::SolidColor(colour));
}

/// An L.
fn angle_iron(canvas: &mut Pixmap, rng: &mut Pcg64Mcg, centre: [f32; 2], size: f32, colour: Color) {
    let lie = Projection::placed(centre, size / 2.0, rng.random_range(0.0..TAU));
    let (thick, long) = (rng.random_range(0.3..0.7), rng.random_range(0.2..1.0));
    let corners = [
        [-1.0, -1.0],
        [thick - 1.0, -1.0],
        [thick - 1.0, 1.0 - thick],
        [long, 1.0 - thick],
        [long, 1.0],
        [-1.0, 1.0],
    ];
    let points = corners.map(|corner| lie.apply(corner));
    fill_polygon(canvas, &points, Shader::SolidColor(colour));
}

/// A row of strokes like letters.
fn writing(canvas: &mut Pixmap, rng: &mut Pcg64Mcg, start: [f32; 2], size: f32, ink: Color) {
    let lie = Projection::placed(start, size, rng.random_range(-0.25 * PI..0.25 * PI));
    let width = (size * rng.random_range(0.08..0.18)).max(1.0);
    for letter in 0..rng.random_range(1..9) {
        let points: Vec<_> = (0..rng.random_range(2..5))
            .map(|_| {
                let (column, row) = (rng.random_range(0..3), rng.random_range(0..3));
                lie.apply([letter as f32 * 0.9 + column as f32 * 0.3, row as f32 * 0.5])
            })
            .collect();
        draw_line(canvas, &points, ink, width);
    }
}

fn fill_polygon(canvas: &mut Pixmap, points: &[[f32; 2]], shader: Shader) {
    let paint = Paint {
        shader,
        ..Paint::default()
    };
    if let Some(path) = through(points, true).finish() {
        canvas.fill_path(
            &path,
            &paint,
            FillRule::Winding,
            Transform::identity(),
            None,
        );
    }
}

fn draw_line(canvas: &mut Pixmap, points: &[[f32; 2]], ink: Color, width: f32) {
    let paint = Paint {
        shader: Shader::SolidColor(ink),
        ..Paint::default()
    };
    let stroke = Stroke {
        width,
        line_cap: LineCap::Round,
        line_join: LineJoin::Round,
        ..Stroke::default()
    };
    if let Some(path) = through(points, false).finish() {
        canvas.stroke_path(&path, &paint, &stroke, Transform::identity(), None);
    }
}

fn through(points: &[[f32; 2]], closed: bool) -> PathBuilder {
    let mut builder = PathBuilder::new();
    for (index, &[x, y]) in points.iter().enumerate() {
        match index {
            0 => builder.move_to(x, y),
            _ => builder.line_to(x, y),
        }
    }
    if closed {
        builder.close();
    }
    builder
}
