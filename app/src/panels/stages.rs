//! From all anchors to a few detections: what is left after each stage.

use eframe::egui::{self, Color32, Painter, Pos2, RichText, Slider, Ui, WidgetInfo};
use fpn_wgpu::inspection::{Fate, Inspection};

use super::picture::{Place, draw_faint};
use crate::action::Action;
use crate::paint::{class_colour, label, level_colour, outline};
use crate::state::{BoxStage, State};

/// Boxes of a stage that are drawn at most: more would hide the picture.
const MOST_DRAWN: usize = 1500;

/// The same of each level, where there are hundreds.
const MOST_OF_LEVEL: usize = 60;

/// What a stage is called, and what it is.
fn told(stage: BoxStage, is_two_stage: bool) -> (&'static str, &'static str) {
    match (stage, is_two_stage) {
        (BoxStage::Anchors, _) => (
            "Anchors",
            "Each cell of each level has a few boxes of fixed size and shape. All together:",
        ),
        (BoxStage::Chosen, _) => (
            "Best anchors",
            "The most promising of each level, as the head scores them.",
        ),
        (BoxStage::Decoded, _) => (
            "Shifted",
            "The head's shift moves each and changes its size.",
        ),
        (BoxStage::Proposals, _) => (
            "Proposals",
            "Of those of a level that overlap, the better one; then the best of all levels.",
        ),
        (BoxStage::Candidates, true) => (
            "Candidates",
            "The second look: a class, a score and another shift for each proposal.",
        ),
        (BoxStage::Candidates, false) => ("Candidates", "All that pass the score's threshold."),
        (BoxStage::Final, _) => ("Detections", "Of those of a class that overlap, the best."),
    }
}

/// A slider through the stages, with what is left after each.
pub fn show(ui: &mut Ui, state: &mut State, actions: &mut Vec<Action>) {
    super::found::thresholds(ui, state, actions);
    ui.separator();
    let Some(card) = state.card.clone() else {
        return;
    };
    let is_two_stage = card.config.architecture.is_two_stage();
    let stages = state.stages();
    let mut at = stages
        .iter()
        .position(|stage| *stage == state.stage)
        .unwrap_or(stages.len() - 1);
    let before = at;
    ui.spacing_mut().slider_width = (ui.available_width() - 24.0).max(80.0);
    let response = ui.add(Slider::new(&mut at, 0..=stages.len() - 1).show_value(false));
    response.widget_info(|| WidgetInfo::slider(true, at as f64, "Stage of boxes"));
    for (index, stage) in stages.iter().enumerate() {
        let (name, _) = told(*stage, is_two_stage);
        let count = state
            .inspection()
            .map(|inspected| count(&inspected.inspection, state, *stage));
        let row = match count {
            Some(count) => format!("{} {name}: {count}", index + 1),
            None => format!("{} {name}", index + 1),
        };
        if ui.selectable_label(at == index, row).clicked() {
            at = index;
        }
    }
    if at != before {
        state.stage = stages[at];
        actions.push(Action::Play(false));
    }
    ui.separator();
    let (name, sentence) = told(state.stage, is_two_stage);
    ui.label(RichText::new(name).strong());
    ui.label(sentence);
    if state.plays {
        ui.weak("Live, only detections are known. Choose a stage, and the picture stands still.");
    } else if state.inspection().is_none() {
        super::story::finding_out(ui, state);
    }
    let ghosts = &mut state.settings.ghosts;
    ui.checkbox(ghosts, "Ghosts of what was suppressed")
        .on_hover_text("Point at one: it names who suppressed it");
}

/// How many boxes a stage has.
fn count(inspection: &Inspection, state: &State, stage: BoxStage) -> usize {
    match stage {
        BoxStage::Anchors => inspection.counts().anchors,
        BoxStage::Chosen | BoxStage::Decoded => inspection.starts.len(),
        BoxStage::Proposals => inspection.proposals.len(),
        BoxStage::Candidates => inspection
            .candidates
            .iter()
            .filter(|candidate| candidate.score >= state.score)
            .count(),
        BoxStage::Final => inspection
            .detections
            .items
            .iter()
            .filter(|found| found.score >= state.score)
            .count(),
    }
}

/// The boxes of the stage that is shown.
pub fn draw(painter: &Painter, state: &State, place: &Place) {
    let Some(inspected) = state.inspection() else {
        return;
    };
    let inspection = &inspected.inspection;
    let one = |bbox: [f32; 4], colour: Color32| {
        let rect = place.rect_of(bbox);
        painter.rect_stroke(
            rect,
            0.0,
            egui::Stroke::new(1.0, colour),
            egui::StrokeKind::Middle,
        );
    };
    let faint = |level: usize| level_colour(level).gamma_multiply(0.6);
    match state.stage {
        // One cell's anchors say more than all: those of the cell in the middle of each level.
        BoxStage::Anchors => {
            for level in &inspection.anchors {
                let colour = level_colour(level.level);
                for bbox in level.of_cell(level.cells.map(|side| side / 2)) {
                    outline(painter, place.rect_of(bbox), colour, 1.5);
                }
            }
            let told = "the anchors of one cell of each level; every other cell has its own";
            label(
                painter,
                told,
                place.bounds.left_bottom(),
                Color32::from_gray(235),
                place.bounds,
            );
        }
        BoxStage::Chosen | BoxStage::Decoded => {
            for level in &inspection.anchors {
                // They are in the order of their scores.
                let of_level = inspection
                    .starts
                    .iter()
                    .filter(|start| start.level == level.level);
                for start in of_level.take(MOST_OF_LEVEL) {
                    let bbox = match state.stage {
                        BoxStage::Chosen => start.anchor_box,
                        _ => start.bbox,
                    };
                    one(bbox, faint(start.level));
                }
            }
            let told = format!("drawn are no more than the best {MOST_OF_LEVEL} of each level");
            let corner = place.bounds.left_bottom();
            label(
                painter,
                &told,
                corner,
                Color32::from_gray(235),
                place.bounds,
            );
        }
        BoxStage::Proposals => inspection
            .proposals
            .iter()
            .for_each(|proposal| one(proposal.bbox, faint(proposal.level))),
        BoxStage::Candidates => {
            let shown = inspection
                .candidates
                .iter()
                .filter(|candidate| candidate.score >= state.score);
            shown.take(MOST_DRAWN).for_each(|candidate| {
                one(
                    candidate.bbox,
                    class_colour(candidate.label).gamma_multiply(0.7),
                )
            });
        }
        BoxStage::Final => {}
    }
}

/// Boxes that were suppressed; the one below the pointer names who did it.
pub fn draw_ghosts(painter: &Painter, state: &State, place: &Place, pointer: Option<Pos2>) {
    let Some(inspected) = state.inspection() else {
        return;
    };
    let candidates = &inspected.inspection.candidates;
    let names = &inspected.model.class_names;
    let mut below: Option<(f32, usize)> = None;
    for (index, candidate) in candidates.iter().enumerate() {
        let is_shown = candidate.score >= state.score && !state.hidden.contains(&candidate.label);
        if !is_shown || !matches!(candidate.fate, Fate::Suppressed { .. }) {
            continue;
        }
        draw_faint(
            painter,
            place,
            candidate.bbox,
            Color32::from_white_alpha(120),
        );
        // The one whose edge is nearest.
        if let Some(pointer) = pointer {
            let distance = place
                .rect_of(candidate.bbox)
                .signed_distance_to_pos(pointer)
                .abs();
            if distance < 6.0 && below.is_none_or(|(nearest, _)| distance < nearest) {
                below = Some((distance, index));
            }
        }
    }
    let Some((_, index)) = below else {
        return;
    };
    let ghost = &candidates[index];
    let Fate::Suppressed { by, overlap } = ghost.fate else {
        return;
    };
    let by = &candidates[by];
    let colour = class_colour(ghost.label);
    outline(painter, place.rect_of(ghost.bbox), Color32::WHITE, 1.5);
    outline(painter, place.rect_of(by.bbox), colour, 3.0);
    let name = names.get(ghost.label).map_or("?", String::as_str);
    let told = format!(
        "{name} {:.2}, suppressed by {:.2}: they overlap by {:.0} %",
        ghost.score,
        by.score,
        overlap * 100.0
    );
    label(
        painter,
        &told,
        place.rect_of(ghost.bbox).left_top(),
        Color32::from_gray(235),
        place.bounds,
    );
}
