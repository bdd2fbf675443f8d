//! What is written of pictures besides the table.

use std::path::{Path, PathBuf};

use anyhow::Result;
use fpn_wgpu::annotate::annotate;
use fpn_wgpu::{Detections, Detector, Report};

use super::Detect;
use crate::cli::output::{Gallery, PendingFile, check_distinct, say};
use crate::cli::pipeline::{Decoded, Looked};
use crate::cli::{contact_sheet, pictures, report};

pub struct Outputs {
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
    /// # Errors
    /// If one cannot be written, or something would be lost.
    pub fn new(args: &Detect, files: &[PathBuf]) -> Result<Self> {
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

    /// What there is to do for each of the files.
    pub fn tasks(&self, files: &[PathBuf]) -> Vec<Task> {
        let place = |gallery: &Option<Gallery>, index: usize| {
            gallery.as_ref().map(|gallery| gallery.files[index].clone())
        };
        let tasks = files.iter().enumerate().map(|(index, file)| Task {
            file: file.clone(),
            out: place(&self.out, index),
            sheet: place(&self.pyramid, index),
        });
        tasks.collect()
    }

    /// Whether the pyramid's levels are asked for.
    pub fn have_sheets(&self) -> bool {
        self.pyramid.is_some()
    }

    pub fn finish(self, detector: &Detector, results: &[(&Path, Detections)]) -> Result<()> {
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

/// A picture's file, and those that are drawn of it.
pub struct Task {
    file: PathBuf,
    out: Option<PathBuf>,
    sheet: Option<PathBuf>,
}

impl Task {
    /// The picture; that the drawings can be written is known before it is looked at.
    pub fn decode(&self) -> Result<Decoded<Drawings>> {
        let picture = pictures::open(&self.file)?;
        let create = |path: &Option<PathBuf>| path.as_deref().map(PendingFile::create).transpose();
        Ok(Decoded {
            name: self.file.display().to_string(),
            picture: picture.into_rgba8(),
            of: Drawings {
                sheet: create(&self.sheet)?,
                out: create(&self.out)?,
            },
        })
    }
}

/// What is drawn of a picture.
pub struct Drawings {
    out: Option<PendingFile>,
    sheet: Option<PendingFile>,
}

impl Drawings {
    /// Draw what was found in the picture, and give it back.
    pub fn draw(looked: Looked<Self>) -> Result<Detections> {
        let Looked {
            picture,
            of: Self { out, sheet },
            found,
            levels,
        } = looked;
        if let Some(file) = sheet {
            file.write_picture(contact_sheet::contact_sheet(&picture, &found, &levels))?;
        }
        if let Some(file) = out {
            file.write_picture(annotate(&picture, &found.items))?;
        }
        Ok(found)
    }
}
