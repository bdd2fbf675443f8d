//! Boxes and what is written on them.

use eframe::egui::{
    Align2, Color32, CornerRadius, FontId, Painter, Pos2, Rect, Shape, Stroke, StrokeKind, Vec2,
    pos2,
};

use super::ink_on;

/// The outline of a box, with a dark line about it so that it is seen on any ground.
pub fn outline(painter: &Painter, rect: Rect, colour: Color32, width: f32) {
    let shade = Stroke::new(width + 2.0, Color32::from_black_alpha(110));
    painter.rect_stroke(rect, CornerRadius::ZERO, shade, StrokeKind::Middle);
    let line = Stroke::new(width, colour);
    painter.rect_stroke(rect, CornerRadius::ZERO, line, StrokeKind::Middle);
}

/// The outline of a box that is no detection.
pub fn dashed(painter: &Painter, rect: Rect, colour: Color32, width: f32) {
    let corners = [
        rect.left_top(),
        rect.right_top(),
        rect.right_bottom(),
        rect.left_bottom(),
        rect.left_top(),
    ];
    painter.extend(Shape::dashed_line(
        &corners,
        Stroke::new(width, colour),
        5.0,
        4.0,
    ));
}

/// A line of text on a coloured ground, above the corner where there is room in `bounds`, else below.
pub fn label(painter: &Painter, text: &str, corner: Pos2, ground: Color32, bounds: Rect) -> Rect {
    let font = FontId::proportional(13.0);
    let galley = painter.layout_no_wrap(text.to_owned(), font, ink_on(ground));
    let size = galley.size() + Vec2::new(6.0, 2.0);
    let above = corner.y - size.y >= bounds.top();
    let y = if above { corner.y - size.y } else { corner.y };
    let x = corner.x.min(bounds.right() - size.x).max(bounds.left());
    let rect = Align2::LEFT_TOP.anchor_size(pos2(x, y), size);
    painter.rect_filled(rect, 2.0, ground);
    painter.galley(rect.min + Vec2::new(3.0, 1.0), galley, ink_on(ground));
    rect
}
