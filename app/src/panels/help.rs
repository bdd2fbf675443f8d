//! Keys, and what is what.

use eframe::egui::{self, Context, Grid, Window};

use crate::state::State;

/// Keys, and what they do.
const KEYS: [(&str, &str); 15] = [
    (
        "Space",
        "pause, and find out how each box came to be; go on",
    ),
    (
        "Right, left",
        "one picture on; one back, of a folder or of the last seconds",
    ),
    (
        "1 to 6",
        "the stages of boxes, from all anchors to detections",
    ),
    ("L", "colours tell the level, or the class"),
    ("N", "names and scores on boxes, or not"),
    ("G", "ghosts of suppressed boxes, or not"),
    (
        "B",
        "beside the levels: bottom-up maps, levels without the way down, nothing",
    ),
    ("P", "pin this picture to compare with it, or no longer"),
    ("+  −  0", "enlarge, reduce, all of the picture"),
    ("O", "open a picture, a video or a checkpoint"),
    ("S", "save the picture with its boxes"),
    ("C", "copy what was found, as JSON"),
    ("Ctrl V", "look at the picture in the clipboard"),
    ("M", "choose another detector"),
    ("Esc", "select nothing, close this"),
];

/// The window with all keys.
pub fn show(context: &Context, state: &mut State) {
    let mut is_open = state.help;
    Window::new("Help")
        .open(&mut is_open)
        .collapsible(false)
        .resizable(false)
        .anchor(egui::Align2::CENTER_CENTER, [0.0, 0.0])
        .show(context, |ui| {
            Grid::new("keys").num_columns(2).spacing([16.0, 4.0]).show(ui, |ui| {
                for (key, told) in KEYS {
                    ui.strong(key);
                    ui.label(told);
                    ui.end_row();
                }
            });
            ui.separator();
            ui.label("The wheel zooms, dragging pans, a click on a box tells its story.");
            ui.label("In the scene, drag a shape, or the handle at its corner: watch it change levels.");
            ui.label("Files can be dropped anywhere: pictures, folders, videos (y4m, AVI, mp4), checkpoints.");
        });
    state.help = is_open;
}
