//! The bar below: play, step, and go back.

use std::sync::Arc;

use eframe::egui::{Slider, Ui, WidgetInfo};

use crate::action::Action;
use crate::state::State;

/// Play and pause, steps, a place in the video, the last seconds, and how fast it goes.
pub fn show(ui: &mut Ui, state: &mut State, actions: &mut Vec<Action>) {
    ui.horizontal_wrapped(|ui| {
        let Some(player) = state.player.clone() else {
            ui.weak("No source");
            return;
        };
        match player.count() {
            Some(count) => turn(ui, state, count, actions),
            None => play(ui, state, actions),
        }
        if let (Some(length), Some(seen)) = (player.length(), &state.shown) {
            let mut time = seen.frame.time;
            let slider = Slider::new(&mut time, 0.0..=length).show_value(false);
            let response = ui.add(slider).on_hover_text("A place in the video");
            let told = format!("Place in the video, {time:.1} of {length:.1} s");
            response.widget_info(|| WidgetInfo::slider(true, time, told.clone()));
            if response.drag_stopped() || (response.changed() && !response.dragged()) {
                actions.push(Action::Seek(time));
            }
            ui.label(format!("{time:.1} / {length:.1} s"));
        } else if player.count().is_none() && !state.plays {
            history(ui, state, actions);
        }
        let pinned = state.pinned.is_some();
        let pin = ui.selectable_label(pinned, "Pin");
        if pin
            .on_hover_text(
                "Keep this picture and compare with it: other models, sizes, precisions (P)",
            )
            .clicked()
        {
            actions.push(Action::Pin(!pinned));
        }
        ui.separator();
        speed(ui, state);
    });
}

fn play(ui: &mut Ui, state: &State, actions: &mut Vec<Action>) {
    let (name, told) = match state.plays {
        true => (
            "Pause",
            "Stand still, and find out how each box came to be (space)",
        ),
        false => ("Play", "Go on (space)"),
    };
    if ui.button(name).on_hover_text(told).clicked() {
        actions.push(Action::Play(!state.plays));
    }
    if ui
        .button("Step")
        .on_hover_text("One picture on (right)")
        .clicked()
    {
        actions.push(Action::Step(1));
    }
}

/// Pictures that are gone through one by one.
fn turn(ui: &mut Ui, state: &State, count: usize, actions: &mut Vec<Action>) {
    let number = state.shown.as_ref().map_or(0, |seen| seen.frame.number + 1);
    if count > 1 {
        if ui
            .button("Back")
            .on_hover_text("The picture before (left)")
            .clicked()
        {
            actions.push(Action::Step(-1));
        }
        if ui
            .button("Next")
            .on_hover_text("The next picture (right)")
            .clicked()
        {
            actions.push(Action::Step(1));
        }
        ui.label(format!("{number} of {count}"));
    }
    if let Some(seen) = &state.shown {
        let name = seen
            .frame
            .name
            .rsplit(['/', '\\'])
            .next()
            .unwrap_or_default();
        ui.label(name).on_hover_text(seen.frame.name.as_ref());
    }
}

fn history(ui: &mut Ui, state: &State, actions: &mut Vec<Action>) {
    let Some(shown) = &state.shown else {
        return;
    };
    let count = state.history.len();
    let Some(mut index) = state.history.position(shown).filter(|_| count > 1) else {
        return;
    };
    let slider = Slider::new(&mut index, 0..=count - 1).show_value(false);
    let response = ui.add(slider).on_hover_text("The last seconds");
    response.widget_info(|| WidgetInfo::slider(true, index as f64, "The last seconds"));
    if response.changed()
        && let Some(seen) = state.history.get(index)
    {
        actions.push(Action::Show(Arc::clone(seen)));
    }
    if let (Some(newest), Some(seen)) = (state.history.get(count - 1), state.history.get(index)) {
        ui.label(format!("{:.1} s ago", newest.frame.time - seen.frame.time));
    }
}

fn speed(ui: &mut Ui, state: &State) {
    let Some(seen) = &state.shown else {
        return;
    };
    let found = state.visible(seen).count();
    let detected = seen.times.detected.as_secs_f32() * 1e3;
    let mut told = format!("{found} found · {detected:.0} ms");
    if let (true, Some(rate)) = (state.plays, rate(state)) {
        told += &format!(" · {rate:.0} pictures a second");
    }
    ui.label(told).on_hover_text("More in the panel Pipeline");
}

/// Pictures a second, over the last seconds.
pub fn rate(state: &State) -> Option<f32> {
    let newest = state.times.back()?.shown;
    let recent = state.times.iter().rev();
    let recent = recent.take_while(|times| newest.duration_since(times.shown).as_secs_f32() < 2.0);
    let (mut count, mut oldest) = (0, newest);
    for times in recent {
        (count, oldest) = (count + 1, times.shown);
    }
    let seconds = newest.duration_since(oldest).as_secs_f32();
    (count > 2 && seconds > 0.0).then(|| (count - 1) as f32 / seconds)
}
