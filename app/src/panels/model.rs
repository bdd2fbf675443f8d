//! Which detector looks: weights, model, size, precision, device.

use eframe::egui::{self, ComboBox, Role, ScrollArea, Ui, WidgetInfo};
use fpn_wgpu::compile::Precision;
use fpn_wgpu::models::Architecture;
use fpn_wgpu::weights::official::{self, Known};

use crate::action::Action;
use crate::engine::{DeviceChoice, InputSize, WeightsChoice};
use crate::platform::Dialog;
use crate::state::State;

/// Short sides that can be chosen, in pixels.
const SIDES: [usize; 6] = [224, 320, 416, 480, 640, 800];

/// Choices, and the button that makes them.
pub fn show(ui: &mut Ui, state: &mut State, actions: &mut Vec<Action>) {
    ScrollArea::vertical()
        .auto_shrink([false; 2])
        .show(ui, |ui| {
            current(ui, state);
            ui.separator();
            ui.strong("Another one");
            let before = state.choice.clone();
            weights(ui, state, actions);
            architecture(ui, state);
            size(ui, state);
            device(ui, state);
            precision(ui, state);
            let is_new = state
                .card
                .as_ref()
                .is_none_or(|card| card.choice != state.choice);
            ui.horizontal(|ui| {
                let load = ui.add_enabled(is_new, egui::Button::new("Load it"));
                if load
                    .on_hover_text("The last one goes on until this one is there")
                    .clicked()
                {
                    actions.push(Action::Load(state.choice.clone()));
                }
                if is_new
                    && let Some(card) = &state.card
                    && ui.button("As before").clicked()
                {
                    state.choice = card.choice.clone();
                }
            });
            if state.choice.device == DeviceChoice::Cpu && before.device != DeviceChoice::Cpu {
                state.choice.precision = Precision::F32;
            }
        });
}

fn current(ui: &mut Ui, state: &State) {
    let Some(card) = &state.card else {
        ui.label("There is no detector yet.");
        return;
    };
    let architecture = card.config.architecture;
    ui.strong(architecture.name());
    ui.label(architecture.specification().description);
    egui::Grid::new("card").num_columns(2).show(ui, |ui| {
        let mut row = |name: &str, told: String| {
            ui.weak(name);
            ui.label(told);
            ui.end_row();
        };
        row("weights", card.choice.weights.name());
        row(
            "classes",
            (card.config.classes.saturating_sub(1)).to_string(),
        );
        row("device", card.device.clone());
        row("precision", card.choice.precision.name().to_owned());
        row(
            "loaded in",
            format!("{:.1} s", card.loaded_in.as_secs_f32()),
        );
        row(
            "levels",
            format!(
                "P{}–P{}",
                architecture.levels().start(),
                architecture.levels().end()
            ),
        );
    });
}

/// A named choice of one of several.
fn choice<T: PartialEq + Clone>(
    ui: &mut Ui,
    name: &str,
    now: &mut T,
    all: impl IntoIterator<Item = (T, String)>,
) {
    ui.horizontal(|ui| {
        let all: Vec<(T, String)> = all.into_iter().collect();
        let shown = all.iter().find(|(value, _)| value == now);
        let shown = shown.map_or_else(
            || "as told at the start".to_owned(),
            |(_, told)| told.clone(),
        );
        let told = format!("{name}: {shown}");
        ComboBox::from_id_salt(name)
            .width(170.0)
            .selected_text(&shown)
            .height(360.0)
            .show_ui(ui, |ui| {
                for (value, told) in all {
                    ui.selectable_value(now, value, told);
                }
            })
            .response
            .widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, told.clone()));
        ui.label(name);
    });
}

fn weights(ui: &mut Ui, state: &mut State, actions: &mut Vec<Action>) {
    ui.horizontal_wrapped(|ui| {
        if ui
            .button("Open a checkpoint…")
            .on_hover_text("PyTorch (.pth) or safetensors; or drop it on the window")
            .clicked()
        {
            actions.push(Action::Ask(Dialog::Checkpoint));
        }
        let is_own = state.choice.weights == WeightsChoice::BuiltIn;
        if ui
            .add_enabled(!is_own, egui::Button::new("Built-in"))
            .on_hover_text("pyramid_tiny, which knows everyday shapes")
            .clicked()
        {
            state.choice.weights = WeightsChoice::BuiltIn;
            state.choice.architecture = None;
        }
    });
    ui.label(state.choice.weights.name());
    published(ui, state);
}

/// Weights that others published, by name.
fn published(ui: &mut Ui, state: &mut State) {
    let told = |known: &Known| {
        let file = known.file;
        let size = file.megabytes;
        let size = size.map_or_else(String::new, |size| format!(", {size:.0} MB"));
        format!("{} {}{size}", known.model, file.name)
    };
    let shown = match &state.choice.weights {
        WeightsChoice::Published(known) => told(known),
        _ => "to be fetched…".to_owned(),
    };
    let list = ComboBox::from_id_salt("published")
        .width(ui.available_width().min(280.0))
        .selected_text(&shown)
        .height(360.0)
        .show_ui(ui, |ui| {
            let fetchable = official::all()
                .filter(|known| known.can_be_fetched() && known.model.selection().is_some());
            for known in fetchable {
                let is_chosen = state.choice.weights == WeightsChoice::Published(known);
                let entry = ui.selectable_label(is_chosen, told(&known));
                if entry.on_hover_text(known.file.licence).clicked() {
                    state.choice.weights = WeightsChoice::Published(known);
                    state.choice.architecture = Some(known.model);
                }
            }
        });
    let name = format!("published weights: {shown}");
    list.response
        .on_hover_text("Fetched once from those who published them, and kept")
        .widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, name.clone()));
    if let WeightsChoice::Published(known) = &state.choice.weights {
        ui.weak(format!("Licence: {}", known.file.licence));
    }
}

fn architecture(ui: &mut Ui, state: &mut State) {
    let finders = Architecture::all().filter(|architecture| architecture.selection().is_some());
    let all = finders.map(|architecture| (Some(architecture), architecture.name().to_owned()));
    let told = (None, "as the checkpoint says".to_owned());
    choice(
        ui,
        "model",
        &mut state.choice.architecture,
        [told].into_iter().chain(all),
    );
}

fn size(ui: &mut Ui, state: &mut State) {
    let all = SIDES.map(|side| (InputSize::Short(side), format!("short side {side} px")));
    let usual = (InputSize::Usual, "as usual".to_owned());
    choice(
        ui,
        "size",
        &mut state.choice.size,
        [usual].into_iter().chain(all),
    );
}

fn device(ui: &mut Ui, state: &mut State) {
    let adapters = state.adapters.iter().map(|(name, is_software)| {
        let told = if *is_software { " (software)" } else { "" };
        (DeviceChoice::Adapter(name.clone()), format!("{name}{told}"))
    });
    let general = [
        (DeviceChoice::Auto, "best GPU, or else the CPU".to_owned()),
        (DeviceChoice::Cpu, "CPU".to_owned()),
        (DeviceChoice::Gpu, "best GPU, software included".to_owned()),
        (DeviceChoice::Window, "the window's own".to_owned()),
    ];
    let all: Vec<_> = general.into_iter().chain(adapters).collect();
    choice(ui, "device", &mut state.choice.device, all);
}

fn precision(ui: &mut Ui, state: &mut State) {
    let all = Precision::ALL.map(|precision| {
        let told = match precision {
            Precision::F32 => "f32",
            Precision::F16Storage => "f16s: stored in 16 bits",
            Precision::F16 => "f16: computed in 16 bits",
        };
        (precision, told.to_owned())
    });
    choice(ui, "precision", &mut state.choice.precision, all);
}
