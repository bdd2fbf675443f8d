//! What a training is.

use serde::{Deserialize, Serialize};

use super::recipe::Amounts;
use super::schedule::Schedule;
use super::trainer::TrainError;
use crate::models::ModelConfig;
use crate::weights::MAX_CLASSES;

/// Whether batch norms learn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchNorms {
    /// They normalize by each batch, and learn: from scratch, with at least 8 pictures a batch.
    Live,
    /// They stay as they are, as in all fine-tuning by torchvision.
    Frozen,
}

/// What of a model learns.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Learns {
    /// All of it, from the losses of what is found.
    Detector,
    /// The region proposal network and the box head, from the same.
    Heads,
    /// The feature texture transfer of EFPN, from its [own loss](super::ftt::losses).
    Ftt {
        /// What the loss of the foreground is multiplied by.
        lambda: f64,
    },
}

/// What a training is, but its data and the model's form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainOptions {
    /// A name for every label, the background's first.
    pub class_names: Vec<String>,
    /// What learns.
    pub learns: Learns,
    /// The learning rate over the steps.
    pub schedule: Schedule,
    /// Share of the velocity that is kept at each step.
    pub momentum: f64,
    /// Share of a weight that is added to its gradient.
    pub weight_decay: f64,
    /// Whether batch norms learn.
    pub batch_norms: BatchNorms,
    /// How many parts of the bottom-up network stay as they are, from the stem on: 0 to 6.
    pub frozen_stages: usize,
    /// Anchors that the RPN learns from, a picture.
    pub anchors: usize,
    /// Proposals that RoIs are chosen from, a picture.
    pub proposals: usize,
    /// RoIs that the box head learns from, a picture.
    pub rois: usize,
    /// Pictures in a batch.
    pub batch: usize,
    /// What a batch's short sides are resized to, in pixels: one of these, by chance.
    pub short_sides: Vec<usize>,
    /// What long sides are resized to at most, in pixels.
    pub long_side: usize,
    /// Objects that are learnt from, a picture; none for all.
    pub most_objects: Option<usize>,
    /// What chance starts from.
    pub seed: u64,
    /// The data set, as [`open`](crate::data::open) takes it.
    pub data: String,
}

/// Parts of a bottom-up network, from the stem on, by the names of their layers.
pub(super) const STAGES: [&str; 6] = [
    "conv1|bn1",
    "layer1",
    "layer2",
    "layer3",
    "layer4",
    "layer5",
];
/// Most steps of a training.
const MOST_STEPS: usize = 1_000_000_000;
/// Most pictures in a batch.
const MOST_PICTURES: usize = 4096;
/// Most anchors, proposals, RoIs and objects a picture.
const MOST_BOXES: usize = 100_000;
/// Longest side that pictures are resized to.
const LONGEST_SIDE: usize = 16_384;
/// Most pixels of a batch: beyond it the pictures alone take gigabytes.
const MOST_PIXELS: usize = 1 << 28;

impl TrainOptions {
    /// Whether every number is one that a model of this shape can be trained with.
    ///
    /// # Errors
    /// If not, or if the model cannot be trained so; the error names the first option that is out of its range.
    pub fn check(&self, config: &ModelConfig) -> Result<(), TrainError> {
        let architecture = config.architecture;
        if architecture.specification().training.is_none() {
            return Err(TrainError::Model(architecture));
        }
        if matches!(self.learns, Learns::Ftt { .. }) && config.ftt.is_none() {
            return Err(TrainError::NoFtt(architecture));
        }
        let classes = self.class_names.len();
        if !(2..=MAX_CLASSES).contains(&classes) {
            let (expected, found) = (format!("2 to {MAX_CLASSES}"), format!("of {classes} names"));
            return Err(out_of_range("class_names", expected, found));
        }
        if classes != config.classes {
            let expected = format!("as many as the model has classes, {}", config.classes);
            let found = format!("of {classes} names");
            return Err(out_of_range("class_names", expected, found));
        }
        let Self { schedule, .. } = self;
        for (option, found, range) in [
            ("steps", schedule.steps, 1..=MOST_STEPS),
            ("frozen_stages", self.frozen_stages, 0..=STAGES.len()),
            ("anchors", self.anchors, 1..=MOST_BOXES),
            ("proposals", self.proposals, 1..=MOST_BOXES),
            ("rois", self.rois, 1..=MOST_BOXES),
            (
                "most_objects",
                self.most_objects.unwrap_or(1),
                1..=MOST_BOXES,
            ),
            ("batch", self.batch, 1..=MOST_PICTURES),
        ] {
            if !range.contains(&found) {
                let expected = format!("{} to {}", range.start(), range.end());
                return Err(out_of_range(option, expected, found));
            }
        }
        // f32 is what an optimizer computes in.
        let is_rate = |rate: f64| rate >= 0.0 && (rate as f32).is_finite();
        let lambda = match self.learns {
            Learns::Ftt { lambda } => lambda,
            Learns::Detector | Learns::Heads => 0.0,
        };
        for (option, found) in [
            ("learning_rate", schedule.learning_rate),
            ("weight_decay", self.weight_decay),
            ("ftt_lambda", lambda),
        ] {
            if !is_rate(found) {
                let expected = "a finite number of 0 or more";
                return Err(out_of_range(option, expected, format!("{found:?}")));
            }
        }
        if !(0.0..=1.0).contains(&self.momentum) {
            let found = format!("{:?}", self.momentum);
            return Err(out_of_range("momentum", "0 to 1", found));
        }
        self.check_sizes()
    }

    fn check_sizes(&self) -> Result<(), TrainError> {
        let short = self.short_sides.iter().copied().max();
        let short = short.ok_or_else(|| out_of_range("short_sides", "at least one", "empty"))?;
        let sides = self.short_sides.iter().map(|&side| ("short_sides", side));
        for (option, found) in sides.chain([("long_side", self.long_side)]) {
            if !(1..=LONGEST_SIDE).contains(&found) {
                let expected = format!("1 to {LONGEST_SIDE} pixels");
                return Err(out_of_range(option, expected, found));
            }
        }
        let (batch, long) = (self.batch, self.long_side);
        let short = short.min(long);
        if batch * short * long > MOST_PIXELS {
            let found = format!("{batch} pictures of up to {long}×{short} pixels");
            let expected = format!("at most {MOST_PIXELS} pixels in all");
            return Err(out_of_range("batch", expected, found));
        }
        Ok(())
    }

    /// Whether batch norms learn, which they do as a part of a whole detector only.
    pub(super) fn norms(&self) -> BatchNorms {
        match self.learns {
            Learns::Detector => self.batch_norms,
            Learns::Heads | Learns::Ftt { .. } => BatchNorms::Frozen,
        }
    }

    /// How much of a picture is learnt from.
    pub(super) fn amounts(&self) -> Amounts {
        Amounts {
            anchors: self.anchors,
            proposals: self.proposals,
            rois: self.rois,
        }
    }
}

fn out_of_range(
    option: &'static str,
    expected: impl Into<String>,
    found: impl ToString,
) -> TrainError {
    TrainError::Option {
        option,
        expected: expected.into(),
        found: found.to_string(),
    }
}
