//! What is written of a video, and what is said of it at the end.

use std::io::Write;
use std::path::Path;

use anyhow::{Result, bail};
use fpn_wgpu::annotate::annotate;
use fpn_wgpu::video::{Rate, Writer};
use fpn_wgpu::{Detector, FrameReport, VideoReport};
use serde::Serialize;

use super::{Detect, Moment, counted};
use crate::cli::output::{Sink, check_distinct, is_stdout, say};
use crate::cli::pipeline::Looked;

pub struct Outputs {
    /// The video's.
    name: String,
    rate: Rate,
    json: Option<Sink>,
    /// Taken for `video` as soon as a picture's size is known.
    drawn: Option<Sink>,
    video: Option<Writer<Sink>>,
    /// Whether standard output is for people.
    says: bool,
    /// Frames written.
    done: u64,
    best: Option<Best>,
}

struct Best {
    name: String,
    score: f32,
    frame: u64,
}

impl Outputs {
    /// # Errors
    /// If a file cannot be written, or something would be lost.
    pub fn new(args: &Detect, input: &Path, name: String, rate: Rate) -> Result<Self> {
        let is_file = |path: &&Path| !is_stdout(path);
        let outputs = [&args.json, &args.out].into_iter().flatten();
        let outputs: Vec<&Path> = outputs.map(|path| path.as_path()).collect();
        let input = Some(input.to_owned()).filter(|input| !is_stdout(input));
        let weights = &args.detector.engine.weights;
        let inputs = input.iter().chain(weights);
        check_distinct(
            inputs.chain(&args.detector.engine.model.labels),
            outputs.iter().copied().filter(is_file),
        )?;
        Ok(Self {
            name,
            rate,
            json: args.json.as_deref().map(Sink::create).transpose()?,
            drawn: args.out.as_deref().map(Sink::create).transpose()?,
            video: None,
            says: outputs.iter().all(is_file),
            done: 0,
            best: None,
        })
    }

    /// A frame, and what was found in it.
    pub fn write(&mut self, detector: &Detector, looked: &Looked<Moment>) -> Result<()> {
        let Moment { frame, time } = looked.of;
        let found = &looked.found;
        self.draw(looked)?;
        if let Some(json) = &mut self.json {
            if frame == 0 {
                let about = VideoReport {
                    model: detector.config().architecture.name(),
                    device: detector.device_name(),
                    file: &self.name,
                    rate: self.rate.per_second(),
                };
                write_line(json, &about)?;
            }
            let report = FrameReport {
                frame,
                time: (time * 1e6).round() / 1e6,
                width: found.width,
                height: found.height,
                detections: &found.items,
            };
            write_line(json, &report)?;
        }
        self.done += 1;
        let best = self.best.as_ref().map_or(0.0, |best| best.score);
        if let Some(first) = found.items.first().filter(|first| first.score > best) {
            self.best = Some(Best {
                name: first.name.clone(),
                score: first.score,
                frame,
            });
        }
        Ok(())
    }

    fn draw(&mut self, looked: &Looked<Moment>) -> Result<()> {
        let size = (looked.picture.width(), looked.picture.height());
        if let Some(sink) = self.drawn.take() {
            self.video = Some(Writer::new(sink, size, self.rate)?);
        }
        let Some(video) = &mut self.video else {
            return Ok(());
        };
        if video.size() != size {
            let (width, height) = video.size();
            bail!(
                "{}, frame {}: it has {}×{} pixels, and those before {width}×{height}: a y4m video has one size",
                self.name,
                looked.of.frame,
                size.0,
                size.1
            );
        }
        Ok(video.write(&annotate(&looked.picture, &looked.found.items))?)
    }

    /// In a line.
    fn summary(&self, seconds: f64) -> String {
        let speed = self.done as f64 / seconds;
        let best = match &self.best {
            Some(Best { name, score, frame }) => {
                format!("best: {name} {score:.3} in frame {frame}")
            }
            None => "nothing found".to_owned(),
        };
        let frames = counted(self.done);
        format!("{}: {frames}, {speed:.1} frames/s, {best}", self.name)
    }

    /// What was written is whole, even if the video was not, and there is a line about it; where there
    /// was no frame, there is neither. How many frames there were.
    pub fn finish(self, seconds: f64) -> Result<u64> {
        if self.done == 0 {
            return Ok(0);
        }
        if self.says {
            say(self.summary(seconds))?;
        }
        let video = self.video.map(Writer::into_inner);
        let mut sinks = self.json.into_iter().chain(video);
        sinks.try_for_each(Sink::finish)?;
        Ok(self.done)
    }
}

/// A line of JSON, at once: somebody may be waiting for it.
fn write_line(sink: &mut Sink, line: &impl Serialize) -> Result<()> {
    let mut line = serde_json::to_vec(line)?;
    line.push(b'\n');
    sink.write_all(&line)?;
    Ok(sink.flush()?)
}
