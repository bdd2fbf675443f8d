//! A video, frame by frame. Nothing of a frame is kept but what was written: it need not end.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::{Result, anyhow};
use fpn_wgpu::video::{Video, VideoError, VideoFrame};
use indicatif::{ProgressBar, ProgressStyle};

use self::outputs::Outputs;
use super::Detect;
use crate::cli::output::is_stdout;
use crate::cli::pipeline::{self, Ahead, Decoded};
use crate::cli::{Stopped, Usage, cache, interrupt};

mod outputs;

/// Look at the video in a file, or on standard input.
pub fn run(args: &Detect, input: &Path) -> Result<()> {
    let name = match is_stdout(input) {
        true => "standard input".to_owned(),
        false => input.display().to_string(),
    };
    check(args, &name)?;
    let video = match is_stdout(input) {
        true => Video::stream(std::io::stdin()),
        false => Video::open(input),
    };
    let video = video.map_err(|error| told(&name, &error, 0))?;
    let detector = args.detector.build()?;
    let mut outputs = Outputs::new(args, input, name.clone(), video.rate)?;
    let stop = interrupt::on_ctrl_c("frame")?;

    let progress = progress(video.count);
    let begun = Instant::now();
    let mut failure = None;
    let decoded = Ahead::of_sequence(frames(name.clone(), video));
    pipeline::look(&detector, false, decoded, &stop, |looked| {
        failure = looked
            .and_then(|looked| outputs.write(&detector, &looked))
            .err();
        progress.inc(1);
        failure.is_none()
    });
    progress.finish_and_clear();
    let seconds = begun.elapsed().as_secs_f64();
    if let Some(engine) = detector.gpu_engine() {
        cache::keep_pipelines(engine.gpu());
    }

    let refused: Option<&io::Error> = failure.as_ref().and_then(|error| error.downcast_ref());
    match refused.map(io::Error::kind) {
        // A reader that has seen enough, as head has.
        Some(ErrorKind::BrokenPipe) => failure = None,
        // What was written is not whole.
        Some(_) => return failure.map_or(Ok(()), Err),
        None => {}
    }
    let done = outputs.finish(seconds)?;
    if stop.load(Ordering::Relaxed) {
        return Err(Stopped(format!("stopped after {}", counted(done))).into());
    }
    failure.map_or(Ok(()), Err)
}

/// # Errors
/// If something is asked for that videos do not have.
fn check(args: &Detect, name: &str) -> Result<(), Usage> {
    let is_y4m = |out: &Path| out.extension().is_some_and(|ending| ending == "y4m");
    Err(Usage(match args.out.as_deref() {
        _ if args.coco.is_some() => format!("--coco is for pictures, and {name} is a video"),
        _ if args.pyramid.is_some() => format!("--pyramid is for pictures, and {name} is a video"),
        Some(out) if is_stdout(out) && args.json_to_stdout() => {
            "--json and --out would both go to standard output".to_owned()
        }
        Some(out) if !is_stdout(out) && !is_y4m(out) => format!(
            "--out names {}, and {name} is a video: expected a file that ends in .y4m, or - for standard output",
            out.display()
        ),
        _ => return Ok(()),
    }))
}

/// Which frame it is, and when it is shown in seconds.
struct Moment {
    frame: u64,
    time: f64,
}

/// The frames on their way to be looked at.
fn frames(
    name: String,
    video: Video,
) -> impl Iterator<Item = Result<Decoded<Moment>>> + Send + 'static {
    (0..).zip(video).map(move |(frame, decoded)| {
        let VideoFrame { time, picture } = decoded.map_err(|error| told(&name, &error, frame))?;
        Ok(Decoded {
            name: format!("{name}, frame {frame}"),
            picture,
            of: Moment { frame, time },
        })
    })
}

/// What is wrong with a video, of which so many frames were good.
fn told(name: &str, error: &VideoError, good: u64) -> anyhow::Error {
    match (error, good) {
        (VideoError::Io(error), _) if error.kind() == ErrorKind::NotFound => {
            anyhow!("{name} does not exist")
        }
        (error, 0) => anyhow!("{name} {error}"),
        (error, good) => anyhow!("{name} {error}, after {}", counted(good)),
    }
}

fn counted(frames: u64) -> String {
    match frames {
        1 => "1 frame".to_owned(),
        frames => format!("{frames} frames"),
    }
}

/// On standard error; nothing where that is no terminal.
fn progress(count: Option<u64>) -> ProgressBar {
    let (progress, template) = match count {
        Some(count) => (
            ProgressBar::new(count),
            "{bar:30} {pos}/{len} frames, {per_sec}, {eta} left",
        ),
        None => (ProgressBar::no_length(), "{pos} frames, {per_sec}"),
    };
    let style = ProgressStyle::with_template(template);
    progress.with_style(style.expect("the template is valid"))
}
