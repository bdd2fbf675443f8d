//! `fpn train`.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};
use burn::tensor::Device;
use clap::Args;
use fpn_wgpu::data::{self, BACKGROUND};
use fpn_wgpu::models::{ModelConfig, Rules};
#[cfg(feature = "train-gpu")]
use fpn_wgpu::train::gpu_device;
use fpn_wgpu::train::{TrainError, Trainer, resume};
use indicatif::ProgressBar;

use super::fetch::open;
use super::output::say;
use super::{Usage, labels};
use form::TrainedArgs;
use options::{OptionArgs, at_least_one};

mod form;
mod log;
mod options;
mod plot;
mod run;
mod samples;

/// Train a two-stage detector
#[derive(Args)]
#[command(after_help = "\
Examples:
  fpn train --data voc:VOC2007:trainval --steps 3000 --out run
  fpn train --data coco:instances.json:images --init model.safetensors --out run
  fpn train --model fasterrcnn_c4_resnet50 --data voc:VOC2007:trainval+voc:VOC2012:trainval --out run
  fpn train --resume run

Without --model or --init, pyramid_tiny is trained.
Data sets: voc:DIR[:SPLIT], coco:JSON:IMAGES, scenes:SEED[:COUNT], small-scenes:SEED[:COUNT]; several
joined by '+'.
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

    #[command(flatten)]
    trained: TrainedArgs,

    /// Start from this checkpoint's weights as far as they fit: a file, or the name of published weights [see `fpn
    /// models --weights`]
    #[arg(long, value_name = "FILE|NAME")]
    init: Option<PathBuf>,

    /// Where to compute: cpu; or, if fpn was built with --features train-gpu, gpu or a part of an adapter's
    /// name [see `fpn adapters`]
    #[arg(long, value_name = "NAME", default_value = "cpu")]
    device: String,

    #[command(flatten)]
    options: OptionArgs,

    /// Steps from one checkpoint to the next
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = at_least_one())]
    save_every: usize,
}

impl Train {
    pub fn run(&self) -> Result<()> {
        if let Some(folder) = &self.resume {
            let path = folder.join(run::TRAINING);
            let checkpoint = open(&path)?;
            let trainer = resume(&checkpoint, self.trained.model.model, self.device()?)
                .map_err(|error| anyhow!("{}: {error}", path.display()))?;
            self.check_device(trainer.config())?;
            let options = trainer.options();
            let set = data::open_as(&options.data, &options.class_names)?;
            return run::run(trainer, set, folder, self.save_every);
        }
        let data = self.data.as_deref().expect("clap asks for it");
        let class_names = self
            .trained
            .model
            .labels
            .as_deref()
            .map(class_list)
            .transpose()?;
        if self.check {
            return check(data, class_names.as_deref());
        }
        let device = self.device()?;
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
        if set.class_names().len() < 2 {
            bail!("{data} has no classes");
        }
        let init = match &self.init {
            Some(path) => Some((&**path, self.trained.model.open(path)?)),
            None => None,
        };
        let init = init.as_ref().map(|(path, checkpoint)| (*path, checkpoint));
        let config = ModelConfig {
            classes: set.class_names().len(),
            ..self.trained.config(init)?
        };
        self.check_device(&config)?;
        let options = self
            .options
            .resolve(&config, data, set.as_ref(), init.is_some())?;
        options.check(&config).map_err(misused)?;
        let trainer = match init {
            Some((path, checkpoint)) => {
                let (trainer, fresh) =
                    Trainer::from_checkpoint(config, options, checkpoint, device)
                        .map_err(|error| anyhow!("{}: {error}", path.display()))?;
                say(format_args!(
                    "{}: all but {} tensors are taken over",
                    path.display(),
                    fresh.len()
                ))?;
                trainer
            }
            None => Trainer::new(config, options, device)?,
        };
        run::run(trainer, set, folder, self.save_every)
    }

    /// Burn's device for `--device`.
    #[cfg(feature = "train-gpu")]
    fn device(&self) -> Result<Device> {
        let Some(adapter) = super::device::adapter(&self.device)? else {
            return Ok(Device::flex());
        };
        eprintln!("on {}", adapter.get_info().name);
        Ok(gpu_device(&adapter)?)
    }

    #[cfg(not(feature = "train-gpu"))]
    fn device(&self) -> Result<Device> {
        match &*self.device {
            "cpu" => Ok(Device::flex()),
            name => Err(Usage(format!(
                "--device {name}: this fpn trains on the CPU; one that trains on GPUs is built by cargo build \
                 --release --features train-gpu"
            ))
            .into()),
        }
    }

    /// Whether the model's gradients are known where it is to be trained.
    fn check_device(&self, config: &ModelConfig) -> Result<()> {
        let model = config.architecture;
        let has_roi_pool = model.specification().rules == Some(Rules::Legacy);
        if self.device != "cpu" && (has_roi_pool || config.ftt.is_some()) {
            let told = format!(
                "--device {}: {model} is trained on the CPU only, where RoIPool and feature texture transfers have \
                 gradients",
                self.device
            );
            return Err(Usage(told).into());
        }
        Ok(())
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
        TrainError::NoFtt(model) => Usage(format!(
            "--ftt-loss: {model} has no feature texture transfer, as EFPN has with --ftt"
        ))
        .into(),
        other => other.into(),
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
