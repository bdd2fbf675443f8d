//! `fpn train`.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};
use burn::tensor::Device;
use clap::builder::{RangedU64ValueParser, TypedValueParser};
use clap::{Args, ValueEnum};
use fpn_wgpu::data::{self, BACKGROUND, ImageSet};
use fpn_wgpu::models::Architecture;
use fpn_wgpu::models::faster_rcnn::PYRAMID_TINY;
#[cfg(feature = "train-gpu")]
use fpn_wgpu::train::gpu_device;
use fpn_wgpu::train::{BatchNorms, Decay, Schedule, TrainError, TrainOptions, Trainer, resume};
use indicatif::ProgressBar;

use super::model::{architecture_parser, open};
use super::output::say;
use super::{Usage, labels};

mod log;
mod plot;
mod run;
mod samples;

/// Train a two-stage detector
#[derive(Args)]
#[command(after_help = "\
Examples:
  fpn train --data voc:VOC2007:trainval --steps 3000 --out run
  fpn train --data coco:instances.json:images --init model.safetensors --out run
  fpn train --resume run

Data sets: voc:DIR[:SPLIT], coco:JSON:IMAGES, scenes:SEED[:COUNT]; several joined by '+'.
The folder then holds model.safetensors (to use), training.safetensors (to go on with), log.jsonl,
losses.svg and samples.png.")]
pub struct Train {
    /// What to learn from
    #[arg(long, value_name = "DATA", required_unless_present = "resume")]
    data: Option<String>,

    /// The folder that everything is written to, made if need be
    #[arg(long, value_name = "DIR", required_unless_present_any = ["resume", "check"])]
    out: Option<PathBuf>,

    /// Go on with the training in this folder, as if it had never stopped
    #[arg(long, value_name = "DIR", conflicts_with_all = ["data", "out", "init"])]
    resume: Option<PathBuf>,

    /// Report all problems of the data set, and train nothing
    #[arg(long)]
    check: bool,

    /// The model [see `fpn models`]; pyramid_tiny unless said otherwise
    #[arg(long, value_name = "NAME", value_parser = architecture_parser(), hide_possible_values = true)]
    model: Option<Architecture>,

    /// Start from this checkpoint's weights as far as they fit
    #[arg(long, value_name = "FILE")]
    init: Option<PathBuf>,

    /// Where to compute: cpu; or, if fpn was built with --features train-gpu, gpu or a part of an adapter's
    /// name [see `fpn adapters`]
    #[arg(long, value_name = "NAME", default_value = "cpu")]
    device: String,

    /// Batches to learn from
    #[arg(long, value_name = "N", default_value_t = 3000, value_parser = at_least_one())]
    steps: usize,

    /// Pictures in a batch
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = at_least_one())]
    batch: usize,

    /// Learning rate after the warm-up
    #[arg(long, value_name = "RATE", default_value_t = 0.02)]
    learning_rate: f64,

    /// Steps in which the learning rate grows; a tenth of all, at most 500, unless said otherwise
    #[arg(long, value_name = "N")]
    warm_up: Option<usize>,

    /// How the learning rate falls
    #[arg(long, value_name = "NAME", default_value = "cosine")]
    decay: DecayName,

    /// Steps at which --decay steps divides the learning rate by ten; after 2/3 and 8/9 of all unless
    /// said otherwise
    #[arg(long, value_name = "N,N", value_delimiter = ',')]
    decay_at: Option<Vec<usize>>,

    /// Share of the velocity that is kept at each step
    #[arg(long, value_name = "SHARE", default_value_t = 0.9)]
    momentum: f64,

    /// Share of a weight that is added to its gradient
    #[arg(long, value_name = "SHARE", default_value_t = 1e-4)]
    weight_decay: f64,

    /// Whether batch norms learn; live from scratch, frozen with --init, unless said otherwise
    #[arg(long, value_name = "NAME")]
    batch_norms: Option<BatchNormsName>,

    /// Parts of the bottom-up network that stay as they are, from the stem on
    #[arg(long, value_name = "0-5", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=5))]
    freeze: u8,

    /// Proposals that RoIs are chosen from, a picture
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    proposals: Option<usize>,

    /// RoIs that the box head learns from, a picture
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    rois: Option<usize>,

    /// What a batch's short sides are resized to, in pixels: one of these, by chance
    #[arg(long, value_name = "N,N", value_delimiter = ',', value_parser = at_least_one())]
    short_sides: Option<Vec<usize>>,

    /// What long sides are resized to at most, in pixels
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    long_side: Option<usize>,

    /// A name for each class, one a line, in the model's order; those of the data set unless given
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,

    /// What chance starts from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Steps from one checkpoint to the next
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = at_least_one())]
    save_every: usize,
}

fn at_least_one() -> impl TypedValueParser<Value = usize> {
    RangedU64ValueParser::<usize>::new().range(1..)
}

#[derive(Clone, Copy, ValueEnum)]
enum DecayName {
    Cosine,
    Steps,
}

#[derive(Clone, Copy, ValueEnum)]
enum BatchNormsName {
    Live,
    Frozen,
}

/// Fewest pictures that live batch norms learn from.
const LEAST_LIVE_BATCH: usize = 8;

impl Train {
    pub fn run(&self) -> Result<()> {
        let device = device(&self.device)?;
        if let Some(folder) = &self.resume {
            let path = folder.join(run::TRAINING);
            let trainer = resume(&open(&path)?, self.model, device)
                .map_err(|error| anyhow!("{}: {error}", path.display()))?;
            let options = trainer.options();
            let set = data::open_as(&options.data, &options.class_names)?;
            return run::run(trainer, set, folder, self.save_every);
        }
        let data = self.data.as_deref().expect("clap asks for it");
        let class_names = self.labels.as_deref().map(class_list).transpose()?;
        if self.check {
            return check(data, class_names.as_deref());
        }
        let folder = self.out.as_deref().expect("clap asks for it");
        if folder.join(run::TRAINING).exists() {
            bail!(
                "{} holds a training already: go on with --resume, or choose another --out",
                folder.display()
            );
        }
        let set = match &class_names {
            None => data::open(data)?,
            Some(names) => data::open_as(data, names)?,
        };
        let options = self.options(data, set.as_ref())?;
        options.check().map_err(misused)?;
        let trainer = match &self.init {
            None => Trainer::new(options, device)?,
            Some(path) => {
                let (trainer, fresh) = Trainer::from_checkpoint(options, &open(path)?, device)
                    .map_err(|error| anyhow!("{}: {error}", path.display()))?;
                say(format_args!(
                    "{}: all but {} tensors are taken over",
                    path.display(),
                    fresh.len()
                ))?;
                trainer
            }
        };
        run::run(trainer, set, folder, self.save_every)
    }

    fn options(&self, data: &str, set: &dyn ImageSet) -> Result<TrainOptions> {
        let model = self.model.unwrap_or(PYRAMID_TINY);
        let batch_norms = match (self.batch_norms, &self.init) {
            (Some(BatchNormsName::Live), _) | (None, None) => BatchNorms::Live,
            (Some(BatchNormsName::Frozen), _) | (None, Some(_)) => BatchNorms::Frozen,
        };
        if batch_norms == BatchNorms::Live && self.batch < LEAST_LIVE_BATCH {
            return Err(Usage(format!(
                "--batch is {}: expected at least {LEAST_LIVE_BATCH} where batch norms learn",
                self.batch
            ))
            .into());
        }
        if set.class_names().len() < 2 {
            bail!("{data} has no classes");
        }
        let defaults = model.specification().training;
        let (Some(defaults), Some(bounds)) = (defaults, model.transform().resize) else {
            return Err(Usage(format!(
                "--model {model} cannot be trained: expected a two-stage model"
            ))
            .into());
        };
        let steps = self.steps;
        Ok(TrainOptions {
            model: model.name().to_owned(),
            class_names: set.class_names().to_vec(),
            bn_eps: 1e-5,
            schedule: Schedule {
                steps,
                learning_rate: self.learning_rate,
                warm_up: self.warm_up.unwrap_or((steps / 10).min(500)),
                decay: match self.decay {
                    DecayName::Cosine => Decay::Cosine,
                    DecayName::Steps => {
                        let at = || vec![steps * 2 / 3, steps * 8 / 9];
                        Decay::Steps(self.decay_at.clone().unwrap_or_else(at))
                    }
                },
            },
            momentum: self.momentum,
            weight_decay: self.weight_decay,
            batch_norms,
            frozen_stages: self.freeze.into(),
            proposals: self.proposals.unwrap_or(defaults.proposals),
            rois: self.rois.unwrap_or(defaults.rois),
            batch: self.batch,
            short_sides: self
                .short_sides
                .clone()
                .unwrap_or_else(|| vec![bounds.min_size]),
            long_side: self.long_side.unwrap_or(bounds.max_size),
            seed: self.seed,
            data: data.to_owned(),
        })
    }
}

/// An option out of its range, by its name on the command line.
fn misused(error: TrainError) -> anyhow::Error {
    match error {
        TrainError::Option {
            option,
            expected,
            found,
        } => {
            let option = option.replace('_', "-");
            Usage(format!("--{option} is {found}: expected {expected}")).into()
        }
        other => other.into(),
    }
}

/// Burn's device for `--device`.
#[cfg(feature = "train-gpu")]
fn device(name: &str) -> Result<Device> {
    let Some(adapter) = super::device::adapter(name)? else {
        return Ok(Device::flex());
    };
    eprintln!("on {}", adapter.get_info().name);
    Ok(gpu_device(&adapter)?)
}

#[cfg(not(feature = "train-gpu"))]
fn device(name: &str) -> Result<Device> {
    match name {
        "cpu" => Ok(Device::flex()),
        _ => Err(Usage(format!(
            "--device {name}: this fpn trains on the CPU; one that trains on GPUs is built by cargo build \
             --release --features train-gpu"
        ))
        .into()),
    }
}

/// All problems of a data set, a line each.
fn check(data: &str, class_names: Option<&[String]>) -> Result<()> {
    let progress = ProgressBar::no_length();
    let mut looked_at = 0;
    let problems = data::check(data, class_names, |pictures| {
        progress.set_length(pictures as u64);
        progress.inc(1);
        looked_at += 1;
    });
    progress.finish_and_clear();
    for problem in &problems {
        say(problem)?;
    }
    match problems.len() {
        0 => say(format_args!("{data}: {looked_at} pictures, no problems")),
        1 => bail!("{data} has a problem"),
        count => bail!("{data} has {count} problems"),
    }
}

/// The names in the file, the background's first.
fn class_list(path: &Path) -> Result<Vec<String>> {
    let mut names = labels::read(path)?;
    if names.first().is_none_or(|name| name != BACKGROUND) {
        names.insert(0, BACKGROUND.to_owned());
    }
    Ok(names)
}
