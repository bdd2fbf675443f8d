//! A model in training: what it starts from, and its steps.

use std::str::FromStr;

use burn::module::{Module, ParamGroup};
use burn::tensor::Device;
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};

use super::init::initial;
use super::optimizer::Optimizer;
use super::schedule::Schedule;
use super::step::{Batch, LossOptions, losses};
use crate::models::{Architecture, Model, ModelConfig};
use crate::weights::{self, Checkpoint, MAX_CLASSES, WeightsError};

/// Whether batch norms learn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchNorms {
    /// They normalize by each batch, and learn: from scratch, with at least 8 pictures a batch.
    Live,
    /// They stay as they are, as in all fine-tuning by torchvision.
    Frozen,
}

/// What a training is, but its data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainOptions {
    /// Name of the model.
    pub model: String,
    /// A name for every label, the background's first.
    pub class_names: Vec<String>,
    /// `eps` of the batch norms.
    pub bn_eps: f64,
    /// The learning rate over the steps.
    pub schedule: Schedule,
    /// Share of the velocity that is kept at each step.
    pub momentum: f64,
    /// Share of a weight that is added to its gradient.
    pub weight_decay: f64,
    /// Whether batch norms learn.
    pub batch_norms: BatchNorms,
    /// How many parts of the bottom-up network stay as they are, from the stem on: 0 to 5.
    pub frozen_stages: usize,
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
    /// What chance starts from.
    pub seed: u64,
    /// The data set, as [`open`](crate::data::open) takes it.
    pub data: String,
}

/// Parts of a bottom-up network, from the stem on, by the names of their layers.
const STAGES: [&str; 5] = ["conv1|bn1", "layer1", "layer2", "layer3", "layer4"];
/// Most steps of a training.
const MOST_STEPS: usize = 1_000_000_000;
/// Most pictures in a batch.
const MOST_PICTURES: usize = 4096;
/// Most proposals and RoIs a picture.
const MOST_BOXES: usize = 100_000;
/// Longest side that pictures are resized to.
const LONGEST_SIDE: usize = 16_384;
/// Most pixels of a batch: beyond it the pictures alone take gigabytes.
const MOST_PIXELS: usize = 1 << 28;

impl TrainOptions {
    /// Whether there is such a model, and every number is one that it can be trained with.
    ///
    /// # Errors
    /// If not; the error names the first option that is out of its range.
    pub fn check(&self) -> Result<(), TrainError> {
        self.config()?;
        let classes = self.class_names.len();
        if !(2..=MAX_CLASSES).contains(&classes) {
            let found = format!("of {classes} names");
            return Err(out_of_range(
                "class_names",
                format!("2 to {MAX_CLASSES}"),
                found,
            ));
        }
        let Self { schedule, .. } = self;
        for (option, found, range) in [
            ("steps", schedule.steps, 1..=MOST_STEPS),
            ("frozen_stages", self.frozen_stages, 0..=STAGES.len()),
            ("proposals", self.proposals, 1..=MOST_BOXES),
            ("rois", self.rois, 1..=MOST_BOXES),
            ("batch", self.batch, 1..=MOST_PICTURES),
        ] {
            if !range.contains(&found) {
                let expected = format!("{} to {}", range.start(), range.end());
                return Err(out_of_range(option, expected, found));
            }
        }
        // f32 is what an optimizer computes in.
        let is_rate = |rate: f64| rate >= 0.0 && (rate as f32).is_finite();
        for (option, found) in [
            ("bn_eps", self.bn_eps),
            ("learning_rate", schedule.learning_rate),
            ("weight_decay", self.weight_decay),
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

    /// The model's shape.
    ///
    /// # Errors
    /// If there is no such model, or it is no two-stage model.
    pub fn config(&self) -> Result<ModelConfig, TrainError> {
        let architecture = Architecture::from_str(&self.model)
            .ok()
            .filter(|architecture| architecture.specification().training.is_some())
            .ok_or_else(|| TrainError::Model(self.model.clone()))?;
        Ok(ModelConfig {
            architecture,
            classes: self.class_names.len(),
            bn_eps: self.bn_eps,
            ..ModelConfig::of(architecture)
        })
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

/// Why a training cannot begin or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A model that cannot be trained.
    #[error("{0} cannot be trained: expected a two-stage model")]
    Model(String),
    /// The training diverged.
    #[error("the loss of step {step} is {loss}")]
    Diverged {
        /// Counted from 1.
        step: usize,
        /// NaN or an infinity.
        loss: f32,
    },
    /// A number that no model can be trained with.
    #[error("{option} is {found}: expected {expected}")]
    Option {
        /// Which, as [`TrainOptions`] names it.
        option: &'static str,
        /// What it may be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A checkpoint whose training is not as it was written.
    #[error("the checkpoint's training cannot be read: {0}")]
    Damaged(String),
    /// A checkpoint that no training was left in.
    #[error("the checkpoint does not hold a training to go on with")]
    NoTraining,
    /// A training of another model.
    #[error("the checkpoint is of a training of {found}, not of {asked}")]
    OtherModel {
        /// Named by the caller.
        asked: Architecture,
        /// Named by the checkpoint.
        found: String,
    },
    /// Weights that cannot be used. What is wrong with them is told here, and so it is no source: a chain
    /// of errors would tell it twice.
    #[error("the checkpoint {0}")]
    Weights(WeightsError),
}

impl From<WeightsError> for TrainError {
    fn from(error: WeightsError) -> Self {
        Self::Weights(error)
    }
}

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// Counted from 1.
    pub step: usize,
    /// Of the step.
    pub learning_rate: f64,
    /// Sum of the four.
    pub loss: f32,
    /// Of the RPN's logits.
    pub objectness: f32,
    /// Of the RPN's boxes.
    pub rpn_box: f32,
    /// Of the box head's classes.
    pub classifier: f32,
    /// Of the box head's boxes.
    pub box_reg: f32,
}

/// A model in training.
pub struct Trainer {
    pub(super) options: TrainOptions,
    pub(super) config: ModelConfig,
    pub(super) model: Model,
    pub(super) optimizer: Optimizer,
    pub(super) step: usize,
    loss_options: LossOptions,
    device: Device,
}

impl Trainer {
    /// A model from scratch.
    ///
    /// # Errors
    /// If the model cannot be trained, or an option is [out of its range](TrainOptions::check).
    pub fn new(options: TrainOptions, device: Device) -> Result<Self, TrainError> {
        options.check()?;
        let config = options.config()?;
        let device = device.autodiff();
        let model = initial(&config, options.seed, &device);
        Ok(Self::with_model(options, config, model, device))
    }

    /// A model that starts from what fits of a checkpoint, and the names of the tensors that do not.
    ///
    /// # Errors
    /// If the model cannot be trained, an option is [out of its range](TrainOptions::check), or a tensor
    /// cannot be read.
    pub fn from_checkpoint(
        options: TrainOptions,
        checkpoint: &Checkpoint,
        device: Device,
    ) -> Result<(Self, Vec<String>), TrainError> {
        options.check()?;
        let config = options.config()?;
        let device = device.autodiff();
        let model = initial(&config, options.seed, &device);
        let (model, fresh) = weights::load_fitting(&config, checkpoint, model)?;
        Ok((Self::with_model(options, config, model, device), fresh))
    }

    fn with_model(
        options: TrainOptions,
        config: ModelConfig,
        model: Model,
        device: Device,
    ) -> Self {
        let loss_options = LossOptions {
            rois: options.rois,
            proposals: options.proposals,
            ..LossOptions::torchvision()
        };
        Self {
            // Values that were filled in do not ask for gradients yet.
            model: frozen(model.unfreeze(), &options),
            optimizer: Optimizer::new(options.momentum, options.weight_decay),
            step: 0,
            options,
            config,
            loss_options,
            device,
        }
    }

    /// What the training is.
    pub fn options(&self) -> &TrainOptions {
        &self.options
    }

    /// The model's shape.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Steps done.
    pub fn steps_done(&self) -> usize {
        self.step
    }

    /// Where batches are needed.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Learn from a batch.
    ///
    /// # Errors
    /// If the loss is no finite number; the model is then as it was before.
    pub fn step(&mut self, batch: &Batch) -> Result<StepReport, TrainError> {
        let model = self.model.as_faster_rcnn();
        let model = model.expect("only two-stage models are trained");
        let mut chance =
            Pcg64Mcg::seed_from_u64(self.options.seed ^ (self.step as u64).rotate_left(24));
        let losses = losses(model, batch, &self.loss_options, &mut chance);
        let total = losses.total();
        let [loss, objectness, rpn_box, classifier, box_reg] = [
            total.clone(),
            losses.objectness,
            losses.rpn_box,
            losses.classifier,
            losses.box_reg,
        ]
        .map(|loss| loss.into_scalar::<f32>());
        if !loss.is_finite() {
            let step = self.step + 1;
            return Err(TrainError::Diverged { step, loss });
        }
        let learning_rate = self.options.schedule.at(self.step);
        let gradients = total.backward();
        let model = self.model.clone();
        self.model = self.optimizer.step(model, gradients, learning_rate);
        self.step += 1;
        Ok(StepReport {
            step: self.step,
            learning_rate,
            loss,
            objectness,
            rpn_box,
            classifier,
            box_reg,
        })
    }

    /// The weights as they are now, for use.
    pub fn weights(&self) -> Checkpoint {
        weights::save(&self.config, &self.model, &self.options.class_names)
    }
}

/// The model with those parts frozen that do not learn.
fn frozen(model: Model, options: &TrainOptions) -> Model {
    let mut patterns = Vec::new();
    if options.batch_norms == BatchNorms::Frozen {
        patterns.push(r"(\.|^)(bn\d|norm)\.".to_owned());
    }
    for part in &STAGES[..options.frozen_stages] {
        patterns.push(format!(r"backbone\.body\.({part})\."));
    }
    match patterns.is_empty() {
        true => model,
        false => {
            let group = ParamGroup::from_any_regexes(patterns);
            model.freeze_group(group.expect("the patterns are sound"))
        }
    }
}
