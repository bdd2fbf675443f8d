//! Keys, and what is dropped on the window or pasted.

use eframe::egui::{Context, Event, Key};

use crate::action::Action;
use crate::panels::picture::MOST_ZOOM;
use crate::platform::Dialog;
use crate::state::{ColourBy, Panel, State, View};

/// What comes with the window's events.
pub fn read(context: &Context, state: &mut State, actions: &mut Vec<Action>) {
    given(context, actions);
    // Somebody may be typing a number.
    if !context.egui_wants_keyboard_input() {
        pressed(context, state, actions);
    }
}

/// Files that were dropped, and pictures that were pasted.
fn given(context: &Context, actions: &mut Vec<Action>) {
    context.input(|input| {
        for event in &input.events {
            if let Event::PasteImage(pasted) = event {
                actions.push(Action::Paste(pasted.clone()));
            }
        }
        for file in &input.raw.dropped_files {
            actions.push(Action::Dropped(file.clone()));
        }
    });
}

fn pressed(context: &Context, state: &mut State, actions: &mut Vec<Action>) {
    context.input(|input| {
        let pressed = |wanted: Key| {
            let mut events = input.events.iter();
            events.any(|event| {
                matches!(event, Event::Key { key, pressed: true, repeat: false, modifiers, .. }
                    if *key == wanted && modifiers.is_none())
            })
        };
        let toggles: [(Key, &mut bool); 2] = [
            (Key::N, &mut state.settings.names),
            (Key::G, &mut state.settings.ghosts),
        ];
        for (key, value) in toggles {
            if pressed(key) {
                *value = !*value;
            }
        }
        if pressed(Key::B) {
            state.settings.beside = state.settings.beside.next();
        }
        if pressed(Key::Space) {
            actions.push(Action::Play(!state.plays));
        }
        for (key, by) in [(Key::ArrowRight, 1), (Key::ArrowLeft, -1)] {
            if pressed(key) {
                actions.push(Action::Step(by));
            }
        }
        if pressed(Key::L) {
            state.settings.colour_by = match state.settings.colour_by {
                ColourBy::Level => ColourBy::Class,
                ColourBy::Class => ColourBy::Level,
            };
        }
        if pressed(Key::P) {
            actions.push(Action::Pin(state.pinned.is_none()));
        }
        if pressed(Key::O) {
            actions.push(Action::Ask(Dialog::Picture));
        }
        if pressed(Key::S) && state.shown.is_some() {
            actions.push(Action::Ask(Dialog::SaveAnnotated));
        }
        if pressed(Key::C) {
            actions.push(Action::CopyJson);
        }
        if pressed(Key::M) {
            state.settings.panel = Panel::Model;
        }
        if pressed(Key::F1) {
            state.help = !state.help;
        }
        if pressed(Key::Escape) {
            (state.help, state.selected) = (false, None);
        }
        if pressed(Key::Num0) {
            state.view = View::default();
        }
        for (key, factor) in [(Key::Plus, 1.25), (Key::Equals, 1.25), (Key::Minus, 0.8)] {
            if pressed(key) {
                state.view.zoom = (state.view.zoom * factor).clamp(1.0, MOST_ZOOM);
            }
        }
        let numbers = [
            Key::Num1,
            Key::Num2,
            Key::Num3,
            Key::Num4,
            Key::Num5,
            Key::Num6,
        ];
        for (key, stage) in numbers.into_iter().zip(state.stages()) {
            if pressed(key) {
                state.stage = stage;
                state.settings.panel = Panel::Stages;
                actions.push(Action::Play(false));
            }
        }
    });
}
