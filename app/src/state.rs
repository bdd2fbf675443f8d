//! What the window shows, and how.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use eframe::egui::Color32;
use fpn_wgpu::models::Stage;
use fpn_wgpu::{Detection, FeatureMap};
use image::RgbaImage;
use serde::{Deserialize, Serialize};
use web_time::Instant;

use crate::engine::{Choice, Fetched, Inspected, ModelCard, Seen};
use crate::history::History;
use crate::paint::{Range, class_colour, level_colour};
use crate::platform::CameraInfo;
use crate::source::{Grip, Player};

/// What is kept from one run to the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// What colours of boxes tell.
    pub colour_by: ColourBy,
    /// Whether boxes have their names on them.
    pub names: bool,
    /// Whether suppressed boxes are drawn where they are known.
    pub ghosts: bool,
    /// What the levels show.
    pub map: MapChoice,
    /// What is beside the pyramid's levels.
    pub beside: Beside,
    /// Whether a level's colours go from its own weakest to its own strongest cell, or are the same for all.
    pub range: RangeChoice,
    /// The panel on the right.
    pub panel: Panel,
    /// Whether a camera's pictures are mirrored.
    pub mirrored: bool,
    /// Whether the tour was offered already.
    pub toured: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            colour_by: ColourBy::Level,
            names: true,
            ghosts: false,
            map: MapChoice::Strength,
            beside: Beside::Nothing,
            range: RangeChoice::Own,
            panel: Panel::Found,
            mirrored: true,
            toured: false,
        }
    }
}

impl Settings {
    /// Whether what is chosen can only be shown of a picture that stands still.
    pub fn needs_standing(&self) -> bool {
        self.map.needs_channels() || self.beside != Beside::Nothing
    }

    /// Choose nothing that could not be shown live.
    pub fn let_go(&mut self) {
        if self.map.needs_channels() {
            self.map = MapChoice::Strength;
        }
        self.beside = Beside::Nothing;
    }
}

/// What colours of boxes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ColourBy {
    /// Which level a box started from.
    Level,
    /// What it is.
    Class,
}

/// What of a level is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MapChoice {
    /// The Euclidean norm over channels.
    Strength,
    /// How likely a cell holds an object.
    Objectness,
    /// The mean over channels.
    Mean,
    /// The highest of all channels.
    Maximum,
    /// One channel.
    Channel(usize),
}

impl MapChoice {
    /// Whether it takes all channels, which are only there where the picture stands still.
    pub fn needs_channels(self) -> bool {
        matches!(self, Self::Mean | Self::Maximum | Self::Channel(_))
    }
}

/// What is beside the pyramid's levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Beside {
    /// They are alone.
    Nothing,
    /// The bottom-up maps.
    BottomUp,
    /// The same levels if nothing were handed down to them.
    Alone,
}

impl Beside {
    /// The one after it.
    pub fn next(self) -> Self {
        match self {
            Self::Nothing => Self::BottomUp,
            Self::BottomUp => Self::Alone,
            Self::Alone => Self::Nothing,
        }
    }
}

/// Which values become which colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RangeChoice {
    /// Each level's own.
    Own,
    /// Those of all levels together, of this picture.
    Shared,
    /// As it was when this was chosen.
    Fixed,
}

/// The panels on the right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Panel {
    /// What was found.
    Found,
    /// How one box came to be.
    Story,
    /// From anchors to detections.
    Stages,
    /// The drawn pipeline with its times.
    Pipeline,
    /// Which detector.
    Model,
}

impl Panel {
    /// All of them, with their titles.
    pub const ALL: [(Self, &str); 5] = [
        (Self::Found, "Found"),
        (Self::Story, "Story"),
        (Self::Stages, "Stages"),
        (Self::Pipeline, "Pipeline"),
        (Self::Model, "Model"),
    ];
}

/// Where a detector stands.
pub enum ModelState {
    /// It is being made.
    Loading {
        /// What its weights are called.
        name: String,
        /// When that began.
        since: Instant,
        /// How much of its weights has come, where they are fetched.
        fetched: Option<Fetched>,
    },
    /// It is there, or the last one is.
    Ready,
    /// There is none.
    None,
}

/// A cell of a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// 2 for P2.
    pub level: usize,
    /// Its row.
    pub y: usize,
    /// Its column.
    pub x: usize,
}

/// The stages that boxes go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BoxStage {
    /// Every anchor of every cell.
    Anchors,
    /// The best of each level.
    Chosen,
    /// Where the head shifted them.
    Decoded,
    /// What no better one of the level overlaps: proposals.
    Proposals,
    /// Candidates of the box head.
    Candidates,
    /// Detections.
    Final,
}

impl BoxStage {
    /// All of them, in their order.
    pub const ALL: [Self; 6] = [
        Self::Anchors,
        Self::Chosen,
        Self::Decoded,
        Self::Proposals,
        Self::Candidates,
        Self::Final,
    ];
}

/// A sentence for the user.
#[derive(Clone, Debug)]
pub struct Message {
    /// What it says.
    pub text: String,
    /// Whether something went wrong.
    pub is_error: bool,
    /// When it came.
    pub since: Instant,
}

/// The part of the picture that is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// How many times as large as it fits.
    pub zoom: f32,
    /// The middle, in shares of the picture.
    pub centre: [f32; 2],
}

impl Default for View {
    fn default() -> Self {
        Self {
            zoom: 1.0,
            centre: [0.5; 2],
        }
    }
}

/// All that the window shows.
pub struct State {
    /// What is kept from one run to the next.
    pub settings: Settings,
    /// What gives pictures.
    pub player: Option<Arc<Player>>,
    /// Whether pictures follow each other.
    pub plays: bool,
    /// Where the detector stands.
    pub model: ModelState,
    /// The detector that is there.
    pub card: Option<Arc<ModelCard>>,
    /// The detector that is chosen in the panel Model.
    pub choice: Choice,
    /// The adapters of this machine, best first, and whether each computes on the CPU.
    pub adapters: Vec<(String, bool)>,
    /// The picture that is shown, with what was seen in it.
    pub shown: Option<Arc<Seen>>,
    /// How the boxes of some picture came to be.
    pub inspected: Option<Arc<Inspected>>,
    /// Whether that is being found out.
    pub inspects: bool,
    /// The levels if nothing were handed down, and of which picture.
    pub alone: Option<(Arc<RgbaImage>, Vec<FeatureMap>)>,
    /// What the picture is compared with.
    pub pinned: Option<Arc<Seen>>,
    /// The last seconds.
    pub history: History,
    /// The score from which on detections are shown.
    pub score: f32,
    /// The overlap above which the weaker of two boxes falls.
    pub nms: f32,
    /// Labels that are left out.
    pub hidden: BTreeSet<usize>,
    /// Which of the detections is selected.
    pub selected: Option<usize>,
    /// Which the pointer is over, on the picture or in the list.
    pub hovered: Option<usize>,
    /// Which the pointer is over in the list.
    pub listed: Option<usize>,
    /// Where the pointer is on the picture, in its pixels.
    pub cursor: Option<[f32; 2]>,
    /// The cell that the pointer is over, in a level.
    pub cell: Option<Cell>,
    /// The boxes that are shown.
    pub stage: BoxStage,
    /// The part of the picture that is shown.
    pub view: View,
    /// Where shapes of the scene are held.
    pub grip: Grip,
    /// What the user is told.
    pub messages: VecDeque<Message>,
    /// Whether the keys are listed.
    pub help: bool,
    /// Whether the panel that is chosen is shown where there is room for either it or the levels.
    pub sheet: bool,
    /// The tour's step, if it goes on.
    pub tour: Option<usize>,
    /// The cameras that were found.
    pub cameras: Vec<CameraInfo>,
    /// The colours' range that was fixed, and of what.
    pub fixed_range: Option<(MapChoice, Beside, Range)>,
    /// Of the pictures that were shown last, the newest at the end.
    pub times: VecDeque<PictureTimes>,
    /// The file that is recorded into.
    pub records: Option<String>,
    /// The part of the pipeline that is selected.
    pub part: Option<Stage>,
}

/// Times of a picture that was shown.
#[derive(Clone, Debug)]
pub struct PictureTimes {
    /// When it was shown.
    pub shown: Instant,
    /// Seconds of each part by the GPU's clock, where there is one.
    pub parts: Vec<(Stage, f64)>,
    /// Seconds that the detector took.
    pub detected: f32,
    /// Seconds from the source to the window.
    pub latency: f32,
    /// Seconds that the window took to draw its frame.
    pub drawn: f32,
}

impl State {
    /// Before anything was seen.
    pub fn new(settings: Settings, choice: Choice) -> Self {
        Self {
            settings,
            player: None,
            plays: true,
            model: ModelState::None,
            card: None,
            choice,
            adapters: Vec::new(),
            shown: None,
            inspected: None,
            alone: None,
            inspects: false,
            pinned: None,
            history: History::default(),
            score: 0.5,
            nms: 0.5,
            hidden: BTreeSet::new(),
            selected: None,
            hovered: None,
            listed: None,
            cursor: None,
            cell: None,
            stage: BoxStage::Final,
            view: View::default(),
            grip: Grip::new(),
            messages: VecDeque::new(),
            help: false,
            sheet: false,
            tour: None,
            cameras: Vec::new(),
            fixed_range: None,
            times: VecDeque::new(),
            records: None,
            part: None,
        }
    }

    /// The detections that pass the window's threshold, with their indices among all.
    pub fn visible<'a>(&'a self, seen: &'a Seen) -> impl Iterator<Item = (usize, &'a Detection)> {
        let items = seen.detections.items.iter().enumerate();
        items.filter(|(_, item)| item.score >= self.score && !self.hidden.contains(&item.label))
    }

    /// No detector is being made any more: the last one stays, if there is one.
    pub fn stop_loading(&mut self) {
        self.model = match self.card {
            Some(_) => ModelState::Ready,
            None => ModelState::None,
        };
    }

    /// Whether pictures are looked at one by one, for as long as it takes.
    pub fn stands_by_picture(&self) -> bool {
        let player = self.player.as_ref();
        player.is_some_and(|player| player.count().is_some())
    }

    /// Whether the picture stands still.
    pub fn stands(&self) -> bool {
        !self.plays || self.stands_by_picture()
    }

    /// The stages that the detector's boxes go through.
    pub fn stages(&self) -> Vec<BoxStage> {
        let card = self.card.as_ref();
        let is_two_stage = card.is_none_or(|card| card.config.architecture.is_two_stage());
        let of_two = [BoxStage::Decoded, BoxStage::Proposals];
        let all = BoxStage::ALL.into_iter();
        all.filter(|stage| is_two_stage || !of_two.contains(stage))
            .collect()
    }

    /// The colour of a box from a level, of a class.
    pub fn colour_of(&self, level: usize, label: usize) -> Color32 {
        match self.settings.colour_by {
            ColourBy::Level => level_colour(level),
            ColourBy::Class => class_colour(label),
        }
    }

    /// How what is shown came to be, if it is of that very picture and those very boxes.
    pub fn inspection(&self) -> Option<&Inspected> {
        let (shown, inspected) = (self.shown.as_ref()?, self.inspected.as_ref()?);
        let is_it = shown.frame.is_same(&inspected.frame)
            && Arc::ptr_eq(&shown.model, &inspected.model)
            && shown.detections == inspected.inspection.detections;
        is_it.then_some(inspected)
    }

    /// The levels if nothing were handed down, if they are of that very picture.
    pub fn alone(&self) -> Option<&[FeatureMap]> {
        let (shown, (picture, maps)) = (self.shown.as_ref()?, self.alone.as_ref()?);
        Arc::ptr_eq(&shown.frame.picture, picture).then_some(maps)
    }

    /// Tell the user something.
    pub fn tell(&mut self, text: impl Into<String>, is_error: bool) {
        let text = text.into();
        self.messages.retain(|message| message.text != text);
        self.messages.push_back(Message {
            text,
            is_error,
            since: Instant::now(),
        });
        while self.messages.len() > MOST_MESSAGES {
            self.messages.pop_front();
        }
    }
}

const MOST_MESSAGES: usize = 4;
