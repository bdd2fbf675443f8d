//! The log of a training: a JSON object a line, one for each step.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use fpn_wgpu::train::StepReport;

use crate::cli::output::PendingFile;

/// The steps so far, in memory and on disk.
pub struct Log {
    path: PathBuf,
    file: File,
    steps: Vec<StepReport>,
}

impl Log {
    /// The log at `path` of a training that is `done` steps far. What a run that was cut off logged
    /// beyond them is dropped.
    pub fn open(path: &Path, done: usize) -> Result<Self> {
        let cannot = || format!("{} cannot be written", path.display());
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            read => read.with_context(|| format!("{} cannot be read", path.display()))?,
        };
        let steps: Vec<StepReport> = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .filter(|report: &StepReport| report.step <= done)
            .collect();
        let kept: String = steps.iter().map(line).collect();
        PendingFile::create(path)?.write(kept.as_bytes())?;
        let file = OpenOptions::new().append(true).open(path);
        Ok(Self {
            path: path.to_owned(),
            file: file.with_context(cannot)?,
            steps,
        })
    }

    pub fn push(&mut self, report: StepReport) -> Result<()> {
        self.file
            .write_all(line(&report).as_bytes())
            .with_context(|| format!("{} cannot be written", self.path.display()))?;
        self.steps.push(report);
        Ok(())
    }

    pub fn steps(&self) -> &[StepReport] {
        &self.steps
    }
}

fn line(report: &StepReport) -> String {
    serde_json::to_string(report).expect("plain data") + "\n"
}
