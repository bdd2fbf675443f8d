//! The same library outside the browser, on the driver that `VK_ICD_FILENAMES` names: by the example
//! `page` and the `fpn` command, built before.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::report::Report;

/// What the example `page` prints.
#[derive(Deserialize)]
pub struct Native {
    pub report: Report,
    /// Milliseconds of each frame after the first.
    pub frames: Vec<f64>,
}

/// Detect as the page does.
pub fn page(args: &[&str]) -> Native {
    let output = run("examples/page", args);
    serde_json::from_slice(&output).expect("the example prints JSON")
}

/// The published face detector, as `fpn convert` writes it; none where it is missing.
pub fn face_weights() -> Option<Vec<u8>> {
    let published = shared("weights/retinaface_mobilenet025.pth")?;
    let folder = tempfile::tempdir().expect("a folder can be made");
    let converted = folder.path().join("face.safetensors");
    let files = [&published, &converted].map(|file| file.to_str().expect("a plain name"));
    let model = "--model=retinaface_mobilenet025";
    run("fpn", &["convert", files[0], files[1], model]);
    Some(std::fs::read(converted).expect("it was written"))
}

/// A file that is not part of the project; none where it is missing.
pub fn shared(path: &str) -> Option<PathBuf> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let file = file.join(path);
    let exists = file.exists();
    if !exists {
        println!("not run: {path} is missing in ../shared");
    }
    exists.then_some(file)
}

/// What a program of this project prints.
pub fn run(program: &str, args: &[&str]) -> Vec<u8> {
    // target/release/deps/this
    let this = std::env::current_exe().expect("a program has a place");
    let folder = this.ancestors().nth(2).expect("cargo's folders");
    let program = folder
        .join(program)
        .with_extension(std::env::consts::EXE_EXTENSION);
    let output = Command::new(&program)
        .args(args)
        .stderr(Stdio::inherit())
        .output()
        .unwrap_or_else(|error| {
            panic!(
                "{} cannot be started ({error}): build it first",
                program.display()
            )
        });
    assert!(output.status.success(), "{} {args:?}", program.display());
    output.stdout
}
