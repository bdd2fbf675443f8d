//! The page in a headless Chromium.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::wasm::Compiler;
use crate::{cargo, debian, run, vulkan, web};

/// Names of Chromium's program.
const PROGRAMS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// Test the page, where there is all that it takes; say what is missing elsewhere.
///
/// # Errors
/// If the page cannot be built, or a test fails.
pub fn test() -> Result<()> {
    match ensure_chromium().and_then(|()| Compiler::find()) {
        Ok(_) => in_chromium("test"),
        Err(error) => {
            println!("not run: the page in a browser ({error:#})");
            Ok(())
        }
    }
}

/// Measure a frame in the page and outside.
///
/// # Errors
/// If something that it takes is missing, or fails.
pub fn bench() -> Result<()> {
    ensure_chromium()?;
    in_chromium("bench")
}

/// Run a kind of the page's programs beside the native ones that they compare with.
fn in_chromium(kind: &str) -> Result<()> {
    web::build()?;
    run(&mut cargo([
        "build",
        "--release",
        "--bin",
        "fpn",
        "--example",
        "page",
        "--example",
        "animation",
    ]))?;
    // One profile, so that both kinds share what they are built from.
    let mut command = cargo([kind, "--profile", "release", "--package", "fpn-web"]);
    if let Some(icd) = vulkan::second_driver() {
        // Chromium's own.
        command.env("VK_ICD_FILENAMES", icd);
    }
    run(&mut command)
}

fn ensure_chromium() -> Result<()> {
    let has = |program: &&str| Command::new(program).arg("--version").output().is_ok();
    let elsewhere = [
        "/Applications/Google Chrome.app",
        "C:/Program Files/Google/Chrome",
    ];
    match PROGRAMS.iter().any(has) || elsewhere.iter().any(|path| Path::new(path).exists()) {
        true => Ok(()),
        false => debian::install("Chromium", &["chromium"]),
    }
}
