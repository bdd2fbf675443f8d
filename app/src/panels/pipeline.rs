//! The drawn pipeline, and where the time goes.

use std::collections::BTreeMap;
use std::time::Duration;

use eframe::egui::{
    self, Align2, Color32, FontId, Rect, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2,
    vec2,
};
use egui_plot::{Legend, Line, Plot, PlotPoints};
use fpn_wgpu::models::Stage;

use crate::state::State;

/// Seconds that the curves reach back.
const SPAN: f64 = 10.0;

/// Over how long the times of parts are averaged.
const MEAN_OVER: Duration = Duration::from_secs(1);

/// What each part does.
const PARTS: [(Stage, &str); 8] = [
    (
        Stage::Preprocess,
        "The picture's bytes become numbers about 0, resized and padded to what the network takes.",
    ),
    (
        Stage::Backbone,
        "Convolutions, each level half as wide as the one before: C2 sees edges, C5 whole things.",
    ),
    (
        Stage::Pyramid,
        "What coarse levels know is handed down, doubled in size and added to the finer: P levels are sharp and wise.",
    ),
    (
        Stage::Heads,
        "The same small network looks at every cell of every level: is something here, and how large?",
    ),
    (
        Stage::Proposals,
        "The best anchors of each level, shifted to fit; what a better one overlaps falls. A few hundred are left.",
    ),
    (
        Stage::BoxHead,
        "Each proposal is cut out of the level that suits its size, 7×7 cells, and looked at again: which class, and where exactly?",
    ),
    (
        Stage::Selection,
        "Scores against the threshold; of boxes of a class that overlap, the best. What is left are detections.",
    ),
    (
        Stage::Instances,
        "Detections are looked at once more: which pixels, or which joints?",
    ),
];

/// The pipeline, a sentence on what is selected, curves, and a table.
pub fn show(ui: &mut Ui, state: &mut State) {
    egui::ScrollArea::vertical()
        .auto_shrink([false; 2])
        .show(ui, |ui| {
            drawn(ui, state);
            sentence(ui, state);
            clock(ui, state);
            ui.separator();
            curves(ui, state);
            table(ui, state);
        });
}

/// The parts that this model has.
fn parts(state: &State) -> Vec<Stage> {
    let Some(card) = &state.card else {
        return Vec::new();
    };
    let architecture = card.config.architecture;
    let stages = architecture.specification().stages;
    let has_instances = stages.iter().any(|(_, stage)| *stage == Stage::Instances);
    Stage::ALL
        .into_iter()
        .filter(|stage| match stage {
            Stage::Proposals | Stage::BoxHead => architecture.is_two_stage(),
            Stage::Instances => has_instances,
            _ => true,
        })
        .collect()
}

/// Boxes below each other with arrows between them; as wide a bar in each as its share of the time.
fn drawn(ui: &mut Ui, state: &mut State) {
    let parts = parts(state);
    let times = part_times(state);
    let total: f64 = times.iter().map(|(_, seconds)| seconds).sum();
    for (index, stage) in parts.iter().enumerate() {
        if index > 0 {
            let (rect, _) =
                ui.allocate_exact_size(vec2(ui.available_width(), 10.0), Sense::hover());
            let stroke = Stroke::new(1.5, ui.visuals().weak_text_color());
            let middle = rect.left() + 40.0;
            ui.painter()
                .arrow(pos2(middle, rect.top()), vec2(0.0, 9.0), stroke);
        }
        let seconds = times.iter().find(|(other, _)| other == stage);
        let (rect, response) =
            ui.allocate_exact_size(vec2(ui.available_width(), 22.0), Sense::click());
        let visuals = ui
            .style()
            .interact_selectable(&response, state.part == Some(*stage));
        let painter = ui.painter();
        painter.rect(
            rect,
            4.0,
            visuals.weak_bg_fill,
            visuals.bg_stroke,
            StrokeKind::Inside,
        );
        let mut told = stage.name().to_owned();
        if let Some((_, seconds)) = seconds {
            let share = if total > 0.0 {
                (seconds / total) as f32
            } else {
                0.0
            };
            let bar = Rect::from_min_size(rect.min, vec2(rect.width() * share, rect.height()));
            painter.rect_filled(
                bar,
                4.0,
                Color32::from_rgb(200, 120, 40).gamma_multiply(0.5),
            );
            told += &format!("  {:.2} ms", seconds * 1e3);
        }
        let font = FontId::proportional(13.0);
        painter.text(
            rect.left_center() + vec2(8.0, 0.0),
            Align2::LEFT_CENTER,
            &told,
            font,
            visuals.text_color(),
        );
        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("Part {told}")));
        if response.clicked() {
            state.part = Some(*stage);
        }
    }
}

fn sentence(ui: &mut Ui, state: &State) {
    let told = PARTS.iter().find(|(stage, _)| state.part == Some(*stage));
    ui.add_space(4.0);
    match told {
        Some((_, told)) => ui.label(*told),
        None => ui.weak("Click a part: what it does."),
    };
}

/// Why there are no times of parts, if there are none.
fn clock(ui: &mut Ui, state: &State) {
    let Some(seen) = &state.shown else {
        return;
    };
    if seen.times.parts.is_empty() {
        ui.weak(match seen.gpu_bytes {
            None => "The CPU engine tells the time of the whole only; on a GPU each part is timed by its own clock.",
            Some(_) => "This adapter has no clock that could tell the parts' times.",
        });
    }
}

/// Seconds of each part: of the picture that stands still, or else their means over the last second.
fn part_times(state: &State) -> Vec<(Stage, f64)> {
    let Some(seen) = &state.shown else {
        return Vec::new();
    };
    let newest = state.times.back().filter(|_| !state.stands());
    let recent = state.times.iter().rev().take_while(|times| {
        newest.is_some_and(|newest| newest.shown.duration_since(times.shown) < MEAN_OVER)
    });
    let recent: Vec<_> = recent.map(|times| &times.parts).collect();
    let all: Vec<_> = match recent.is_empty() {
        true => vec![&seen.times.parts],
        false => recent,
    };
    let mut sums: BTreeMap<Stage, f64> = BTreeMap::new();
    for (stage, seconds) in all.iter().copied().flatten() {
        *sums.entry(*stage).or_default() += seconds;
    }
    let means = sums.into_iter();
    means
        .map(|(stage, sum)| (stage, sum / all.len() as f64))
        .collect()
}

/// Milliseconds over the last seconds.
fn curves(ui: &mut Ui, state: &State) {
    let Some(newest) = state.times.back() else {
        return;
    };
    let curve = |value: fn(&crate::state::PictureTimes) -> f32| -> PlotPoints<'_> {
        let times = state.times.iter().map(|times| {
            let ago = newest.shown.duration_since(times.shown).as_secs_f64();
            [-ago, f64::from(value(times)) * 1e3]
        });
        times.filter(|[ago, _]| *ago >= -SPAN).collect()
    };
    let detected = curve(|times| times.detected);
    let latency = curve(|times| times.latency);
    let drawn = curve(|times| times.drawn);
    Plot::new("times")
        .height(150.0)
        .include_y(0.0)
        .include_x(-SPAN)
        .include_x(0.0)
        .allow_drag(false)
        .allow_zoom(false)
        .allow_scroll(false)
        .x_axis_label("seconds")
        .y_axis_label("ms")
        .legend(Legend::default().position(egui_plot::Corner::LeftTop))
        .show(ui, |plot| {
            plot.line(Line::new("source to window", latency));
            plot.line(Line::new("detector", detected));
            plot.line(Line::new("window's own", drawn));
        });
}

fn table(ui: &mut Ui, state: &State) {
    let (Some(seen), Some(times)) = (&state.shown, state.times.back()) else {
        return;
    };
    egui::Grid::new("times").num_columns(2).show(ui, |ui| {
        let mut row = |name: &str, told: String| {
            ui.weak(name);
            ui.label(told);
            ui.end_row();
        };
        row("detector", format!("{:.1} ms", times.detected * 1e3));
        let uploaded = seen.times.uploaded.as_secs_f64();
        if seen.gpu_bytes.is_some() {
            row("of it, upload", format!("{:.1} ms", uploaded * 1e3));
        }
        row("source to window", format!("{:.1} ms", times.latency * 1e3));
        row("window's own", format!("{:.1} ms", times.drawn * 1e3));
        if let Some(rate) = super::transport::rate(state) {
            row("pictures a second", format!("{rate:.1}"));
        }
        row(
            "picture",
            format!("{}×{} px", seen.detections.width, seen.detections.height),
        );
        row("adapter", seen.model.device.clone());
        if let Some(bytes) = seen.gpu_bytes {
            row("GPU memory", format!("{:.1} MB", bytes as f64 / 1e6));
        }
    });
}
