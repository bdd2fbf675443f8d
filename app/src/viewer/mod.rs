//! The viewer: what the user wants is done, and what the window is made of.

mod events;
mod keys;
mod layout;
mod saving;
mod textures;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use eframe::egui::{Color32, Context, Ui};
use eframe::wgpu::Error;
use eframe::{App, CreationContext, Frame as EframeFrame, Storage};
use fpn_wgpu::gpu::Gpu;
use web_time::Instant;

use self::textures::Texture;
use crate::action::Action;
use crate::engine::{Choice, Engine, Event, Seen, Views, WeightsChoice};
use crate::file::File;
use crate::history::History;
use crate::measure::Measurement;
use crate::paint::HeatMaps;
use crate::panels::levels::Tiles;
use crate::platform;
use crate::recorder::{Ended, Recorder};
use crate::source::{CameraSource, Frame, PictureSource, Player, SceneSource, Source, VideoSource};
use crate::state::{BoxStage, ModelState, RangeChoice, State, View};
use crate::wake::Wake;
use crate::window;

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
    /// Lose the device that draws the window after so many pictures, as a driver may at any time.
    pub lose_device: Option<usize>,
}

/// The program in its window.
pub struct Viewer {
    state: State,
    engine: Engine,
    context: Context,
    /// What other threads wake the window by.
    wake: Wake,
    /// The device that draws the window, if a detector can share it.
    device: Option<Arc<Gpu>>,
    /// Told when it is lost.
    lost: Arc<AtomicBool>,
    /// Whether it was when the last frame was to be drawn.
    is_lost: bool,
    /// After how many pictures it is to be lost.
    lose_device: Option<usize>,
    /// The picture that is shown, and the pinned one, on the window's device.
    textures: [Texture; 2],
    /// What is drawn of the levels.
    tiles: Option<Tiles>,
    recorder: Option<Recorder>,
    measurement: Option<Measurement>,
    /// Seconds that the window took to draw its last frame.
    drawn: f32,
    /// What comes from threads other than the engine's.
    sender: Sender<FromElsewhere>,
    receiver: Receiver<FromElsewhere>,
    /// Whether the next picture is to be shown although none follows it.
    awaits: bool,
    /// The picture whose ways are being found out.
    asked: Option<Frame>,
    /// That whose levels without the way down are.
    asked_alone: Option<Frame>,
}

/// What other threads tell.
enum FromElsewhere {
    /// What was chosen in a dialog, or found.
    Action(Action),
    /// A recording came to its end.
    Recorded(Ended),
}

impl Viewer {
    /// In a window that was just opened.
    pub fn new(creation: &CreationContext<'_>, start: Start) -> Self {
        let settings = creation
            .storage
            .and_then(|storage| eframe::get_value(storage, SETTINGS));
        let context = creation.egui_ctx.clone();
        let wake = Wake::new(context.clone());
        let woken = wake.clone();
        let (device, lost) = drawn_by(creation, &wake);
        let engine = Engine::new(device.clone(), move || woken.wake());
        let (sender, receiver) = channel();
        let mut viewer = Self {
            state: State::new(settings.unwrap_or_default(), start.choice.clone()),
            engine,
            context,
            wake,
            device,
            lost,
            is_lost: false,
            lose_device: start.lose_device,
            textures: Default::default(),
            tiles: None,
            recorder: None,
            drawn: 0.0,
            measurement: start.measure.map(Measurement::new),
            sender,
            receiver,
            awaits: true,
            asked: None,
            asked_alone: None,
        };
        viewer.apply(Action::Load(start.choice));
        match start.source {
            None => viewer.apply(Action::Scene),
            Some(source) if platform::is_camera(&source) => {
                viewer.apply(Action::Camera(source, None))
            }
            Some(source) => viewer.apply(Action::Open(File::Path(source.into()))),
        }
        viewer
    }

    /// In another window, since the device of the last one was lost: what was on it is gone, the rest goes on.
    pub fn reopened(&mut self, creation: &CreationContext<'_>) {
        self.context = creation.egui_ctx.clone();
        self.wake.now(self.context.clone());
        (self.device, self.lost) = drawn_by(creation, &self.wake);
        self.is_lost = false;
        self.engine.window(self.device.clone());
        (self.textures, self.tiles) = (Default::default(), None);
        let state = &mut self.state;
        state.history = History::default();
        for seen in [&mut state.shown, &mut state.pinned].into_iter().flatten() {
            *seen = Arc::new(seen.without_views());
        }
        let choice = match (&self.state.model, &self.state.card) {
            // What is chosen in the panel need not be wanted yet.
            (ModelState::Ready, Some(card)) => card.choice.clone(),
            _ => self.state.choice.clone(),
        };
        self.load(choice);
        let told = "The device that draws the window was lost: it was opened again";
        self.state.tell(told, true);
    }

    /// Whether the window was closed because its device is lost.
    pub fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// Whether the device of the window that is open is lost.
    pub fn is_losing(&self) -> bool {
        self.lost.load(Ordering::SeqCst)
    }

    /// Lose the device where that was asked for.
    fn lose(&mut self, frame: &EframeFrame) {
        if self.lose_device == Some(0)
            && let Some(window) = frame.wgpu_render_state()
        {
            self.lose_device = None;
            window.device.destroy();
            // Of this kind of loss one is told late.
            self.lost.store(true, Ordering::SeqCst);
        }
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
                self.watch(CameraSource::new(&id, &name, size));
            }
            Action::Mirror(mirrored) => {
                self.state.settings.mirrored = mirrored;
                if let Some(player) = &self.state.player {
                    player.mirror(mirrored);
                }
            }
            Action::ListCameras => {
                let tell = self.tell_from_elsewhere();
                platform::find_cameras(move |cameras| {
                    tell(FromElsewhere::Action(Action::Cameras(cameras)));
                });
            }
            Action::Cameras(cameras) => self.state.cameras = cameras,
            Action::Open(file) => self.open(file),
            Action::Dropped(file) => {
                let tell = self.tell_from_elsewhere();
                platform::dropped(&file, move |file| {
                    let action = file.map_or_else(Action::Refuse, Action::Open);
                    tell(FromElsewhere::Action(action));
                });
            }
            Action::Refuse(told) => self.state.tell(told, true),
            Action::Ask(dialog) => {
                let tell = self.tell_from_elsewhere();
                platform::ask(dialog, move |action| tell(FromElsewhere::Action(action)));
            }
            Action::Paste(pasted) => {
                let [width, height] = pasted.size.map(|side| side as u32);
                // The detector sees no alpha either.
                let opaque = |pixel: &Color32| {
                    let [r, g, b, _] = pixel.to_srgba_unmultiplied();
                    [r, g, b, u8::MAX]
                };
                let bytes = pasted.pixels.iter().flat_map(opaque);
                if let Some(picture) = image::RgbaImage::from_raw(width, height, bytes.collect()) {
                    self.watch(PictureSource::memory("Clipboard", picture));
                }
            }
            Action::Play(plays) => self.play(plays),
            Action::Step(by) => self.step(by),
            Action::Seek(time) => {
                self.awaits = true;
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
                self.state.stop_loading();
                self.state.tell("Loading was cancelled", false);
            }
            Action::Nms(threshold) => {
                self.engine.nms_threshold(threshold);
                self.look_again();
            }
            Action::Pin(pins) => {
                self.state.pinned = self.state.shown.clone().filter(|_| pins);
            }
            Action::CopyJson => self.copy_json(),
            Action::Copy(text) => self.context.copy_text(text),
            Action::Save { path, annotated } => self.save_picture(&path, annotated),
            Action::Record(path) => self.start_recording(&path),
            Action::StopRecording => self.stop_recording(),
        }
    }

    fn watch(&mut self, source: impl Source + 'static) {
        if let Some(last) = self.state.player.take() {
            // Of a camera it may be the same.
            last.end();
        }
        let (bell, wake) = (self.engine.bell(), self.wake.clone());
        let player = Arc::new(Player::new(source, move || {
            bell();
            // It may have come to its end.
            wake.wake();
        }));
        player.mirror(self.state.settings.mirrored);
        self.engine.watch(player.clone());
        self.awaits = true;
        let state = &mut self.state;
        state.plays = player.count().is_none();
        if state.plays {
            state.settings.let_go();
        }
        state.player = Some(player);
        state.history = History::default();
        state.grip.clear();
        (state.selected, state.hovered) = (None, None);
        state.stage = BoxStage::Final;
        state.view = View::default();
        state.times.clear();
    }

    /// A file is what its content says.
    fn open(&mut self, file: File) {
        let told = match file {
            File::Path(path) if !path.exists() => Err(format!("{} does not exist", path.display())),
            File::Path(path) if path.is_dir() => PictureSource::folder(&path)
                .map(|source| self.watch(source))
                .map_err(|error| error.to_string()),
            file if file.is_video() => VideoSource::open(file)
                .map(|source| self.watch(source))
                .map_err(|error| error.to_string()),
            file if file.is_picture() => {
                self.watch(PictureSource::file(file));
                Ok(())
            }
            file if file.is_checkpoint() => {
                let choice = Choice {
                    weights: WeightsChoice::File(file),
                    architecture: None,
                    ..self.state.choice.clone()
                };
                self.load(choice);
                Ok(())
            }
            file => Err(format!(
                "{} is neither a picture, a video (y4m, AVI, mp4) nor a checkpoint (PyTorch, safetensors)",
                file.name()
            )),
        };
        if let Err(told) = told {
            self.state.tell(told, true);
        }
    }

    /// What other tasks tell by, and wake the window.
    fn tell_from_elsewhere(&self) -> impl Fn(FromElsewhere) + Send + use<> {
        let (sender, wake) = (self.sender.clone(), self.wake.clone());
        move |told| {
            sender.send(told).ok();
            wake.wake();
        }
    }

    fn play(&mut self, plays: bool) {
        let state = &mut self.state;
        let stands = state.stands_by_picture();
        let Some(player) = state.player.as_ref().filter(|_| !stands) else {
            return;
        };
        player.play(plays);
        state.plays = plays;
        self.awaits = false;
        if plays {
            state.settings.let_go();
            state.stage = BoxStage::Final;
            (state.selected, state.inspected) = (None, None);
        }
    }

    fn step(&mut self, by: i64) {
        let Some(player) = self.state.player.clone() else {
            return;
        };
        if self.state.stands_by_picture() {
            player.turn(by);
            return;
        }
        self.play(false);
        let history = &self.state.history;
        let shown = self.state.shown.as_ref();
        let shown = shown.and_then(|shown| history.position(shown));
        let next = shown.and_then(|at| at.checked_add_signed(by as isize));
        match next.and_then(|at| history.get(at)).cloned() {
            Some(seen) => self.show(seen),
            None if by > 0 => {
                self.awaits = true;
                player.step();
            }
            None => {}
        }
    }

    fn show(&mut self, seen: Arc<Seen>) {
        let state = &mut self.state;
        (state.selected, state.hovered) = (None, None);
        // What was on the device has been written over, and another model tells another story.
        let is_gone = matches!(seen.views, Views::Device(..));
        let card = state.card.as_ref();
        let is_of_another = card.is_some_and(|card| !Arc::ptr_eq(card, &seen.model));
        if is_gone || is_of_another {
            self.engine.again(seen.frame.clone());
        }
        state.shown = Some(seen);
    }

    fn load(&mut self, choice: Choice) {
        self.state.model = ModelState::Loading {
            name: choice.weights.name(),
            since: Instant::now(),
            fetched: None,
        };
        self.state.choice = choice.clone();
        self.engine.load(choice);
    }
}

impl App for Viewer {
    fn logic(&mut self, context: &Context, frame: &mut EframeFrame) {
        self.lose(frame);
        // Not when a window that the user closed lets go of its device.
        self.is_lost = self.is_losing();
        if self.is_lost {
            platform::lost(context);
            return;
        }
        let events: Vec<Event> = self.engine.events().collect();
        for event in events {
            self.happened(event);
        }
        let told: Vec<FromElsewhere> = self.receiver.try_iter().collect();
        for told in told {
            match told {
                FromElsewhere::Action(action) => self.apply(action),
                FromElsewhere::Recorded(ended) => self.recorded(ended),
            }
        }
        if let Some(end) = self
            .state
            .player
            .as_ref()
            .and_then(|player| player.take_end())
        {
            self.state.plays = false;
            self.awaits = true;
            match end {
                Ok(()) => {}
                Err(error) => self.state.tell(error.to_string(), true),
            }
        }
        self.find_out();
        self.engine
            .read_back(self.state.settings.range != RangeChoice::Own);
        let pictures = [
            ("picture", &self.state.shown),
            ("pinned", &self.state.pinned),
        ];
        for (texture, (name, seen)) in self.textures.iter_mut().zip(pictures) {
            let picture = seen.as_ref().map(|seen| &seen.frame.picture);
            texture.hold(&self.context, name, picture);
        }
        if let Some(seconds) = frame.info().cpu_usage {
            self.drawn = seconds;
            if let Some(measurement) = &mut self.measurement {
                measurement.drew(seconds);
                self.context.request_repaint();
            }
        }
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut EframeFrame) {
        if self.is_lost {
            return;
        }
        let mut actions = Vec::new();
        let context = ui.ctx().clone();
        let (state, tiles) = (&mut self.state, &mut self.tiles);
        keys::read(&context, state, &mut actions);
        // The panel with the list may not be there.
        state.listed = None;
        if !state.settings.toured && state.card.is_some() {
            state.settings.toured = true;
            state.tell(
                "New here? The tour shows what there is to see, in a dozen steps",
                false,
            );
        }
        let textures = [0, 1].map(|index| self.textures[index].handle());
        layout::show(ui, state, tiles, textures, &mut actions);
        if matches!(state.model, ModelState::Loading { .. }) {
            context.request_repaint_after(std::time::Duration::from_millis(100));
        }
        for action in actions {
            self.apply(action);
        }
    }

    /// For the page, which asks what is shown.
    #[cfg(target_arch = "wasm32")]
    fn as_any_mut(&mut self) -> Option<&mut dyn std::any::Any> {
        Some(self)
    }

    fn save(&mut self, storage: &mut dyn Storage) {
        // What pauses would do so at the next start.
        let mut settings = self.state.settings.clone();
        settings.let_go();
        eframe::set_value(storage, SETTINGS, &settings);
    }

    fn on_exit(&mut self) {
        if !self.is_lost
            && let Some(recorder) = self.recorder.take()
        {
            recorder.end_and_wait();
        }
    }
}

/// The device that draws a window that was just opened, if a detector can share it; and whether it is lost.
fn drawn_by(creation: &CreationContext<'_>, wake: &Wake) -> (Option<Arc<Gpu>>, Arc<AtomicBool>) {
    let lost = Arc::new(AtomicBool::new(false));
    let Some(window) = &creation.wgpu_render_state else {
        return (None, lost);
    };
    HeatMaps::install(window);
    // Otherwise it would end the program. While a detector computes on the same device, a surface cannot always be
    // configured, and is again with the next frame; what else goes wrong is seen by whoever asked for it.
    window.device.on_uncaptured_error(Arc::new(|error: Error| {
        eprintln!("while the window was drawn: {error}")
    }));
    let (tell, wake) = (lost.clone(), wake.clone());
    window.device.set_device_lost_callback(move |_, _| {
        tell.store(true, Ordering::SeqCst);
        wake.wake();
    });
    (window::shared(window), lost)
}
