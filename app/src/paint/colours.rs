//! Which colour means what.

use eframe::egui::{Color32, Ui};
use fpn_wgpu::annotate::colour_of;

/// The colour of a class, as `fpn detect` draws it.
pub fn class_colour(label: usize) -> Color32 {
    let [r, g, b] = colour_of(label).0;
    Color32::from_rgb(r, g, b)
}

/// The colour of a pyramid's level, 2 for P2: fine levels are cold, coarse ones warm.
pub fn level_colour(level: usize) -> Color32 {
    const COLOURS: [[u8; 3]; 6] = [
        [86, 180, 233],
        [0, 190, 150],
        [170, 210, 60],
        [245, 190, 40],
        [240, 120, 40],
        [225, 75, 110],
    ];
    let [r, g, b] = COLOURS[level.saturating_sub(2) % COLOURS.len()];
    Color32::from_rgb(r, g, b)
}

/// The colour of a strength from 0 to 1.
pub fn heat_colour(share: f32) -> Color32 {
    let colour = colorous::INFERNO.eval_continuous(f64::from(share.clamp(0.0, 1.0)));
    Color32::from_rgb(colour.r, colour.g, colour.b)
}

/// A colour that is read as text: darker where the ground is light.
pub fn text_colour(ui: &Ui, colour: Color32) -> Color32 {
    match ui.visuals().dark_mode {
        true => colour,
        false => Color32::BLACK.lerp_to_gamma(colour, 0.55),
    }
}

/// Black or white, whichever is read on a ground of that colour.
pub fn ink_on(ground: Color32) -> Color32 {
    let [r, g, b, _] = ground.to_array().map(f32::from);
    match 0.299 * r + 0.587 * g + 0.114 * b > 140.0 {
        true => Color32::BLACK,
        false => Color32::WHITE,
    }
}
