//! Pictures, one after the other: a bad one does not end the work.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use fpn_wgpu::Detections;

use super::Detect;
use super::outputs::{Drawings, Outputs, Task};
use crate::cli::output::say;
use crate::cli::pipeline::{self, Ahead};
use crate::cli::{batch, cache, report};

/// Look at all `files`; `failures` tell of the inputs that are no files.
pub fn run(args: &Detect, files: &[PathBuf], mut failures: Vec<anyhow::Error>) -> Result<()> {
    let detector = args.detector.build()?;
    let outputs = Outputs::new(args, files)?;

    let progress = batch::progress(files.len());
    let mut results = Vec::new();
    let decoded = Ahead::of_each(outputs.tasks(files), Task::decode);
    let never = AtomicBool::new(false);
    let mut next = files.iter();
    pipeline::look(
        &detector,
        outputs.have_sheets(),
        decoded,
        &never,
        |looked| {
            let file = next.next().map(PathBuf::as_path).unwrap_or(Path::new(""));
            match looked.and_then(Drawings::draw) {
                Ok(found) => results.push((file, found)),
                Err(error) => failures.push(error),
            }
            progress.set_message(file.display().to_string());
            progress.inc(1);
            true
        },
    );
    progress.finish_and_clear();
    if let Some(engine) = detector.gpu_engine() {
        cache::keep_pipelines(engine.gpu());
    }

    // Where all has failed, there is nothing to say of it.
    if !results.is_empty() {
        if !args.json_to_stdout() {
            say(match results.as_slice() {
                [(_, found)] if files.len() == 1 => table(found),
                results => lines(results),
            })?;
        }
        outputs.finish(&detector, &results)?;
    }
    batch::report_failures(failures, results.len())
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
