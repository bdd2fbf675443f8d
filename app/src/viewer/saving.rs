//! What leaves the window: pictures, JSON, recordings.

use std::fmt::Display;
use std::io::{Cursor, Write};
use std::path::Path;
use std::sync::Arc;

use fpn_wgpu::annotate::annotate;
use fpn_wgpu::{Detections, Picture, Report};
use image::{DynamicImage, ImageFormat, ImageResult};

use super::{FromElsewhere, Viewer};
use crate::engine::Seen;
use crate::platform::PendingFile;
use crate::recorder::{Ended, Recorder, report};

impl Viewer {
    /// The detections that are shown.
    fn visible(&self, seen: &Seen) -> Detections {
        let items = self.state.visible(seen);
        Detections {
            width: seen.detections.width,
            height: seen.detections.height,
            items: items.map(|(_, found)| found.clone()).collect(),
        }
    }

    /// As `fpn detect --json` has it.
    pub(super) fn copy_json(&mut self) {
        let Some(seen) = self.state.shown.clone() else {
            return;
        };
        let found = self.visible(&seen);
        let report = Report {
            model: seen.model.config.architecture.name(),
            device: &seen.model.device,
            images: vec![Picture {
                file: seen.frame.name.to_string(),
                width: found.width,
                height: found.height,
                detections: &found.items,
            }],
        };
        match serde_json::to_string(&report) {
            Ok(text) => {
                self.context.copy_text(text);
                let told = format!("{} detections copied as JSON", found.items.len());
                self.state.tell(told, false);
            }
            Err(error) => self.state.tell(error.to_string(), true),
        }
    }

    /// What is shown, for a program that drives the viewer: all that was found, down to the lowest score, as a line of a
    /// recording has it; and the picture, a PNG.
    ///
    /// # Errors
    /// If one of them cannot be encoded.
    pub fn shown(&self) -> Option<Result<(String, Vec<u8>), String>> {
        let seen = self.state.shown.as_ref()?;
        let report = serde_json::to_string(&report(seen, &seen.detections.items));
        let picture = DynamicImage::from(seen.frame.picture.as_ref().clone());
        let both = report
            .map_err(|error| error.to_string())
            .and_then(|report| {
                let picture = encoded(&picture, ImageFormat::Png);
                Ok((report, picture.map_err(|error| error.to_string())?))
            });
        Some(both)
    }

    pub(super) fn save_picture(&mut self, path: &Path, annotated: bool) {
        let Some(seen) = self.state.shown.clone() else {
            return;
        };
        let picture = DynamicImage::from(seen.frame.picture.as_ref().clone());
        let picture = match annotated {
            true => annotate(&picture, &self.visible(&seen).items).into(),
            false => picture.into_rgb8().into(),
        };
        let saved = write(path, &picture);
        let told = format!("{} is written", path.display());
        match saved {
            Ok(()) => self.state.tell(told, false),
            Err(told) => self.state.tell(told, true),
        }
    }

    pub(super) fn start_recording(&mut self, path: &Path) {
        let tell = self.tell_from_elsewhere();
        let ended = move |ended| tell(FromElsewhere::Recorded(ended));
        match Recorder::new(path, ended) {
            Err(told) => self.state.tell(told, true),
            Ok(recorder) => {
                let name = path.file_name().unwrap_or(path.as_os_str());
                self.state.records = Some(name.to_string_lossy().into_owned());
                self.recorder = Some(recorder);
            }
        }
    }

    pub(super) fn record(&mut self, seen: &Arc<Seen>) {
        if self.recorder.is_some() {
            let visible = self.visible(seen).items;
            if let Some(recorder) = &mut self.recorder {
                recorder.write(seen, visible);
            }
        }
    }

    /// What was recorded is written to its end; that is told when it is so.
    pub(super) fn stop_recording(&mut self) {
        self.state.records = None;
        if let Some(recorder) = self.recorder.take() {
            recorder.end();
        }
    }

    pub(super) fn recorded(&mut self, ended: Ended) {
        (self.recorder, self.state.records) = (None, None);
        match ended {
            Err(told) => self.state.tell(told, true),
            Ok((name, 0)) => self.state.tell(format!("{name} is written"), false),
            Ok((name, left_out)) => {
                let told = format!(
                    "{name} is written without {left_out} pictures, which were of another size, or came faster than they \
                     could be written"
                );
                self.state.tell(told, true);
            }
        }
    }
}

/// A picture as a file of that format has it.
fn encoded(picture: &DynamicImage, format: ImageFormat) -> ImageResult<Vec<u8>> {
    let mut encoded = Cursor::new(Vec::new());
    picture.write_to(&mut encoded, format)?;
    Ok(encoded.into_inner())
}

/// Write a picture, its format by the file's ending.
///
/// # Errors
/// If it cannot be written, in a sentence.
fn write(path: &Path, picture: &DynamicImage) -> Result<(), String> {
    let told = |error: &dyn Display| format!("{} cannot be written: {error}", path.display());
    let format = ImageFormat::from_path(path).map_err(|error| told(&error))?;
    let bytes = encoded(picture, format).map_err(|error| told(&error))?;
    let write = || {
        let mut file = PendingFile::new(path)?;
        file.write_all(&bytes)?;
        file.finish()
    };
    write().map_err(|error| told(&error))
}
