//! Many pictures, one after the other: a bad one does not end the work.

use std::path::PathBuf;

use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

use super::pictures;

/// The pictures that inputs name, and an error for each input that names none.
pub fn files(inputs: &[String]) -> (Vec<PathBuf>, Vec<anyhow::Error>) {
    let (mut files, mut failures) = (Vec::new(), Vec::new());
    for input in inputs {
        match pictures::find(input) {
            Ok(found) => files.extend(found),
            Err(error) => failures.push(error),
        }
    }
    (files, failures)
}

/// On standard error, for more than one picture; nothing where that is no terminal.
pub fn progress(count: usize) -> ProgressBar {
    if count < 2 {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {eta} {wide_msg}");
    ProgressBar::new(count as u64).with_style(style.expect("the template is valid"))
}

/// One failure alone is the error; several are listed before they are counted.
pub fn report_failures(mut failures: Vec<anyhow::Error>, done: usize) -> Result<()> {
    match (failures.len(), done) {
        (0, _) => Ok(()),
        (1, 0) => Err(failures.remove(0)),
        (failed, _) => {
            for failure in failures {
                eprintln!("error: {failure:#}");
            }
            bail!("{failed} failed, {done} done")
        }
    }
}
