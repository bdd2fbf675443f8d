//! Keypoints of people, and the limbs between them.

use image::{Rgb, RgbImage};
use tiny_skia::{
    Color, FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Stroke, Transform,
};

use crate::models::{COCO_KEYPOINTS, COCO_LIMBS};

/// A limb is this much thinner than the person is large …
const SLENDERNESS: f32 = 60.0;
/// … but at least so many pixels wide.
const THINNEST: f32 = 1.5;
/// Around lines there is a dark edge, so that they are seen on any ground: so many line widths.
const EDGE: f32 = 0.3;

/// Draw keypoints, `[x, y, score]` in pixels of the canvas, limbs no wider than `widest`. Those that a model scores
/// 0 or less are left out, and between others than COCO's no limbs are known.
pub fn draw(canvas: &mut RgbImage, keypoints: &[[f32; 3]], widest: f32, colour: Rgb<u8>) {
    let sides = [canvas.width(), canvas.height()].map(|side| side as f32);
    // What is far outside is not seen, but more than tiny-skia draws.
    let near = |place: f32, side: f32| place.max(-side).min(2.0 * side);
    let points = keypoints.iter();
    let points: Vec<Option<[f32; 2]>> = points
        .map(|&[x, y, score]| (score > 0.0).then_some([near(x, sides[0]), near(y, sides[1])]))
        .collect();
    let Some([left, top, right, bottom]) = extent(points.iter().flatten()) else {
        return;
    };
    let size = (right - left).max(bottom - top);
    let width = (size / SLENDERNESS).clamp(THINNEST, widest.max(THINNEST));

    // The part of the canvas that is drawn on.
    let reach = 2.0 * width + 2.0;
    let within = |edge: f32, side: u32| edge.clamp(0.0, side as f32) as u32;
    let origin = [
        within(left - reach, canvas.width()),
        within(top - reach, canvas.height()),
    ];
    let end = [
        within(right + reach, canvas.width()),
        within(bottom + reach, canvas.height()),
    ];
    let Some(mut layer) = Pixmap::new(end[0] - origin[0], end[1] - origin[1]) else {
        return;
    };
    let moved = Transform::from_translate(-(origin[0] as f32), -(origin[1] as f32));
    let limbs = limbs(&points);
    let joints = joints(&points, 1.1 * width);
    let [edge, inside] = [Color::from_rgba8(0, 0, 0, 160), opaque(colour)].map(paint);
    let white = paint(Color::WHITE);
    let line = |width: f32| Stroke {
        width,
        line_cap: LineCap::Round,
        line_join: LineJoin::Round,
        ..Stroke::default()
    };
    let edged = line(width * (1.0 + 2.0 * EDGE));
    if let Some(limbs) = &limbs {
        layer.stroke_path(limbs, &edge, &edged, moved, None);
        layer.stroke_path(limbs, &inside, &line(width), moved, None);
    }
    if let Some(joints) = &joints {
        layer.stroke_path(joints, &edge, &line(2.0 * EDGE * width), moved, None);
        layer.fill_path(joints, &white, FillRule::Winding, moved, None);
    }
    lay_over(canvas, &layer, origin);
}

/// The smallest box around points.
fn extent<'a>(points: impl Iterator<Item = &'a [f32; 2]>) -> Option<[f32; 4]> {
    points.map(|&[x, y]| [x, y, x, y]).reduce(|a, b| {
        [
            a[0].min(b[0]),
            a[1].min(b[1]),
            a[2].max(b[2]),
            a[3].max(b[3]),
        ]
    })
}

fn limbs(points: &[Option<[f32; 2]>]) -> Option<Path> {
    if points.len() != COCO_KEYPOINTS.len() {
        return None;
    }
    let mut path = PathBuilder::new();
    for [from, to] in COCO_LIMBS {
        if let (Some([x1, y1]), Some([x2, y2])) = (points[from], points[to]) {
            path.move_to(x1, y1);
            path.line_to(x2, y2);
        }
    }
    path.finish()
}

fn joints(points: &[Option<[f32; 2]>], radius: f32) -> Option<Path> {
    let mut path = PathBuilder::new();
    for &[x, y] in points.iter().flatten() {
        path.push_circle(x, y, radius);
    }
    path.finish()
}

fn opaque(Rgb([r, g, b]): Rgb<u8>) -> Color {
    Color::from_rgba8(r, g, b, 255)
}

fn paint(colour: Color) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color(colour);
    paint
}

/// Lay a layer over the canvas from `origin` on.
fn lay_over(canvas: &mut RgbImage, layer: &Pixmap, [left, top]: [u32; 2]) {
    for (index, above) in layer.pixels().iter().enumerate() {
        let index = index as u32;
        let (x, y) = (index % layer.width(), index / layer.width());
        let below = canvas.get_pixel_mut(left + x, top + y);
        // The layer's colours are multiplied by their alpha.
        let rest = 255 - u16::from(above.alpha());
        let colours = [above.red(), above.green(), above.blue()];
        for (below, above) in below.0.iter_mut().zip(colours) {
            *below = above + ((u16::from(*below) * rest + 127) / 255) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLOUR: Rgb<u8> = Rgb([255, 0, 0]);

    fn drawn(keypoints: &[[f32; 3]]) -> RgbImage {
        let mut canvas = RgbImage::new(100, 80);
        draw(&mut canvas, keypoints, 4.0, COLOUR);
        canvas
    }

    /// All at one place but for these.
    fn person(others: &[(usize, [f32; 3])]) -> Vec<[f32; 3]> {
        let mut keypoints = vec![[50.0, 40.0, 0.0]; 17];
        for &(place, keypoint) in others {
            keypoints[place] = keypoint;
        }
        keypoints
    }

    #[test]
    fn a_limb_goes_from_joint_to_joint() {
        // The left lower arm.
        let canvas = drawn(&person(&[(7, [10.0, 40.0, 1.0]), (9, [70.0, 40.0, 1.0])]));
        let [red, green, blue] = canvas.get_pixel(40, 39).0;
        assert!(red > 150 && [green, blue] == [0, 0], "a limb of {red}");
        assert_eq!(canvas.get_pixel(9, 39), &Rgb([255; 3]));
        assert_eq!(canvas.get_pixel(90, 39), &Rgb([0; 3]));
    }

    #[test]
    fn what_is_not_seen_is_not_drawn() {
        let nobody = drawn(&person(&[]));
        assert!(nobody.pixels().all(|pixel| pixel.0 == [0; 3]));
        let lone = drawn(&person(&[(7, [10.0, 40.0, 1.0]), (9, [70.0, 40.0, -1.0])]));
        assert_eq!(lone.get_pixel(40, 39), &Rgb([0; 3]));
        assert_eq!(lone.get_pixel(9, 39), &Rgb([255; 3]));
    }

    #[test]
    fn other_keypoints_have_no_limbs() {
        let canvas = drawn(&[[10.0, 40.0, 1.0], [70.0, 40.0, 1.0]]);
        assert_eq!(canvas.get_pixel(40, 39), &Rgb([0; 3]));
        assert_eq!(canvas.get_pixel(69, 39), &Rgb([255; 3]));
    }

    #[test]
    fn keypoints_beside_the_canvas_are_no_matter() {
        let far = [f32::MAX, -1e9, 500.0];
        for x in far {
            drawn(&[[x, x, 1.0], [x, 5.0, 1.0], [5.0, 5.0, 1.0]]);
            drawn(&person(&[(7, [x, x, 1.0]), (9, [70.0, 40.0, 1.0])]));
            drawn(&[[x, x, 1.0]]);
        }
    }
}
