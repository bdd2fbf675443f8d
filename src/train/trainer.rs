//! A model in training: what it starts from, and its steps.

use burn::module::{Module, ParamGroup};
use burn::tensor::{Device, Tensor};
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};

use super::batches::BatchOptions;
use super::ftt;
use super::init::initial;
use super::optimizer::Optimizer;
use super::options::{BatchNorms, Learns, STAGES, TrainOptions};
use super::recipe::{self, LossOptions};
use super::step::{self, Batch};
use crate::models::{Architecture, Model, ModelConfig, TwoStage};
use crate::weights::{self, Checkpoint, WeightsError};

/// Why a training cannot begin or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A model that cannot be trained.
    #[error("{0} cannot be trained: expected a two-stage model")]
    Model(Architecture),
    /// A model without the part that is to learn.
    #[error("{0} has no feature texture transfer that could learn")]
    NoFtt(Architecture),
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
        found: Architecture,
    },
    /// Weights whose model's form cannot be told.
    #[error("the checkpoint's model cannot be told: {0}")]
    Form(String),
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
    /// What the step went down.
    pub loss: f32,
    /// What it is made of.
    #[serde(flatten)]
    pub parts: LossParts,
}

/// What the loss of a step is made of.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LossParts {
    /// Of a detector; the loss is their sum.
    Detector {
        /// Of the RPN's logits.
        objectness: f32,
        /// Of the RPN's boxes.
        rpn_box: f32,
        /// Of the box head's classes.
        classifier: f32,
        /// Of the box head's boxes.
        box_reg: f32,
    },
    /// Of a feature texture transfer.
    Ftt {
        /// Over whole levels.
        everywhere: f32,
        /// Over what objects cover, before it is multiplied.
        foreground: f32,
    },
}

impl LossParts {
    /// Their values by name.
    pub fn named(self) -> Vec<(&'static str, f32)> {
        match self {
            Self::Detector {
                objectness,
                rpn_box,
                classifier,
                box_reg,
            } => vec![
                ("RPN, objectness", objectness),
                ("RPN, boxes", rpn_box),
                ("box head, classes", classifier),
                ("box head, boxes", box_reg),
            ],
            Self::Ftt {
                everywhere,
                foreground,
            } => vec![("everywhere", everywhere), ("foreground", foreground)],
        }
    }
}

/// A model in training.
pub struct Trainer {
    pub(super) options: TrainOptions,
    pub(super) config: ModelConfig,
    pub(super) model: Model,
    pub(super) optimizer: Optimizer,
    pub(super) step: usize,
    device: Device,
}

impl Trainer {
    /// A model from scratch.
    ///
    /// # Errors
    /// If the model cannot be trained, or an option is [out of its range](TrainOptions::check).
    pub fn new(
        config: ModelConfig,
        options: TrainOptions,
        device: Device,
    ) -> Result<Self, TrainError> {
        options.check(&config)?;
        let device = device.autodiff();
        let model = initial(&config, options.norms(), options.seed, &device);
        Ok(Self::with_model(config, options, model, device))
    }

    /// A model that starts from what fits of a checkpoint, and the names of the tensors that do not.
    ///
    /// # Errors
    /// If the model cannot be trained, an option is [out of its range](TrainOptions::check), or a tensor
    /// cannot be read.
    pub fn from_checkpoint(
        config: ModelConfig,
        options: TrainOptions,
        checkpoint: &Checkpoint,
        device: Device,
    ) -> Result<(Self, Vec<String>), TrainError> {
        options.check(&config)?;
        let device = device.autodiff();
        let model = initial(&config, options.norms(), options.seed, &device);
        let (model, fresh) = weights::load_fitting(&config, checkpoint, model)?;
        Ok((Self::with_model(config, options, model, device), fresh))
    }

    fn with_model(
        config: ModelConfig,
        options: TrainOptions,
        model: Model,
        device: Device,
    ) -> Self {
        let rules = config.architecture.rules();
        Self {
            // Values that were filled in do not ask for gradients yet.
            model: frozen(model.unfreeze(), &config, &options),
            optimizer: Optimizer::new(options.momentum, options.weight_decay, move |path| {
                recipe::decays(rules, path)
            }),
            step: 0,
            options,
            config,
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

    /// How its batches are made.
    pub fn batch_options(&self) -> BatchOptions {
        BatchOptions::of(&self.options, &self.config)
    }

    /// Learn from a batch.
    ///
    /// # Errors
    /// If the loss is no finite number; the model is then as it was before.
    pub fn step(&mut self, batch: &Batch) -> Result<StepReport, TrainError> {
        let (total, parts) = self.losses(batch);
        let loss = total.clone().into_scalar::<f32>();
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
            parts,
        })
    }

    fn losses(&self, batch: &Batch) -> (Tensor<1>, LossParts) {
        let scalar = |loss: &Tensor<1>| loss.clone().into_scalar::<f32>();
        match self.options.learns {
            Learns::Detector | Learns::Heads => {
                let options =
                    LossOptions::of(self.config.architecture.rules(), self.options.amounts());
                let seed = self.options.seed ^ (self.step as u64).rotate_left(24);
                let mut chance = Pcg64Mcg::seed_from_u64(seed);
                let losses = step::losses(two_stage(&self.model), batch, &options, &mut chance);
                let parts = LossParts::Detector {
                    objectness: scalar(&losses.objectness),
                    rpn_box: scalar(&losses.rpn_box),
                    classifier: scalar(&losses.classifier),
                    box_reg: scalar(&losses.box_reg),
                };
                (losses.total(), parts)
            }
            Learns::Ftt { lambda } => {
                let model = self.model.as_faster_rcnn();
                let model = model.expect("a model with a feature texture transfer is one");
                let losses = ftt::losses(model, batch);
                let parts = LossParts::Ftt {
                    everywhere: scalar(&losses.everywhere),
                    foreground: scalar(&losses.foreground),
                };
                (losses.total(lambda), parts)
            }
        }
    }

    /// The weights as they are now, for use.
    pub fn weights(&self) -> Checkpoint {
        weights::save(&self.config, &self.model, &self.options.class_names)
    }
}

fn two_stage(model: &Model) -> &dyn TwoStage {
    let model = model.as_two_stage();
    model.expect("only two-stage models are trained")
}

/// The model with those parts frozen that do not learn.
fn frozen(model: Model, config: &ModelConfig, options: &TrainOptions) -> Model {
    let mut patterns = Vec::new();
    if options.norms() == BatchNorms::Frozen {
        patterns.push(r"(\.|^)(bn\d|norm)\.".to_owned());
    }
    let body = config.architecture.backbone();
    for part in &STAGES[..options.frozen_stages] {
        // In Burn's paths an enum's variant has a place of its own.
        let body = body.replace('.', r"\.");
        patterns.push(format!(r"(\.|^){body}(ResNet\.)?({part})\."));
    }
    match options.learns {
        Learns::Detector => {}
        Learns::Heads => patterns.push(r"(\.|^)(backbone|base)\.".to_owned()),
        Learns::Ftt { .. } => {
            patterns.push(r"(\.|^)(backbone\.(body|fpn)|rpn|roi_heads)\.".to_owned())
        }
    }
    match patterns.is_empty() {
        true => model,
        false => {
            let group = ParamGroup::from_any_regexes(patterns);
            model.freeze_group(group.expect("the patterns are sound"))
        }
    }
}
