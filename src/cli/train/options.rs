//! The options that say how a training goes.

use anyhow::Result;
use clap::builder::{RangedU64ValueParser, TypedValueParser};
use clap::{Args, ValueEnum};
use fpn_wgpu::data::ImageSet;
use fpn_wgpu::models::{ModelConfig, Rules, TrainingDefaults};
use fpn_wgpu::train::{BatchNorms, Decay, Learns, Schedule, TrainOptions, steps_of_epoch};

use crate::cli::Usage;

/// How a training goes; what is not said is as the model is usually trained.
#[derive(Args)]
pub struct OptionArgs {
    /// Batches to learn from [default: 3000, but for models that count epochs]
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    steps: Option<usize>,

    /// How often to go through all pictures [default: 20 of C4 models]
    #[arg(long, value_name = "N", conflicts_with = "steps", value_parser = at_least_one())]
    epochs: Option<usize>,

    /// Pictures in a batch [default: 8; detectron2's models 2, EFPN 4, C4 models 1]
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    batch: Option<usize>,

    /// Learning rate after the warm-up [default: 0.02; detectron2's models 0.0025, EFPN 0.0001, C4 models 0.001]
    #[arg(long, value_name = "RATE")]
    learning_rate: Option<f64>,

    /// Steps in which the learning rate grows; a tenth of all, at most as many as is usual for the model, unless
    /// said otherwise
    #[arg(long, value_name = "N")]
    warm_up: Option<usize>,

    /// How the learning rate falls [default: cosine; C4 models epochs]
    #[arg(long, value_name = "NAME")]
    decay: Option<DecayName>,

    /// Steps at which --decay steps divides the learning rate by ten; after 2/3 and 8/9 of all unless
    /// said otherwise
    #[arg(long, value_name = "N,N", value_delimiter = ',')]
    decay_at: Option<Vec<usize>>,

    /// --decay epochs divides the learning rate by ten at each epoch, counted from 1, that N + 1 divides
    /// [default: 5]
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    decay_epochs: Option<usize>,

    /// Share of the velocity that is kept at each step
    #[arg(long, value_name = "SHARE", default_value_t = 0.9)]
    momentum: f64,

    /// Share of a weight that is added to its gradient
    #[arg(long, value_name = "SHARE", default_value_t = 1e-4)]
    weight_decay: f64,

    /// Whether batch norms learn; live from scratch, frozen with --init and in detectron2's models, EFPN and C4
    /// models, unless said otherwise
    #[arg(long, value_name = "NAME")]
    batch_norms: Option<BatchNormsName>,

    /// Parts of the bottom-up network that stay as they are, from the stem on [default: 0; EFPN 1, detectron2's
    /// and C4 models 2]
    #[arg(long, value_name = "0-6", value_parser = clap::value_parser!(u8).range(0..=6))]
    freeze: Option<u8>,

    /// Train the feature texture transfer alone, by its own loss, balanced between foreground and background
    #[arg(long, conflicts_with = "heads_only")]
    ftt_loss: bool,

    /// What the foreground's part of that loss is multiplied by
    #[arg(
        long,
        value_name = "X",
        default_value_t = 1.0,
        requires = "ftt_loss",
        allow_negative_numbers = true
    )]
    ftt_lambda: f64,

    /// Train the RPN and the box head alone
    #[arg(long)]
    heads_only: bool,

    /// Anchors that the RPN learns from, a picture
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    anchors: Option<usize>,

    /// Proposals that RoIs are chosen from, a picture
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    proposals: Option<usize>,

    /// RoIs that the box head learns from, a picture
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    rois: Option<usize>,

    /// Objects that are learnt from, a picture, by chance [default: all; C4 models 20, of COCO's format 50]
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    most_objects: Option<usize>,

    /// What a batch's short sides are resized to, in pixels: one of these, by chance
    #[arg(long, value_name = "N,N", value_delimiter = ',', value_parser = at_least_one())]
    short_sides: Option<Vec<usize>>,

    /// What long sides are resized to at most, in pixels
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    long_side: Option<usize>,

    /// What chance starts from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// Takes a number above 0.
pub fn at_least_one() -> impl TypedValueParser<Value = usize> {
    RangedU64ValueParser::<usize>::new().range(1..)
}

#[derive(Clone, Copy, ValueEnum)]
enum DecayName {
    Cosine,
    Steps,
    Epochs,
}

#[derive(Clone, Copy, ValueEnum)]
enum BatchNormsName {
    Live,
    Frozen,
}

/// Fewest pictures that live batch norms learn from.
const LEAST_LIVE_BATCH: usize = 8;
/// Steps of a training that counts no epochs.
const STEPS: usize = 3000;
/// Epochs before the learning rate falls.
const DECAY_EPOCHS: usize = 5;

impl OptionArgs {
    /// All that a training of the model on a set of data takes; `has_init` says whether it starts from a checkpoint.
    ///
    /// # Errors
    /// If the model cannot be trained, or not so.
    pub fn resolve(
        &self,
        config: &ModelConfig,
        data: &str,
        set: &dyn ImageSet,
        has_init: bool,
    ) -> Result<TrainOptions> {
        let model = config.architecture;
        let specification = model.specification();
        let (Some(defaults), Some(rules)) = (specification.training, specification.rules) else {
            return Err(Usage(format!(
                "--model {model} cannot be trained: expected a two-stage model"
            ))
            .into());
        };
        let batch = self.batch.unwrap_or(defaults.batch);
        let batch_norms = match self.batch_norms {
            Some(BatchNormsName::Live) => BatchNorms::Live,
            Some(BatchNormsName::Frozen) => BatchNorms::Frozen,
            None if has_init || defaults.are_norms_frozen => BatchNorms::Frozen,
            None => BatchNorms::Live,
        };
        let learns = match (self.ftt_loss, self.heads_only) {
            (true, _) => Learns::Ftt {
                lambda: self.ftt_lambda,
            },
            (_, true) => Learns::Heads,
            _ => Learns::Detector,
        };
        let do_norms_learn = learns == Learns::Detector && batch_norms == BatchNorms::Live;
        if do_norms_learn && batch < LEAST_LIVE_BATCH {
            return Err(Usage(format!(
                "--batch is {batch}: expected at least {LEAST_LIVE_BATCH} where batch norms learn"
            ))
            .into());
        }
        let most_objects = match rules {
            Rules::Legacy if data.contains("coco:") => Some(50),
            Rules::Legacy => Some(20),
            Rules::Torchvision | Rules::Detectron2 => None,
        };
        Ok(TrainOptions {
            class_names: set.class_names().to_vec(),
            learns,
            schedule: self.schedule(&defaults, steps_of_epoch(set, rules, batch).max(1)),
            momentum: self.momentum,
            weight_decay: self.weight_decay,
            batch_norms,
            frozen_stages: self.freeze.map_or(defaults.frozen_stages, usize::from),
            anchors: self.anchors.unwrap_or(defaults.anchors),
            proposals: self.proposals.unwrap_or(defaults.proposals),
            rois: self.rois.unwrap_or(defaults.rois),
            batch,
            short_sides: self
                .short_sides
                .clone()
                .unwrap_or_else(|| defaults.short_sides.to_vec()),
            long_side: self.long_side.unwrap_or(defaults.long_side),
            most_objects: self.most_objects.or(most_objects),
            seed: self.seed,
            data: data.to_owned(),
        })
    }

    /// The learning rate over the steps, of which an epoch has `per_epoch`, at least one.
    fn schedule(&self, defaults: &TrainingDefaults, per_epoch: usize) -> Schedule {
        let usual = defaults.epochs.filter(|_| self.steps.is_none());
        let epochs = self.epochs.or(usual.map(|epochs| epochs.count));
        let steps = match epochs {
            Some(epochs) => epochs.saturating_mul(per_epoch),
            None => self.steps.unwrap_or(STEPS),
        };
        let decay = self.decay.unwrap_or(match defaults.epochs {
            Some(_) => DecayName::Epochs,
            None => DecayName::Cosine,
        });
        let decay = match decay {
            DecayName::Cosine => Decay::Cosine,
            DecayName::Steps => {
                let at = || vec![steps * 2 / 3, steps * 8 / 9];
                Decay::Steps(self.decay_at.clone().unwrap_or_else(at))
            }
            DecayName::Epochs => {
                let usual = defaults.epochs.map(|epochs| epochs.decay_after);
                let after = self.decay_epochs.or(usual).unwrap_or(DECAY_EPOCHS);
                // Epoch 1 begins at step 0.
                let epochs = (1..).map(|count: usize| count.saturating_mul(after + 1) - 1);
                let at = epochs.map(|epoch| epoch.saturating_mul(per_epoch));
                Decay::Steps(at.take_while(|&at| at < steps).collect())
            }
        };
        Schedule {
            steps,
            learning_rate: self.learning_rate.unwrap_or(defaults.learning_rate),
            warm_up: self.warm_up.unwrap_or((steps / 10).min(defaults.warm_up)),
            decay,
        }
    }
}
