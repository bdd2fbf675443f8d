//! A folder of its own for each test, in which the command runs, and one for what it keeps.

use std::fs;
use std::path::PathBuf;
use std::process;

use assert_cmd::Command;
use fpn_wgpu::weights;
use image::{DynamicImage, RgbImage};
use predicates::prelude::*;
use serde_json::Value;
use tempfile::TempDir;

use crate::files::retinaface;

pub struct Folder {
    folder: TempDir,
    home: TempDir,
}

impl Folder {
    /// With `weights.safetensors` in it.
    pub fn new() -> Self {
        let new = || tempfile::tempdir().expect("a temporary folder");
        let folder = Self {
            folder: new(),
            home: new(),
        };
        folder.write("weights.safetensors", &retinaface());
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A new file, the folders on the way to it made as well.
    pub fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        let folder = path.parent().expect("a file lies in a folder");
        fs::create_dir_all(folder).expect("a folder can be made");
        fs::write(path, bytes).expect("a file can be written");
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// A generated picture as PNG.
    pub fn picture(&self, name: &str, width: u32, height: u32) {
        self.encode(name, &generated(width, height).into());
    }

    /// A picture in the format that `name` says.
    pub fn encode(&self, name: &str, picture: &DynamicImage) {
        self.write(name, &[]);
        let saved = picture.save(self.path(name));
        saved.unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    pub fn decode(&self, name: &str) -> RgbImage {
        let picture = image::load_from_memory(&self.read(name));
        let picture = picture.unwrap_or_else(|error| panic!("{name}: {error}"));
        picture.to_rgb8()
    }

    /// All files, hidden ones too, sorted, with the folders they lie in.
    pub fn files(&self) -> Vec<String> {
        let all = format!("{}/**/*", self.folder.path().display());
        let all = glob::glob(&all).expect("the pattern is valid").flatten();
        let files = all.filter(|path| path.is_file()).map(|path| {
            let name = path.strip_prefix(self.folder.path());
            name.expect("it lies in the folder").display().to_string()
        });
        files.collect()
    }

    /// Of what the command keeps for later runs, the file of this name.
    pub fn kept(&self, name: &str) -> Option<PathBuf> {
        let kept = format!("{}/**/fpn-wgpu/*/{name}", self.home.path().display());
        let mut found = glob::glob(&kept).expect("the pattern is valid").flatten();
        found.next()
    }

    /// `fpn`, run in this folder with arguments that have no spaces in them.
    pub fn fpn(&self, arguments: &str) -> Command {
        let mut command = Command::from_std(self.command());
        command.args(arguments.split_whitespace());
        command
    }

    /// `fpn`, run in this folder. It finds nothing that other runs kept, and leaves nothing.
    pub fn command(&self) -> process::Command {
        let mut command = process::Command::new(env!("CARGO_BIN_EXE_fpn"));
        command
            .current_dir(&self.folder)
            .env("HOME", self.home.path())
            .env("XDG_CACHE_HOME", self.home.path());
        command
    }

    /// `fpn detect` with the seeded weights, on the CPU engine: the same on every machine.
    pub fn detect(&self, arguments: &str) -> Command {
        self.fpn(&format!(
            "detect --weights weights.safetensors --device cpu {arguments}"
        ))
    }

    /// The report that `fpn detect … --json -` prints.
    pub fn report(&self, arguments: &str) -> Value {
        let ran = self.detect(&format!("{arguments} --json -")).assert();
        let output = ran.success().get_output().clone();
        serde_json::from_slice(&output.stdout).expect("standard output is JSON, nothing else")
    }

    /// The detections in the only picture of that report.
    pub fn detections(&self, arguments: &str) -> Vec<Value> {
        let report = self.report(arguments);
        let images = report["images"].as_array().expect("a list of images");
        assert_eq!(images.len(), 1, "{arguments}");
        let detections = images[0]["detections"].as_array();
        detections.expect("a list of detections").clone()
    }
}

/// A generated picture in which the seeded weights find something.
pub fn generated(width: u32, height: u32) -> RgbImage {
    DynamicImage::from(weights::picture(1, width, height)).to_rgb8()
}

/// Asserts that a command ends with exit code 1, having printed one sentence and nothing else.
#[track_caller]
pub fn assert_fails(mut command: Command, sentence: &str) {
    // A line about the model may come before.
    let alone = predicate::str::ends_with(format!("error: {sentence}\n"))
        .and(predicate::str::contains("error:").count(1))
        .and(predicate::str::contains("panicked").not());
    command.assert().code(1).stdout("").stderr(alone);
}

/// Asserts that a command was called wrongly: exit code 2, and what it says begins with `sentence`.
#[track_caller]
pub fn assert_misused(mut command: Command, sentence: &str) {
    // What follows may be a hint; what goes before a line about the model, or a driver's.
    let said = predicate::str::contains(format!("error: {sentence}"));
    command.assert().code(2).stdout("").stderr(said);
}
