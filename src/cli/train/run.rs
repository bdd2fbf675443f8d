//! The steps of a training, and what is written on the way.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result, anyhow};
use fpn_wgpu::DetectError;
use fpn_wgpu::data::ImageSet;
use fpn_wgpu::train::{Batches, StepReport, TrainError, Trainer};
use indicatif::{ProgressBar, ProgressStyle};

use super::log::Log;
use super::{plot, samples};
use crate::cli::interrupt;
use crate::cli::output::{PendingFile, say};

/// The file to go on with.
pub const TRAINING: &str = "training.safetensors";
/// The weights to use.
const MODEL: &str = "model.safetensors";
/// A line for each step.
const LOG: &str = "log.jsonl";
/// The losses, drawn.
const LOSSES: &str = "losses.svg";
/// What the model finds in some pictures, drawn.
const SAMPLES: &str = "samples.png";

/// Train to the end, or until Ctrl-C.
pub fn run(
    mut trainer: Trainer,
    set: Box<dyn ImageSet>,
    folder: &Path,
    save_every: usize,
) -> Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("folder {} cannot be made", folder.display()))?;
    let options = trainer.options().clone();
    let set: Arc<dyn ImageSet> = set.into();
    let batches = Batches::start(set.clone(), trainer.batch_options(), trainer.steps_done())?;
    let mut log = Log::open(&folder.join(LOG), trainer.steps_done())?;
    let stop = interrupt::on_ctrl_c("step")?;
    let progress = progress(options.schedule.steps, trainer.steps_done(), options.batch);

    while trainer.steps_done() < options.schedule.steps {
        let batch = batches.next(trainer.device())?;
        let report = match trainer.step(&batch) {
            Ok(report) => report,
            Err(error @ TrainError::Diverged { .. }) => {
                progress.abandon();
                return Err(diverged(error, folder));
            }
            Err(error) => return Err(error.into()),
        };
        log.push(report)?;
        show(&progress, &report);
        let is_stopped = stop.load(Ordering::Relaxed);
        let is_last = report.step == options.schedule.steps; // saved below
        if is_stopped || (report.step % save_every == 0 && !is_last) {
            save(&trainer, set.as_ref(), &log, folder)?;
        }
        if is_stopped {
            progress.abandon();
            say(format_args!(
                "stopped after step {} of {}: go on with fpn train --resume {}",
                report.step,
                options.schedule.steps,
                folder.display()
            ))?;
            return Ok(());
        }
    }
    save(&trainer, set.as_ref(), &log, folder)?;
    progress.finish_and_clear();
    say(format_args!(
        "{} steps: the weights are in {}",
        trainer.steps_done(),
        folder.join(MODEL).display()
    ))
}

/// Write everything that shows where the training is. Each file is whole at all times, and the weights
/// are such that detect.
fn save(trainer: &Trainer, set: &dyn ImageSet, log: &Log, folder: &Path) -> Result<()> {
    let page = match samples::draw(trainer, set) {
        Err(error) if matches!(error.downcast_ref(), Some(DetectError::NotFinite)) => {
            return Err(diverged(error, folder));
        }
        page => page?,
    };
    for (name, checkpoint) in [(TRAINING, trainer.checkpoint()), (MODEL, trainer.weights())] {
        PendingFile::create(&folder.join(name))?.write(&checkpoint.to_safetensors(false)?)?;
    }
    PendingFile::create(&folder.join(LOSSES))?.write(plot::draw(log.steps())?.as_bytes())?;
    PendingFile::create(&folder.join(SAMPLES))?.write_picture(page)
}

/// What to do about a training that came to NaN or infinities.
fn diverged(error: impl Display, folder: &Path) -> anyhow::Error {
    let last = folder.join(TRAINING);
    let kept = match last.exists() {
        true => format!("the last good checkpoint is {}", last.display()),
        false => "there is no checkpoint yet".to_owned(),
    };
    anyhow!("{error}: try a smaller learning rate; {kept}")
}

fn progress(steps: usize, done: usize, batch: usize) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{bar:30} {pos}/{len} steps, {images} pictures/s, {eta} left, {msg}",
    );
    let style = style.expect("the template is sound").with_key(
        "images",
        move |state: &indicatif::ProgressState, out: &mut dyn std::fmt::Write| {
            let _ = write!(out, "{:.1}", state.per_sec() * batch as f64);
        },
    );
    let progress = ProgressBar::new(steps as u64).with_style(style);
    progress.set_position(done as u64);
    progress.reset_eta();
    progress
}

fn show(progress: &ProgressBar, report: &StepReport) {
    let parts = report.parts.named().into_iter();
    let parts: Vec<String> = parts.map(|(_, loss)| format!("{loss:.3}")).collect();
    progress.set_message(format!(
        "loss {:.3} ({}), rate {:.5}",
        report.loss,
        parts.join(" + "),
        report.learning_rate
    ));
    progress.set_position(report.step as u64);
}
