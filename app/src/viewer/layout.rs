//! Where the panels are: beside the picture, or below it where the window is narrow, as a phone's is.

use eframe::egui::{
    CentralPanel, Context, Frame, Panel as Side, Rect, ScrollArea, TextureHandle, Ui,
};

use crate::action::Action;
use crate::panels;
use crate::panels::levels::Tiles;
use crate::state::{Panel, State};

/// Narrower windows, in points, have no room beside the picture.
const NARROW: f32 = 600.0;

/// All that is in the window.
pub fn show(
    ui: &mut Ui,
    state: &mut State,
    tiles: &mut Option<Tiles>,
    textures: [Option<&TextureHandle>; 2],
    actions: &mut Vec<Action>,
) {
    let context = ui.ctx().clone();
    let window = context.content_rect();
    Side::top("bar").show(ui, |ui| panels::bar::show(ui, state, actions));
    Side::bottom("transport").show(ui, |ui| panels::transport::show(ui, state, actions));
    match window.width() < NARROW {
        true => below(ui, window, state, tiles, actions),
        false => beside(ui, window, state, tiles, actions),
    }
    CentralPanel::default()
        .frame(Frame::NONE)
        .show(ui, |ui| panels::picture::show(ui, state, textures, actions));
    floating(&context, state, actions);
}

/// What lies over all else.
fn floating(context: &Context, state: &mut State, actions: &mut Vec<Action>) {
    panels::tour::show(context, state, actions);
    panels::help::show(context, state);
    panels::messages::show(context, state, actions);
}

fn beside(
    ui: &mut Ui,
    window: Rect,
    state: &mut State,
    tiles: &mut Option<Tiles>,
    actions: &mut Vec<Action>,
) {
    let width = window.width();
    Side::right("inspector")
        .default_size((width * 0.22).clamp(210.0, 330.0))
        .size_range(190.0..=(width * 0.4).max(220.0))
        .show(ui, |ui| {
            ui.horizontal_wrapped(|ui| {
                for (panel, name) in Panel::ALL {
                    ui.selectable_value(&mut state.settings.panel, panel, name);
                }
            });
            ui.separator();
            inspector(ui, state, actions);
        });
    Side::right("levels")
        .default_size((width * 0.28).clamp(200.0, 520.0))
        .size_range(140.0..=(width * 0.5).max(200.0))
        .show(ui, |ui| panels::levels::show(ui, state, tiles));
}

/// The panels are a sheet that comes when one is touched, and goes when it is touched again; the levels make room for it.
fn below(
    ui: &mut Ui,
    window: Rect,
    state: &mut State,
    tiles: &mut Option<Tiles>,
    actions: &mut Vec<Action>,
) {
    Side::bottom("sheets").show(ui, |ui| {
        ui.horizontal_wrapped(|ui| {
            for (panel, name) in Panel::ALL {
                let is_open = state.sheet && state.settings.panel == panel;
                if ui.selectable_label(is_open, name).clicked() {
                    state.sheet = !is_open;
                    state.settings.panel = panel;
                }
            }
        });
    });
    let height = window.height() * 0.42;
    let part = Side::bottom("below").exact_size(height);
    part.show(ui, |ui| match state.sheet {
        true => {
            ScrollArea::vertical().show(ui, |ui| inspector(ui, state, actions));
        }
        false => panels::levels::show(ui, state, tiles),
    });
}

/// The panel that is chosen.
fn inspector(ui: &mut Ui, state: &mut State, actions: &mut Vec<Action>) {
    match state.settings.panel {
        Panel::Found => panels::found::show(ui, state, actions),
        Panel::Story => panels::story::show(ui, state, actions),
        Panel::Stages => panels::stages::show(ui, state, actions),
        Panel::Pipeline => panels::pipeline::show(ui, state),
        Panel::Model => panels::model::show(ui, state, actions),
    }
}
