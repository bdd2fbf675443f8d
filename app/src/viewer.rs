//! The viewer: what happens, and what the window is made of.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use eframe::egui::{
    self, ColorImage, Context, Event as Input, Key, Panel as Side, TextureHandle, TextureOptions,
    Ui,
};
use eframe::{App, CreationContext, Frame as EframeFrame, Storage};
use fpn_wgpu::annotate::annotate;
use fpn_wgpu::video::Video;
use fpn_wgpu::{Detection, Detections, Picture, Report};
use image::DynamicImage;
use web_time::Instant;

use crate::action::Action;
use crate::engine::{Choice, Engine, Event, Seen, Views, WeightsChoice};
use crate::history::History;
use crate::measure::Measurement;
use crate::paint::HeatMaps;
use crate::panels;
use crate::platform::{self, Dialog};
use crate::recorder::Recorder;
use crate::source::{
    CameraSource, PictureSource, Player, SceneSource, Source, VideoSource, is_picture,
};
use crate::state::{
    Beside, BoxStage, MapChoice, ModelState, Panel, PictureTimes, Settings, State, View,
};
use crate::window;

/// Pictures whose times are kept.
const MOST_TIMES: usize = 600;

/// Under which settings are kept.
const SETTINGS: &str = "settings";

/// What the viewer begins with.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// The detector.
    pub choice: Choice,
    /// What to look at: a file, a folder, a camera's path; the built-in scene where none is given.
    pub source: Option<String>,
    /// Write to standard output what so many pictures took, and close.
    pub measure: Option<usize>,
}

/// The program in its window.
pub struct Viewer {
    state: State,
    engine: Engine,
    context: Context,
    /// The picture that is shown, and the pinned one, on the window's device.
    textures: [Option<Texture>; 2],
    recorder: Option<Recorder>,
    measurement: Option<Measurement>,
    /// Seconds that the window took to draw its last frame.
    drawn: f32,
    /// What comes from dialogs and recordings, which have threads of their own.
    sender: std::sync::mpsc::Sender<Action>,
    receiver: std::sync::mpsc::Receiver<Action>,
    problems: (
        std::sync::mpsc::Sender<String>,
        std::sync::mpsc::Receiver<String>,
    ),
    /// Which picture's ways are being found out.
    asked: Option<Arc<image::RgbaImage>>,
    /// Of which the levels without the way down are.
    asked_alone: Option<Arc<image::RgbaImage>>,
}

struct Texture {
    handle: TextureHandle,
    /// Which picture it holds.
    picture: Arc<image::RgbaImage>,
}

impl Viewer {
    /// In a window that was just opened.
    pub fn new(creation: &CreationContext<'_>, start: Start) -> Self {
        if let Some(window) = &creation.wgpu_render_state {
            HeatMaps::install(window);
        }
        let settings = creation
            .storage
            .and_then(|storage| eframe::get_value(storage, SETTINGS));
        let context = creation.egui_ctx.clone();
        let woken = context.clone();
        let shared = creation.wgpu_render_state.as_ref().and_then(window::shared);
        let engine = Engine::new(shared, move || woken.request_repaint());
        let (sender, receiver) = std::sync::mpsc::channel();
        let mut viewer = Self {
            state: State::new(settings.unwrap_or_default(), start.choice.clone()),
            engine,
            context,
            textures: [None, None],
            recorder: None,
            drawn: 0.0,
            measurement: start.measure.map(Measurement::new),
            sender,
            receiver,
            problems: std::sync::mpsc::channel(),
            asked: None,
            asked_alone: None,
        };
        viewer.apply(Action::Load(start.choice));
        match start.source {
            None => viewer.apply(Action::Scene),
            Some(source) if platform::is_camera(&source) => {
                viewer.apply(Action::Camera(source, None))
            }
            Some(source) => viewer.apply(Action::Open(source.into())),
        }
        viewer
    }

    /// What is shown.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Close all messages.
    pub fn dismiss_messages(&mut self) {
        self.state.messages.clear();
    }

    /// Show detections from this score on.
    pub fn set_score(&mut self, score: f32) {
        self.state.score = score;
    }

    /// Do what the user wants.
    pub fn apply(&mut self, action: Action) {
        match action {
            Action::Scene => self.watch(SceneSource::default()),
            Action::Camera(id, size) => {
                let known = self.state.cameras.iter().find(|camera| camera.id == id);
                let name = known.map_or(id.clone(), |camera| camera.name.clone());
                self.watch(CameraSource::new(
                    &id,
                    &name,
                    size,
                    self.state.settings.mirrored,
                ));
            }
            Action::ListCameras => {
                let (sender, context) = (self.sender.clone(), self.context.clone());
                platform::find_cameras(move |cameras| {
                    sender.send(Action::Cameras(cameras)).ok();
                    context.request_repaint();
                });
            }
            Action::Cameras(cameras) => self.state.cameras = cameras,
            Action::Open(path) => self.open(&path),
            Action::Ask(dialog) => self.ask(dialog),
            Action::Paste(pasted) => {
                let [width, height] = pasted.size.map(|side| side as u32);
                let bytes = pasted
                    .pixels
                    .iter()
                    .flat_map(|pixel| pixel.to_srgba_unmultiplied());
                if let Some(picture) = image::RgbaImage::from_raw(width, height, bytes.collect()) {
                    self.watch(PictureSource::memory("Clipboard", picture));
                }
            }
            Action::Play(plays) => self.play(plays),
            Action::Step(by) => self.step(by),
            Action::Seek(time) => {
                if let Some(player) = &self.state.player {
                    player.seek(time);
                }
            }
            Action::Show(seen) => self.show(seen),
            Action::Hold(grip) => {
                if let Some(player) = &self.state.player {
                    player.hold(grip);
                }
            }
            Action::Load(choice) => self.load(choice),
            Action::Cancel => {
                self.engine.cancel();
                self.state.model = match self.state.card {
                    Some(_) => ModelState::Ready,
                    None => ModelState::None,
                };
                self.state.tell("Loading was cancelled", false);
            }
            Action::Nms(threshold) => {
                self.engine.nms_threshold(threshold);
                self.look_again();
            }
            Action::Measure => {
                if let Some(seen) = &self.state.shown {
                    self.engine.measure(seen.frame.clone());
                }
            }
            Action::Pin(pins) => {
                self.state.pinned = self.state.shown.clone().filter(|_| pins);
                self.textures[1] = None;
            }
            Action::CopyJson => self.copy_json(),
            Action::Copy(text) => self.context.copy_text(text),
            Action::Save { path, annotated } => self.save(&path, annotated),
            Action::Record(path) => {
                let (problems, context) = (self.problems.0.clone(), self.context.clone());
                let failed = move |told| {
                    problems.send(told).ok();
                    context.request_repaint();
                };
                match Recorder::new(&path, failed) {
                    Err(told) => self.state.tell(told, true),
                    Ok(recorder) => {
                        self.state.records = path
                            .file_name()
                            .map(|name| name.to_string_lossy().into_owned());
                        self.recorder = Some(recorder);
                    }
                }
            }
            Action::StopRecording => self.stop_recording(),
        }
    }

    fn watch(&mut self, source: impl Source + 'static) {
        let player = Arc::new(Player::new(source, {
            let (bell, context) = (self.engine.bell(), self.context.clone());
            move || {
                bell();
                // It may have come to its end.
                context.request_repaint();
            }
        }));
        self.engine.watch(player.clone());
        let state = &mut self.state;
        state.plays = player.count().is_none();
        state.player = Some(player);
        state.history = History::default();
        state.grip.clear();
        (state.selected, state.hovered) = (None, None);
        state.stage = BoxStage::Final;
        state.view = View::default();
        state.times.clear();
    }

    /// A file is what its content says.
    fn open(&mut self, path: &Path) {
        let told = match path {
            path if !path.exists() => Err(format!("{} does not exist", path.display())),
            path if path.is_dir() => PictureSource::folder(path)
                .map(|source| self.watch(source))
                .map_err(|error| error.to_string()),
            path if Video::is_in(path) => VideoSource::open(path)
                .map(|source| self.watch(source))
                .map_err(|error| error.to_string()),
            path if is_picture(path) => {
                self.watch(PictureSource::file(path));
                Ok(())
            }
            path if fpn_wgpu::Checkpoint::is_in(path) => {
                let choice = Choice {
                    weights: WeightsChoice::File(path.to_owned()),
                    architecture: None,
                    ..self.state.choice.clone()
                };
                self.load(choice);
                Ok(())
            }
            path => Err(format!(
                "{} is neither a picture, a video (y4m, AVI, mp4) nor a checkpoint (PyTorch, safetensors)",
                path.display()
            )),
        };
        if let Err(told) = told {
            self.state.tell(told, true);
        }
    }

    fn ask(&self, dialog: Dialog) {
        let (sender, context) = (self.sender.clone(), self.context.clone());
        platform::ask(dialog, move |path| {
            let action = match dialog {
                Dialog::Picture | Dialog::Folder | Dialog::Checkpoint => Action::Open(path),
                Dialog::SaveAnnotated => Action::Save {
                    path,
                    annotated: true,
                },
                Dialog::SavePicture => Action::Save {
                    path,
                    annotated: false,
                },
                Dialog::RecordJson | Dialog::RecordVideo => Action::Record(path),
            };
            sender.send(action).ok();
            context.request_repaint();
        });
    }

    fn play(&mut self, plays: bool) {
        let Some(player) = &self.state.player else {
            return;
        };
        if player.count().is_some() {
            return;
        }
        player.play(plays);
        self.state.plays = plays;
        if plays {
            self.state.stage = BoxStage::Final;
            (self.state.selected, self.state.inspected) = (None, None);
        }
    }

    fn step(&mut self, by: i64) {
        let Some(player) = self.state.player.clone() else {
            return;
        };
        if player.count().is_some() {
            player.turn(by);
            return;
        }
        self.play(false);
        let history = &self.state.history;
        let shown = self
            .state
            .shown
            .as_ref()
            .and_then(|shown| history.position(shown));
        let next = shown.and_then(|at| at.checked_add_signed(by as isize));
        match next.and_then(|at| history.get(at)).cloned() {
            Some(seen) => self.show(seen),
            None if by > 0 => player.step(),
            None => {}
        }
    }

    fn show(&mut self, seen: Arc<Seen>) {
        (self.state.selected, self.state.hovered) = (None, None);
        // What was on the device has been written over.
        if let Views::Device(_) = seen.views {
            self.engine.again(seen.frame.clone());
        }
        self.state.shown = Some(seen);
    }

    fn load(&mut self, choice: Choice) {
        self.state.model = ModelState::Loading {
            name: choice.weights.name(),
            since: Instant::now(),
        };
        self.state.choice = choice.clone();
        self.engine.load(choice);
    }

    /// Look again at a picture that stands still.
    fn look_again(&mut self) {
        if let Some(seen) = &self.state.shown
            && !self.state.plays
        {
            self.engine.again(seen.frame.clone());
            (self.asked, self.asked_alone) = (None, None);
        }
    }

    fn happened(&mut self, event: Event) {
        match event {
            Event::Adapters(adapters) => self.state.adapters = adapters,
            Event::Loaded(card) => {
                self.state.model = ModelState::Ready;
                self.state.score = card.shown_score();
                self.state.nms = card.usual_nms;
                self.state.hidden = BTreeSet::new();
                (self.state.stage_times, self.state.gpu_bytes) = (None, None);
                self.state.card = Some(card);
                self.look_again();
            }
            Event::NotLoaded(told) => {
                self.state.model = match self.state.card {
                    Some(_) => ModelState::Ready,
                    None => ModelState::None,
                };
                if let Some(card) = &self.state.card {
                    self.state.choice = card.choice.clone();
                }
                self.state.tell(told, true);
            }
            Event::Failed(told) => {
                self.state.inspects = false;
                self.state.tell(told, true);
            }
            Event::Seen(seen) => self.saw(Arc::new(seen)),
            Event::Inspected(inspected) => {
                self.state.inspects = false;
                self.state.inspected = Some(Arc::new(inspected));
            }
            Event::Alone(frame, maps) => {
                if maps.is_empty() {
                    let told = "This model hands down otherwise: its levels cannot be had without";
                    self.state.tell(told, true);
                    self.state.settings.beside = Beside::Nothing;
                }
                self.state.alone = Some((frame.picture, maps));
            }
            Event::Measured(measured) => {
                self.state.gpu_bytes = Some(measured.bytes);
                match measured.stages {
                    Some(stages) => self.state.stage_times = Some(stages),
                    None => self.state.tell(
                        "This adapter has no clock that could tell the parts' times",
                        true,
                    ),
                }
            }
        }
    }

    fn saw(&mut self, seen: Arc<Seen>) {
        let visible: Vec<Detection> = self
            .state
            .visible(&seen)
            .map(|(_, found)| found.clone())
            .collect();
        if let Some(recorder) = &mut self.recorder {
            recorder.write(&seen, visible);
        }
        let state = &mut self.state;
        let is_same = state
            .shown
            .as_ref()
            .is_some_and(|shown| Arc::ptr_eq(&shown.frame.picture, &seen.frame.picture));
        let has_history = state
            .player
            .as_ref()
            .is_some_and(|player| player.count().is_none());
        if has_history && !is_same {
            state.history.push(seen.clone());
        }
        let times = PictureTimes {
            shown: Instant::now(),
            detected: seen.times.detected.as_secs_f32(),
            latency: seen.frame.given.elapsed().as_secs_f32(),
            drawn: self.drawn,
        };
        state.times.push_back(times);
        if let Some(measured) = self.measurement.as_mut().and_then(|all| all.saw(times)) {
            self.measurement = None;
            match serde_json::to_string(&measured) {
                Ok(text) => println!("{text}"),
                Err(error) => state.tell(error.to_string(), true),
            }
            self.context.send_viewport_cmd(egui::ViewportCommand::Close);
        }
        if state.times.len() > MOST_TIMES {
            state.times.pop_front();
        }
        if !is_same {
            (state.selected, state.hovered) = (None, None);
        }
        state.shown = Some(seen);
    }

    /// Of a picture that stands still, how its detections came to be.
    fn find_out(&mut self) {
        let state = &mut self.state;
        let stands = !state.plays
            || state
                .player
                .as_ref()
                .is_some_and(|player| player.count().is_some());
        let needs_channels =
            state.settings.map.needs_channels() || state.settings.beside != Beside::Nothing;
        if !stands && needs_channels {
            self.play(false);
            return;
        }
        let Some(seen) = state.shown.as_ref().filter(|_| stands) else {
            return;
        };
        if state.settings.beside == Beside::Alone
            && self
                .asked_alone
                .as_ref()
                .is_none_or(|asked| !Arc::ptr_eq(asked, &seen.frame.picture))
        {
            self.asked_alone = Some(seen.frame.picture.clone());
            self.engine.alone(seen.frame.clone());
        }
        let picture = &seen.frame.picture;
        if self
            .asked
            .as_ref()
            .is_some_and(|asked| Arc::ptr_eq(asked, picture))
        {
            return;
        }
        self.asked = Some(picture.clone());
        state.inspects = true;
        self.engine.inspect(seen.frame.clone());
    }

    fn visible(&self, seen: &Seen) -> Detections {
        Detections {
            width: seen.detections.width,
            height: seen.detections.height,
            items: self
                .state
                .visible(seen)
                .map(|(_, found)| found.clone())
                .collect(),
        }
    }

    /// As `fpn detect --json` has it.
    fn copy_json(&mut self) {
        let Some(seen) = self.state.shown.clone() else {
            return;
        };
        let found = self.visible(&seen);
        let report = Report {
            model: seen.model.config.architecture.name(),
            device: &seen.model.device,
            images: vec![Picture {
                file: seen.frame.name.to_string(),
                width: found.width,
                height: found.height,
                detections: &found.items,
            }],
        };
        match serde_json::to_string(&report) {
            Ok(text) => {
                self.context.copy_text(text);
                self.state.tell(
                    format!("{} detections copied as JSON", found.items.len()),
                    false,
                );
            }
            Err(error) => self.state.tell(error.to_string(), true),
        }
    }

    fn save(&mut self, path: &Path, annotated: bool) {
        let Some(seen) = self.state.shown.clone() else {
            return;
        };
        let picture = DynamicImage::from(seen.frame.picture.as_ref().clone());
        let picture = match annotated {
            true => annotate(&picture, &self.visible(&seen).items).into(),
            false => picture.into_rgb8().into(),
        };
        match platform::save_picture(path, &picture) {
            Ok(()) => self
                .state
                .tell(format!("{} is written", path.display()), false),
            Err(told) => self.state.tell(told, true),
        }
    }

    fn stop_recording(&mut self) {
        let Some(recorder) = self.recorder.take() else {
            return;
        };
        let name = self.state.records.take().unwrap_or_default();
        match recorder.left_out {
            0 => self.state.tell(format!("{name} is written"), false),
            count => {
                let told = format!(
                    "{name} is written without {count} pictures, which came faster than they could be written"
                );
                self.state.tell(told, true);
            }
        }
    }

    fn upload(&mut self) {
        let wanted = [&self.state.shown, &self.state.pinned]
            .map(|seen| seen.as_ref().map(|seen| seen.frame.picture.clone()));
        for (slot, (wanted, name)) in self
            .textures
            .iter_mut()
            .zip(wanted.into_iter().zip(["picture", "pinned"]))
        {
            let Some(picture) = wanted else {
                *slot = None;
                continue;
            };
            if slot
                .as_ref()
                .is_some_and(|texture| Arc::ptr_eq(&texture.picture, &picture))
            {
                continue;
            }
            let size = [picture.width() as usize, picture.height() as usize];
            let most = self.context.input(|input| input.max_texture_side);
            let image = match size.iter().max() {
                Some(&side) if side > most => shrunk(&picture, most),
                _ => ColorImage::from_rgba_unmultiplied(size, picture.as_raw()),
            };
            let options = TextureOptions {
                magnification: egui::TextureFilter::Nearest,
                ..TextureOptions::LINEAR
            };
            match slot {
                Some(texture) => {
                    texture.handle.set(image, options);
                    texture.picture = picture;
                }
                None => {
                    *slot = Some(Texture {
                        handle: self.context.load_texture(name, image, options),
                        picture,
                    });
                }
            }
        }
    }

    fn keys(&mut self, context: &Context, actions: &mut Vec<Action>) {
        if context.egui_wants_keyboard_input() {
            return;
        }
        let state = &mut self.state;
        context.input(|input| {
            let pressed = |key: Key| input.key_pressed(key) && input.modifiers.is_none();
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
                    crate::state::ColourBy::Level => crate::state::ColourBy::Class,
                    crate::state::ColourBy::Class => crate::state::ColourBy::Level,
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
                    state.view.zoom = (state.view.zoom * factor).clamp(1.0, 40.0);
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
            for (key, stage) in numbers.into_iter().zip(BoxStage::ALL) {
                if pressed(key) {
                    state.stage = stage;
                    state.settings.panel = Panel::Stages;
                    actions.push(Action::Play(false));
                }
            }
            for event in &input.events {
                if let Input::PasteImage(pasted) = event {
                    actions.push(Action::Paste(pasted.clone()));
                }
            }
            for file in &input.raw.dropped_files {
                actions.push(Action::Open(file.path().to_owned()));
            }
        });
    }
}

/// A picture too large for a texture of the window.
fn shrunk(picture: &image::RgbaImage, most: usize) -> ColorImage {
    let smaller = DynamicImage::from(picture.clone())
        .thumbnail(most as u32, most as u32)
        .into_rgba8();
    let size = [smaller.width() as usize, smaller.height() as usize];
    ColorImage::from_rgba_unmultiplied(size, smaller.as_raw())
}

impl App for Viewer {
    fn logic(&mut self, _context: &Context, frame: &mut EframeFrame) {
        let events: Vec<Event> = self.engine.events().collect();
        for event in events {
            self.happened(event);
        }
        let asked: Vec<Action> = self.receiver.try_iter().collect();
        for action in asked {
            self.apply(action);
        }
        let problems: Vec<String> = self.problems.1.try_iter().collect();
        for told in problems {
            self.recorder = None;
            self.state.records = None;
            self.state.tell(told, true);
        }
        if let Some(end) = self
            .state
            .player
            .as_ref()
            .and_then(|player| player.take_end())
        {
            self.state.plays = false;
            match end {
                Ok(()) => {}
                Err(error) => self.state.tell(error.to_string(), true),
            }
        }
        self.find_out();
        self.upload();
        if let Some(seconds) = frame.info().cpu_usage {
            self.drawn = seconds;
            if let Some(measurement) = &mut self.measurement {
                measurement.drew(seconds);
                self.context.request_repaint();
            }
        }
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut EframeFrame) {
        let mut actions = Vec::new();
        let context = ui.ctx().clone();
        self.keys(&context, &mut actions);
        let state = &mut self.state;
        if !state.settings.toured && state.card.is_some() {
            state.settings.toured = true;
            state.tell(
                "New here? The tour shows what there is to see, in a dozen steps",
                false,
            );
        }
        Side::top("bar").show(ui, |ui| panels::bar::show(ui, state, &mut actions));
        Side::bottom("transport").show(ui, |ui| panels::transport::show(ui, state, &mut actions));
        let width = context.content_rect().width();
        Side::right("inspector")
            .default_size((width * 0.22).clamp(210.0, 330.0))
            .size_range(190.0..=(width * 0.4).max(220.0))
            .show(ui, |ui| inspector(ui, state, &mut actions));
        Side::right("levels")
            .default_size((width * 0.28).clamp(200.0, 520.0))
            .size_range(140.0..=(width * 0.5).max(200.0))
            .show(ui, |ui| panels::levels::show(ui, state));
        let textures =
            [0, 1].map(|index| self.textures[index].as_ref().map(|texture| &texture.handle));
        egui::CentralPanel::default()
            .frame(egui::Frame::NONE)
            .show(ui, |ui| {
                panels::picture::show(ui, state, textures, &mut actions)
            });
        panels::tour::show(&context, state, &mut actions);
        panels::help::show(&context, state);
        panels::messages::show(&context, state, &mut actions);
        if matches!(state.model, ModelState::Loading { .. }) {
            context.request_repaint_after(std::time::Duration::from_millis(100));
        }
        for action in actions {
            self.apply(action);
        }
    }

    fn save(&mut self, storage: &mut dyn Storage) {
        let settings = Settings {
            // What pauses would do so at the next start.
            map: match self.state.settings.map {
                choice if choice.needs_channels() => MapChoice::Strength,
                choice => choice,
            },
            beside: Beside::Nothing,
            ..self.state.settings.clone()
        };
        eframe::set_value(storage, SETTINGS, &settings);
    }

    fn on_exit(&mut self) {
        self.stop_recording();
    }
}

/// The panel that is chosen.
fn inspector(ui: &mut Ui, state: &mut State, actions: &mut Vec<Action>) {
    ui.horizontal_wrapped(|ui| {
        for (panel, name) in Panel::ALL {
            ui.selectable_value(&mut state.settings.panel, panel, name);
        }
    });
    ui.separator();
    match state.settings.panel {
        Panel::Found => panels::found::show(ui, state, actions),
        Panel::Story => panels::story::show(ui, state, actions),
        Panel::Stages => panels::stages::show(ui, state, actions),
        Panel::Pipeline => panels::pipeline::show(ui, state, actions),
        Panel::Model => panels::model::show(ui, state, actions),
    }
}
