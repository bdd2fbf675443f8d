//! A guided tour: a dozen steps, each a sentence or two and a look at something.

use eframe::egui::{self, Align2, Context, Frame, Id, Ui, vec2};

use crate::action::Action;
use crate::state::{Beside, BoxStage, ColourBy, MapChoice, Panel, RangeChoice, State, View};

/// A step: its title, its text, and what it does to the window.
struct Step {
    title: &'static str,
    text: &'static str,
    prepare: fn(&mut State, &mut Vec<Action>),
}

/// The steps, in order.
const STEPS: [Step; 12] = [
    Step {
        title: "Boxes, live",
        text: "A detector looks at every picture and draws a box around each thing that it knows. Here it knows eight \
               shapes. The colour of a box tells which level of the pyramid it comes from.",
        prepare: |state, actions| {
            actions.push(Action::Scene);
            actions.push(Action::Play(true));
            state.settings.colour_by = ColourBy::Level;
            state.settings.panel = Panel::Found;
            state.settings.map = MapChoice::Strength;
            state.settings.range = RangeChoice::Own;
            state.settings.beside = Beside::Nothing;
            state.stage = BoxStage::Final;
            state.view = View::default();
        },
    },
    Step {
        title: "The pyramid",
        text: "The maps beside the picture are the same scene at different scales. A cell of P2 covers 4×4 pixels, \
               each next level's cells are twice as wide. Bright cells respond strongly.",
        prepare: |state, _| state.settings.map = MapChoice::Strength,
    },
    Step {
        title: "Small things on fine levels",
        text: "Drag a shape, or the white handle at its corner. Make it small: its box turns blue (P2, P3). Make it \
               large: it turns to the warm colours of coarse levels. That is what a pyramid is for: one detector, \
               all sizes.",
        prepare: |_, actions| actions.push(Action::Play(true)),
    },
    Step {
        title: "Where may something be?",
        text: "Objectness: how likely it is that a box which starts from a cell holds something. Each shape lights up \
               where its size fits the level.",
        prepare: |state, _| state.settings.map = MapChoice::Objectness,
    },
    Step {
        title: "A cell and its anchors",
        text: "Point at a cell of any level: its square on the picture, and dashed the boxes that start from it. Those \
               anchors are all that the cell knows of size; the detector shifts them to fit.",
        prepare: |state, _| state.settings.map = MapChoice::Strength,
    },
    Step {
        title: "Stand still",
        text: "Paused, the picture is looked at again with everything kept: maps, anchors, proposals, scores. Whatever \
               you point at from now on has numbers.",
        prepare: |_, actions| actions.push(Action::Play(false)),
    },
    Step {
        title: "From thousands to a few",
        text: "Thousands of anchors, the best of each level, shifted boxes, those that no better one overlaps, what \
               the head makes of them, detections. The slider goes through the stages.",
        prepare: |state, actions| {
            actions.push(Action::Play(false));
            state.settings.panel = Panel::Stages;
            state.stage = BoxStage::Chosen;
        },
    },
    Step {
        title: "The story of a box",
        text: "Click a box: the level and cell that it started from, its anchor, where the first stage shifted it, \
               where the second; what the head saw, and the scores of all classes.",
        prepare: |state, actions| {
            actions.push(Action::Play(false));
            state.settings.panel = Panel::Story;
            state.stage = BoxStage::Final;
            state.selected = state.selected.or(Some(0));
        },
    },
    Step {
        title: "Ghosts",
        text: "Most boxes around a thing are suppressed by a better one that overlaps them. Point at a dashed ghost: it \
               names who suppressed it. The slider “overlap” decides how much is too much.",
        prepare: |state, actions| {
            actions.push(Action::Play(false));
            state.settings.panel = Panel::Found;
            state.settings.ghosts = true;
            state.stage = BoxStage::Final;
        },
    },
    Step {
        title: "What the way down adds",
        text: "Each level again, on its left as it would be if nothing were handed down from the coarser ones. Fine levels \
               alone are sharp, but know little. “C beside P” shows what the bottom-up network gave.",
        prepare: |state, actions| {
            actions.push(Action::Play(false));
            state.settings.ghosts = false;
            state.settings.beside = Beside::Alone;
        },
    },
    Step {
        title: "Channels",
        text: "Each cell holds dozens of numbers. Look at one channel alone, or point at a cell: its strongest channels \
               are named. Some like edges, some fillings, some nothing that has a word.",
        prepare: |state, actions| {
            actions.push(Action::Play(false));
            state.settings.beside = Beside::Nothing;
            state.settings.map = MapChoice::Channel(0);
        },
    },
    Step {
        title: "Your turn",
        text: "Hold a drawing of a star to your camera, open a photograph, or drop a checkpoint on the window: any \
               detector of this program runs here. F1 lists the keys.",
        prepare: |state, actions| {
            state.settings.map = MapChoice::Strength;
            state.settings.panel = Panel::Model;
            actions.push(Action::Play(true));
        },
    },
];

/// The step that the tour is at, if it goes on.
pub fn show(context: &Context, state: &mut State, actions: &mut Vec<Action>) {
    let Some(at) = state.tour else {
        return;
    };
    let mut next = Some(at);
    egui::Area::new(Id::unique("tour"))
        .anchor(Align2::LEFT_BOTTOM, vec2(12.0, -44.0))
        .order(egui::Order::Foreground)
        .show(context, |ui| {
            Frame::popup(ui.style()).inner_margin(12.0).show(ui, |ui| {
                ui.set_width((context.content_rect().width() - 60.0).min(400.0));
                step(ui, at);
                ui.horizontal(|ui| {
                    if ui.add_enabled(at > 0, egui::Button::new("Back")).clicked() {
                        next = Some(at - 1);
                    }
                    let name = if at + 1 == STEPS.len() {
                        "Done"
                    } else {
                        "Next"
                    };
                    if ui.button(name).clicked() {
                        next = Some(at + 1).filter(|next| *next < STEPS.len());
                    }
                    if at + 1 < STEPS.len() && ui.button("End the tour").clicked() {
                        next = None;
                    }
                });
            });
        });
    let is_first_look = context.data(|data| data.get_temp::<usize>(seen_id())) != Some(at);
    if is_first_look {
        (STEPS[at].prepare)(state, actions);
        context.data_mut(|data| data.insert_temp(seen_id(), at));
    }
    if next != Some(at) {
        state.tour = next;
        if next.is_none() {
            context.data_mut(|data| data.remove::<usize>(seen_id()));
        }
    }
}

fn step(ui: &mut Ui, at: usize) {
    let Step { title, text, .. } = &STEPS[at];
    ui.strong(format!("{} of {}: {title}", at + 1, STEPS.len()));
    ui.label(*text);
}

/// Under which the step is kept whose preparations were made.
fn seen_id() -> egui::Id {
    Id::unique("tour step")
}
