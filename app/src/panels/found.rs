//! What was found, as a list, and the thresholds that act at once.

use eframe::egui::{self, Color32, RichText, ScrollArea, Sense, Slider, Ui, vec2};

use crate::action::Action;
use crate::paint::class_colour;
use crate::state::State;

/// Thresholds, classes, and the detections.
pub fn show(ui: &mut Ui, state: &mut State, actions: &mut Vec<Action>) {
    thresholds(ui, state, actions);
    ui.separator();
    let Some(seen) = state.shown.clone() else {
        return;
    };
    classes(ui, state, &seen);
    let rows: Vec<(usize, String, f32, usize, usize)> = state
        .visible(&seen)
        .map(|(index, found)| {
            (
                index,
                found.name.clone(),
                found.score,
                found.level,
                found.label,
            )
        })
        .collect();
    let below = seen.detections.items.len() - rows.len();
    ui.horizontal(|ui| {
        ui.strong(format!("{} found", rows.len()));
        if below > 0 {
            ui.weak(format!("{below} below or left out"));
        }
    });
    let mut hovered = None;
    ScrollArea::vertical()
        .auto_shrink([false; 2])
        .show(ui, |ui| {
            for (index, name, score, level, label) in rows {
                let colour = state.colour_of(level, label);
                let is_selected = state.selected == Some(index) || state.hovered == Some(index);
                let told = format!("{name}  {score:.3}  P{level}");
                let row = ui.horizontal(|ui| {
                    let (square, _) = ui.allocate_exact_size(vec2(10.0, 10.0), Sense::hover());
                    ui.painter().rect_filled(square, 2.0, colour);
                    ui.selectable_label(is_selected, told)
                });
                let row = row.inner.on_hover_text("Click: how it came to be");
                if row.hovered() {
                    hovered = Some(index);
                }
                if row.clicked() {
                    state.selected = Some(index);
                    state.settings.panel = crate::state::Panel::Story;
                    actions.push(Action::Play(false));
                }
            }
        });
    state.listed = hovered;
}

/// The thresholds of the score and of suppression.
pub fn thresholds(ui: &mut Ui, state: &mut State, actions: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        let slider = Slider::new(&mut state.score, 0.05..=1.0)
            .text("score")
            .fixed_decimals(2);
        ui.add(slider)
            .on_hover_text("Detections with less are not shown; the detector is not asked again");
    });
    let mut nms = state.nms;
    let slider = Slider::new(&mut nms, 0.0..=1.0)
        .text("overlap")
        .fixed_decimals(2);
    ui.add(slider).on_hover_text(
        "Of two boxes of a class that overlap by more than this (intersection over union), the one with the lower \
         score falls: non-maximum suppression",
    );
    if let Some(card) = &state.card
        && (state.score, nms) != (card.shown_score(), card.usual_nms)
        && ui
            .small_button("Reset both")
            .on_hover_text("As is usual for this model")
            .clicked()
    {
        (state.score, nms) = (card.shown_score(), card.usual_nms);
    }
    if nms != state.nms {
        state.nms = nms;
        actions.push(Action::Nms(nms));
    }
}

/// Which classes are shown, of those that are in the picture.
fn classes(ui: &mut Ui, state: &mut State, seen: &crate::engine::Seen) {
    let mut present: Vec<(usize, String)> = Vec::new();
    for found in &seen.detections.items {
        if found.score >= state.score && !present.iter().any(|(label, _)| *label == found.label) {
            present.push((found.label, found.name.clone()));
        }
    }
    for label in &state.hidden {
        if !present.iter().any(|(other, _)| other == label) {
            let name = seen.model.class_names.get(*label).cloned();
            present.push((*label, name.unwrap_or_else(|| format!("class {label}"))));
        }
    }
    present.sort();
    ui.horizontal_wrapped(|ui| {
        for (label, name) in present.into_iter().take(MOST_CLASSES) {
            let is_shown = !state.hidden.contains(&label);
            let ground = match is_shown {
                true => class_colour(label).gamma_multiply(0.5),
                false => Color32::TRANSPARENT,
            };
            let button = egui::Button::new(RichText::new(name).small())
                .fill(ground)
                .small();
            if ui.add(button).on_hover_text("Show or leave out").clicked()
                && !state.hidden.remove(&label)
            {
                state.hidden.insert(label);
            }
        }
    });
}

/// Classes that there are buttons for.
const MOST_CLASSES: usize = 24;
