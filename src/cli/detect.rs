//! `fpn detect`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use fpn_wgpu::{Detections, Detector, Report};

use super::detector::{DetectorArgs, failure};
use super::output::{Gallery, PendingFile, check_distinct, say};
use super::report;
use super::{annotate, batch, cache, contact_sheet, pictures};

/// Find objects in pictures
#[derive(Args)]
#[command(after_help = "\
Examples:
  fpn detect shapes.jpg --out found.png
  fpn detect street.jpg --weights fasterrcnn_resnet50_fpn_coco-258fb6c6.pth --out found.png
  fpn detect faces/ --model retinaface_mobilenet025 --weights face.pth --json -
  fpn detect 'frames/*.png' --weights mine.safetensors --score 0.5 --out found/ --pyramid levels/

Pictures are turned as their EXIF orientation says. Grey is repeated into red, green and blue, 16
bits are rounded to 8, and alpha is dropped. A folder stands for the pictures in it.")]
pub struct Detect {
    /// Pictures, folders of pictures, or patterns
    #[arg(value_name = "INPUT", required = true, value_parser = NonEmptyStringValueParser::new())]
    inputs: Vec<String>,

    #[command(flatten)]
    detector: DetectorArgs,

    /// Write detections as JSON; - is standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Write detections in COCO's results format
    #[arg(long, value_name = "FILE")]
    coco: Option<PathBuf>,

    /// Write pictures with boxes: a file, or a folder
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,

    /// Write a sheet of the pyramid's levels for each picture: a file, or a folder
    #[arg(long, value_name = "PATH")]
    pyramid: Option<PathBuf>,
}

impl Detect {
    pub fn run(&self) -> Result<()> {
        let (files, mut failures) = batch::files(&self.inputs);
        let detector = self.detector.build()?;
        let outputs = Outputs::new(self, &files)?;

        let progress = batch::progress(files.len());
        let mut results = Vec::new();
        for (index, file) in files.iter().enumerate() {
            progress.set_message(file.display().to_string());
            match outputs.draw(&detector, index, file) {
                Ok(found) => results.push((file.as_path(), found)),
                Err(error) => failures.push(error),
            }
            progress.inc(1);
        }
        progress.finish_and_clear();
        if let Some(engine) = detector.gpu_engine() {
            cache::keep_pipelines(engine.gpu());
        }

        // Where all has failed, there is nothing to say of it.
        if !results.is_empty() {
            if !self.json_to_stdout() {
                say(match results.as_slice() {
                    [(_, found)] if files.len() == 1 => table(found),
                    results => lines(results),
                })?;
            }
            outputs.finish(&detector, &results)?;
        }
        batch::report_failures(failures, results.len())
    }

    fn json_to_stdout(&self) -> bool {
        self.json.as_deref() == Some(Path::new("-"))
    }
}

/// What is written besides the table.
struct Outputs {
    json: Option<Json>,
    coco_file: Option<PendingFile>,
    out: Option<Gallery>,
    pyramid: Option<Gallery>,
}

enum Json {
    Stdout,
    File(PendingFile),
}

impl Outputs {
    fn new(args: &Detect, files: &[PathBuf]) -> Result<Self> {
        let gallery = |option: &str, path: &Option<PathBuf>| {
            path.as_deref()
                .map(|path| Gallery::new(option, path, files))
                .transpose()
        };
        let out = gallery("--out", &args.out)?;
        let pyramid = gallery("--pyramid", &args.pyramid)?;
        let json_file = args.json.as_deref().filter(|_| !args.json_to_stdout());
        let coco_file = args.coco.as_deref();
        let drawn = [&out, &pyramid].into_iter().flatten();
        let drawn = drawn.flat_map(|gallery| gallery.files.iter().map(PathBuf::as_path));
        check_distinct(
            files
                .iter()
                .chain(&args.detector.engine.weights)
                .chain(&args.detector.engine.model.labels),
            drawn.chain(json_file).chain(coco_file),
        )?;
        Ok(Self {
            json: match json_file {
                Some(path) => Some(Json::File(PendingFile::create(path)?)),
                None => args.json.is_some().then_some(Json::Stdout),
            },
            coco_file: coco_file.map(PendingFile::create).transpose()?,
            out,
            pyramid,
        })
    }

    /// The detections in the file number `index`, drawn as asked.
    fn draw(&self, detector: &Detector, index: usize, file: &Path) -> Result<Detections> {
        let picture = pictures::open(file)?;
        let failed = |error| failure(file.display(), error);
        let found = match &self.pyramid {
            None => detector.detect(&picture).map_err(failed)?,
            Some(gallery) => {
                let pending = PendingFile::create(&gallery.files[index])?;
                let (found, levels) = detector.detect_with_maps(&picture).map_err(failed)?;
                pending.write_picture(contact_sheet::contact_sheet(&picture, &found, &levels))?;
                found
            }
        };
        if let Some(gallery) = &self.out {
            let pending = PendingFile::create(&gallery.files[index])?;
            pending.write_picture(annotate::annotate(&picture, &found.items))?;
        }
        Ok(found)
    }

    fn finish(self, detector: &Detector, results: &[(&Path, Detections)]) -> Result<()> {
        if let Some(json) = self.json {
            let found = results.iter();
            let found = found.map(|(file, found)| (file.display().to_string(), found));
            let text = serde_json::to_string_pretty(&Report::new(detector, found))?;
            match json {
                Json::Stdout => say(text)?,
                Json::File(file) => file.write((text + "\n").as_bytes())?,
            }
        }
        if let Some(file) = self.coco_file {
            let found: Vec<_> = results
                .iter()
                .flat_map(|(file, found)| report::coco(file, found))
                .collect();
            file.write(&serde_json::to_vec(&found)?)?;
        }
        Ok(())
    }
}

fn table(found: &Detections) -> String {
    match found.items.is_empty() {
        true => "nothing found".to_owned(),
        false => report::table(found).to_string(),
    }
}

/// A line a picture.
fn lines(results: &[(&Path, Detections)]) -> String {
    let lines = results.iter().map(|(file, found)| {
        let best = match found.items.first() {
            Some(best) => format!(", best: {} {:.3}", best.name, best.score),
            None => String::new(),
        };
        format!("{}: {} found{best}", file.display(), found.items.len())
    });
    lines.collect::<Vec<_>>().join("\n")
}
