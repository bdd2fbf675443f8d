//! How one box came to be: from a cell and its anchor to the detection.

use eframe::egui::{self, Align2, Color32, FontId, Painter, Rect, RichText, Sense, Ui, vec2};
use fpn_wgpu::inspection::{Crop, Fate, Inspection, Start};

use super::picture::{Place, draw_faint};
use crate::action::Action;
use crate::engine::Inspected;
use crate::paint::{Range, class_colour, heat_colour, label, level_colour, outline, text_colour};
use crate::state::State;

/// Classes whose scores are shown.
const MOST_CLASSES: usize = 8;

/// The way of the box that is selected.
pub fn show(ui: &mut Ui, state: &mut State, actions: &mut Vec<Action>) {
    let Some(seen) = state.shown.clone() else {
        return;
    };
    let Some(index) = state
        .selected
        .filter(|index| *index < seen.detections.items.len())
    else {
        ui.label("Click a box in the picture or in the list.");
        ui.weak("Its whole way is told here: the level and cell that it started from, the anchor, what shifted it, and the scores.");
        return;
    };
    if state.plays {
        ui.label("Stand still, and the way of each box is found out.");
        if ui.button("Pause").clicked() {
            actions.push(Action::Play(false));
        }
        return;
    }
    let Some(inspected) = state.inspection() else {
        finding_out(ui, state);
        return;
    };
    egui::ScrollArea::vertical()
        .auto_shrink([false; 2])
        .show(ui, |ui| way(ui, inspected, index));
}

/// While it is not known how boxes came to be.
pub fn finding_out(ui: &mut Ui, state: &State) {
    ui.horizontal(|ui| match state.inspects {
        true => {
            ui.spinner();
            ui.label("Finding out …");
        }
        false => {
            ui.label("How these boxes came to be could not be found out.");
        }
    });
}

fn way(ui: &mut Ui, inspected: &Inspected, index: usize) {
    let Inspected {
        inspection, model, ..
    } = inspected;
    let (Some(found), Some(story)) = (
        inspection.detections.items.get(index),
        inspection.story(index),
    ) else {
        ui.label("This box was not found again when all was kept.");
        return;
    };
    let start = &inspection.starts[story.start];
    let colour = level_colour(start.level);
    ui.label(
        RichText::new(format!("{} {:.3}", found.name, found.score))
            .heading()
            .color(text_colour(ui, class_colour(found.label))),
    );
    let [cell_y, cell_x] = start.cell;
    let size = |[x1, y1, x2, y2]: [f32; 4]| format!("{:.0}×{:.0} px", x2 - x1, y2 - y1);
    step(
        ui,
        colour,
        "1  Level and cell",
        &format!(
            "P{}, cell {cell_x}, {cell_y}: things of about this size start from this level.",
            start.level
        ),
    );
    step(
        ui,
        colour,
        "2  Anchor",
        &format!(
            "No. {} of the cell, {}.",
            start.anchor,
            size(start.anchor_box)
        ),
    );
    step(
        ui,
        colour,
        "3  Shifted by the first look",
        &format!(
            "To {}, with a score of {:.3}: {}.",
            size(start.bbox),
            start.score,
            rank(inspection, start)
        ),
    );
    if let Some(at) = story.proposal {
        let proposal = &inspection.proposals[at];
        step(
            ui,
            colour,
            "4  Proposal",
            &format!(
                "No. {} of {}. Its size suits P{}: there its 7×7 cells are cut out.",
                at + 1,
                inspection.proposals.len(),
                proposal.roi_level
            ),
        );
        if let Some(crop) = inspection.crop(at) {
            heat(ui, &crop);
        }
        step(
            ui,
            colour,
            "5  The head's second look",
            &format!(
                "Shifted once more, to {}; the scores of the classes:",
                size(found.bbox)
            ),
        );
        scores(ui, &proposal.scores, &model.class_names, found.label);
    } else {
        step(
            ui,
            colour,
            "4  Detection",
            "This model looks once: what its head says is the detection. The scores of the classes:",
        );
        scores(ui, &start.scores, &model.class_names, found.label);
    }
    let is_fallen =
        |fate: Fate| matches!(fate, Fate::Suppressed { by, .. } if by == story.candidate);
    let others = inspection.candidates.iter();
    let fallen = others.filter(|other| is_fallen(other.fate)).count();
    step(
        ui,
        colour,
        "Then",
        &match fallen {
            0 => "It overlaps no weaker box of its class: none fell.".to_owned(),
            1 => "One weaker box of its class that overlaps it fell.".to_owned(),
            count => format!("{count} weaker boxes of its class that overlap it fell."),
        },
    );
}

fn step(ui: &mut Ui, colour: Color32, title: &str, told: &str) {
    ui.add_space(4.0);
    let colour = text_colour(ui, colour);
    ui.label(RichText::new(title).strong().color(colour));
    ui.label(told);
}

/// Which of its level's best it is.
fn rank(inspection: &Inspection, start: &Start) -> String {
    let of_level = inspection
        .starts
        .iter()
        .filter(|other| other.level == start.level);
    let (mut better, mut all) = (0, 0);
    for other in of_level {
        better += usize::from(other.score > start.score);
        all += 1;
    }
    format!("no. {} of the {all} best of its level", better + 1)
}

/// What the head sees of a proposal: how strong each of 7×7 cells is.
fn heat(ui: &mut Ui, crop: &Crop) {
    let [_, height, width] = crop.shape;
    let strength = crop.strength();
    let side = 14.0;
    let (rect, response) = ui.allocate_exact_size(
        vec2(width as f32 * side, height as f32 * side),
        Sense::hover(),
    );
    let range = Range::of(&strength);
    for (index, value) in strength.iter().enumerate() {
        let place = vec2((index % width) as f32, (index / width) as f32) * side;
        let cell = Rect::from_min_size(rect.min + place, vec2(side, side));
        let share = (value - range.low) / (range.high - range.low).max(f32::MIN_POSITIVE);
        ui.painter().rect_filled(cell, 0.0, heat_colour(share));
    }
    response.on_hover_text("What the head is given of it: the strength of its cells");
}

/// A bar for each of the most likely classes.
fn scores(ui: &mut Ui, scores: &[f32], names: &[String], own: usize) {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    for class in order.into_iter().take(MOST_CLASSES) {
        let name = names.get(class).map_or("?", String::as_str);
        let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 16.0), Sense::hover());
        let painter = ui.painter();
        let bar = Rect::from_min_size(rect.min, vec2(rect.width() * scores[class], rect.height()));
        let colour = if class == own {
            class_colour(class)
        } else {
            Color32::GRAY
        };
        painter.rect_filled(bar, 2.0, colour.gamma_multiply(0.6));
        let told = format!("{name}  {:.3}", scores[class]);
        let ink = ui.visuals().text_color();
        painter.text(
            rect.left_center() + vec2(4.0, 0.0),
            Align2::LEFT_CENTER,
            told,
            FontId::proportional(12.0),
            ink,
        );
    }
}

/// The way on the picture: the anchor, the proposal, and their middles.
pub fn draw_way(painter: &Painter, state: &State, place: &Place) {
    let (Some(index), Some(inspected)) = (state.selected, state.inspection()) else {
        return;
    };
    let inspection = &inspected.inspection;
    let Some(story) = inspection.story(index) else {
        return;
    };
    let start = &inspection.starts[story.start];
    let colour = level_colour(start.level);
    let ground = Color32::from_black_alpha(180);
    let anchor = place.rect_of(start.anchor_box);
    draw_faint(painter, place, start.anchor_box, colour);
    label(
        painter,
        "anchor",
        anchor.left_bottom(),
        ground,
        place.bounds,
    );
    let last = match story.proposal {
        Some(at) => {
            let proposal = place.rect_of(inspection.proposals[at].bbox);
            outline(painter, proposal, Color32::from_gray(200), 1.0);
            label(
                painter,
                "proposal",
                proposal.right_bottom(),
                ground,
                place.bounds,
            );
            proposal
        }
        None => anchor,
    };
    painter.circle_filled(anchor.center(), 3.0, colour);
    painter.circle_filled(last.center(), 3.0, Color32::from_gray(200));
}
