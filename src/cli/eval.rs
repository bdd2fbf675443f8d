//! `fpn eval`.

mod measure;
mod table;

use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::thread;

use anyhow::{Result, bail};
use clap::Args;
use fpn_wgpu::Detector;
use fpn_wgpu::data::{self, ImageSet};
use fpn_wgpu::eval::Evaluation;
use indicatif::{ProgressBar, ProgressStyle};

use super::cache;
use super::detector::{DetectorArgs, EngineArgs, failure};
use super::output::{PendingFile, check_distinct, say};
use measure::Measurement;

/// Measure how well a detector finds what is in a data set
#[derive(Args)]
#[command(after_help = "\
Examples:
  fpn eval --data scenes:9:500
  fpn eval --data voc:VOC2007:test --weights mine.safetensors --json metrics.json

Data sets: voc:DIR[:SPLIT], coco:JSON:IMAGES, scenes:SEED[:COUNT], small-scenes:SEED[:COUNT]; several
joined by '+'. Classes are matched by name. docs/evaluation.md says what the figures are.")]
pub struct Eval {
    /// What to look at
    #[arg(long, value_name = "DATA")]
    data: String,

    #[command(flatten)]
    detector: DetectorArgs,

    /// Write the figures as JSON; - is standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Pictures read ahead of the detector.
const AHEAD: usize = 4;

impl Eval {
    pub fn run(&self) -> Result<()> {
        let json_file = self.json.as_deref().filter(|path| *path != Path::new("-"));
        let EngineArgs { weights, model, .. } = &self.detector.engine;
        check_distinct(weights.iter().chain(&model.labels), json_file)?;
        let set = data::open(&self.data)?;
        let detector = self.detector.build()?;
        let labels = labels_of(set.as_ref(), detector.class_names(), &self.data)?;
        let json_file = json_file.map(PendingFile::create).transpose()?;

        let (evaluation, failures) = evaluate(set.as_ref(), &detector, &labels);
        if let Some(engine) = detector.gpu_engine() {
            cache::keep_pipelines(engine.gpu());
        }
        if failures.len() < set.len() {
            let metrics = evaluation.metrics();
            let json = || serde_json::to_string_pretty(&metrics);
            match (&self.json, json_file) {
                (Some(_), None) => say(json()?)?,
                (_, file) => {
                    say(table::text(&metrics))?;
                    if let Some(file) = file {
                        file.write((json()? + "\n").as_bytes())?;
                    }
                }
            }
        }
        for failure in &failures {
            eprintln!("error: {failure:#}");
        }
        match failures.len() {
            0 => Ok(()),
            failed => bail!("{failed} failed, {} done", set.len() - failed),
        }
    }
}

/// The data set's label of each of the model's, by name; none where the data set has no such class.
fn labels_of(set: &dyn ImageSet, model: &[String], data: &str) -> Result<Vec<Option<usize>>> {
    let names = set.class_names();
    let unknown: Vec<&str> = names[1..]
        .iter()
        .filter(|name| !model.contains(name))
        .map(String::as_str)
        .collect();
    if !unknown.is_empty() {
        bail!(
            "{data} has classes that the model does not know: {}; it knows {}",
            unknown.join(", "),
            model[1..].join(", ")
        );
    }
    let label = |name: &String| names.iter().position(|known| known == name);
    Ok(model.iter().map(label).collect())
}

/// Look at all pictures; those that fail are left out.
fn evaluate(
    set: &dyn ImageSet,
    detector: &Detector,
    labels: &[Option<usize>],
) -> (Evaluation, Vec<anyhow::Error>) {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {per_sec}, {eta} left");
    let progress = ProgressBar::new(set.len() as u64);
    progress.set_style(style.expect("the template is sound"));
    let mut measurement = Measurement::new(set, labels);
    let mut failures = Vec::new();
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(AHEAD);
        scope.spawn(move || {
            for index in 0..set.len() {
                if sender.send((index, set.example(index))).is_err() {
                    break;
                }
            }
        });
        for (index, example) in receiver {
            let looked_at = example.map_err(anyhow::Error::from).and_then(|example| {
                let pending = detector.start(&example.picture);
                let found = pending.and_then(|pending| pending.wait());
                let found = found.map_err(|error| failure(set.name(index), error))?;
                measurement.add(index, example.objects, &found)
            });
            failures.extend(looked_at.err());
            progress.inc(1);
        }
    });
    progress.finish_and_clear();
    let (evaluation, others) = measurement.finish();
    failures.extend(others);
    (evaluation, failures)
}
