//! What went wrong, in sentences that can be copied.

use eframe::egui::{self, Align2, Color32, Context, Frame, Id, RichText, vec2};

use crate::action::Action;
use crate::state::State;

/// Seconds that a message which is no error stays.
const STAYS: f32 = 6.0;

/// Over all else, until they are closed.
pub fn show(context: &Context, state: &mut State, actions: &mut Vec<Action>) {
    state
        .messages
        .retain(|message| message.is_error || message.since.elapsed().as_secs_f32() < STAYS);
    if state.messages.is_empty() {
        return;
    }
    let mut closed = None;
    egui::Area::new(Id::unique("messages"))
        .anchor(Align2::CENTER_BOTTOM, vec2(0.0, -48.0))
        .order(egui::Order::Foreground)
        .show(context, |ui| {
            ui.set_max_width((context.content_rect().width() - 80.0).clamp(200.0, 760.0));
            for (index, message) in state.messages.iter().enumerate() {
                let ground = match message.is_error {
                    true => Color32::from_rgb(120, 28, 28),
                    false => Color32::from_rgb(30, 70, 45),
                };
                Frame::popup(ui.style()).fill(ground).show(ui, |ui| {
                    ui.horizontal_wrapped(|ui| {
                        ui.label(RichText::new(&message.text).color(Color32::WHITE));
                        if message.is_error && ui.small_button("Copy").clicked() {
                            actions.push(Action::Copy(message.text.clone()));
                        }
                        if ui.small_button("Close").clicked() {
                            closed = Some(index);
                        }
                    });
                });
            }
        });
    if let Some(index) = closed {
        state.messages.remove(index);
    }
    context.request_repaint_after(std::time::Duration::from_millis(500));
}
