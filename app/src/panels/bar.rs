//! The bar at the top: what is looked at, and with what.

use eframe::egui::{self, ProgressBar, ThemePreference, Ui};

use crate::action::Action;
use crate::engine::Fetched;
use crate::platform::{self, Dialog};
use crate::state::{ColourBy, ModelState, State};

/// Sources on the left, the detector and how boxes are drawn on the right.
pub fn show(ui: &mut Ui, state: &mut State, actions: &mut Vec<Action>) {
    ui.horizontal_wrapped(|ui| {
        sources(ui, state, actions);
        ui.separator();
        if ui
            .button("Open…")
            .on_hover_text("A picture, a video or a checkpoint (O); or drop it here")
            .clicked()
        {
            actions.push(Action::Ask(Dialog::Picture));
        }
        if platform::HAS_FOLDERS
            && ui
                .button("Folder…")
                .on_hover_text("Pictures of a folder, one by one")
                .clicked()
        {
            actions.push(Action::Ask(Dialog::Folder));
        }
        save(ui, state, actions);
        ui.separator();
        model(ui, state, actions);
        ui.separator();
        view(ui, state);
        if ui
            .button("Tour")
            .on_hover_text("What is to be seen here, in a dozen steps")
            .clicked()
        {
            state.tour = Some(0);
        }
        if ui
            .button("?")
            .on_hover_text("Keys, and what is what (F1)")
            .clicked()
        {
            state.help = !state.help;
        }
    });
}

fn sources(ui: &mut Ui, state: &mut State, actions: &mut Vec<Action>) {
    if ui
        .button("Scene")
        .on_hover_text("Shapes that come near and go far: drag them, or a corner's handle")
        .clicked()
    {
        actions.push(Action::Scene);
    }
    let menu = ui.menu_button("Camera", |ui| {
        if state.cameras.is_empty() {
            ui.label("No camera was found");
        }
        for camera in &state.cameras {
            ui.menu_button(&camera.name, |ui| {
                if ui.button("Usual size").clicked() {
                    actions.push(Action::Camera(camera.id.clone(), None));
                    ui.close();
                }
                for size in &camera.sizes {
                    let [width, height] = size;
                    if ui.button(format!("{width}×{height}")).clicked() {
                        actions.push(Action::Camera(camera.id.clone(), Some(*size)));
                        ui.close();
                    }
                }
            });
        }
        if ui.button("Look again").clicked() {
            actions.push(Action::ListCameras);
        }
        let mut is_mirrored = state.settings.mirrored;
        if ui.checkbox(&mut is_mirrored, "Mirrored").changed() {
            actions.push(Action::Mirror(is_mirrored));
        }
    });
    if menu.response.clicked() {
        actions.push(Action::ListCameras);
    }
}

fn save(ui: &mut Ui, state: &State, actions: &mut Vec<Action>) {
    ui.menu_button("Save", |ui| {
        let has_picture = state.shown.is_some();
        let mut entry = |ui: &mut Ui, name: &str, action: Action| {
            if ui
                .add_enabled(has_picture, egui::Button::new(name))
                .clicked()
            {
                actions.push(action);
                ui.close();
            }
        };
        entry(
            ui,
            "Picture with boxes… (S)",
            Action::Ask(Dialog::SaveAnnotated),
        );
        entry(ui, "Picture as it is…", Action::Ask(Dialog::SavePicture));
        entry(ui, "Copy what was found, as JSON (C)", Action::CopyJson);
        match &state.records {
            None => {
                entry(ui, "Record lines of JSON…", Action::Ask(Dialog::RecordJson));
                entry(
                    ui,
                    "Record a video with boxes (y4m)…",
                    Action::Ask(Dialog::RecordVideo),
                );
            }
            Some(name) => {
                let told = format!("Stop recording {name}");
                entry(ui, &told, Action::StopRecording);
            }
        }
    });
    if let Some(name) = &state.records {
        let dot = egui::RichText::new("Recording").color(egui::Color32::from_rgb(230, 60, 60));
        if ui
            .button(dot)
            .on_hover_text(format!("Stop recording {name}"))
            .clicked()
        {
            actions.push(Action::StopRecording);
        }
    }
}

fn model(ui: &mut Ui, state: &mut State, actions: &mut Vec<Action>) {
    match &state.model {
        ModelState::Loading {
            name,
            since,
            fetched,
        } => {
            match fetched {
                Some(fetched) if fetched.of != Some(fetched.bytes) => fetching(ui, name, fetched),
                _ => {
                    ui.spinner();
                    let seconds = since.elapsed().as_secs_f32();
                    ui.label(format!("Loading {name} … {seconds:.0} s"));
                }
            }
            if ui.button("Cancel").clicked() {
                actions.push(Action::Cancel);
            }
        }
        ModelState::None => {
            ui.label("No detector");
        }
        ModelState::Ready => {
            if let Some(card) = &state.card {
                let told = format!("{} on {}", card.config.architecture, card.device);
                if ui
                    .button(told)
                    .on_hover_text("Choose another detector (M)")
                    .clicked()
                {
                    state.settings.panel = crate::state::Panel::Model;
                }
            }
        }
    }
}

/// How far weights have come.
fn fetching(ui: &mut Ui, name: &str, fetched: &Fetched) {
    let come = fetched.bytes as f64 / 1e6;
    ui.label(format!("Fetching {name}"));
    match fetched.of {
        Some(of) => {
            let told = format!("{come:.1} of {:.1} MB", of as f64 / 1e6);
            let share = fetched.bytes as f32 / of.max(1) as f32;
            ui.add(ProgressBar::new(share).desired_width(130.0).text(told));
        }
        None => {
            ui.spinner();
            ui.label(format!("{come:.1} MB"));
        }
    }
}

fn view(ui: &mut Ui, state: &mut State) {
    ui.menu_button("View", |ui| {
        let settings = &mut state.settings;
        ui.label("Colours of boxes tell");
        ui.radio_value(
            &mut settings.colour_by,
            ColourBy::Level,
            "the level they started from (L)",
        );
        ui.radio_value(&mut settings.colour_by, ColourBy::Class, "what they are");
        ui.checkbox(&mut settings.names, "Names and scores (N)");
        ui.checkbox(
            &mut settings.ghosts,
            "Ghosts: boxes that were suppressed (G)",
        );
        ui.label("Theme");
        ui.horizontal(|ui| {
            let mut theme = ui.ctx().options(|options| options.theme_preference);
            let before = theme;
            ui.radio_value(&mut theme, ThemePreference::System, "the system's");
            ui.radio_value(&mut theme, ThemePreference::Light, "light");
            ui.radio_value(&mut theme, ThemePreference::Dark, "dark");
            if theme != before {
                ui.ctx().set_theme(theme);
            }
        });
        if ui.button("All of the picture (0)").clicked() {
            state.view = crate::state::View::default();
        }
    });
}
