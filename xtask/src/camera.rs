//! The camera package on a real kernel: Debian's with vivid, V4L2's driver for testing, in a virtual
//! machine. Nothing is installed; what it takes is unpacked into `target/camera-test`.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{cargo, root};

mod image;
mod modules;
mod system;

use system::System;

/// What the machine says when all tests have passed.
const PASSED: &str = "camera-test: passed";

/// Boot the machine, run the tests, and print a line for each.
///
/// # Errors
/// If something that it takes is missing, or a test fails.
pub fn test() -> Result<()> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        bail!("the virtual machine with cameras takes Linux on x86-64");
    }
    let folder = root().join("target/camera-test");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("{} cannot be made", folder.display()))?;
    let folder = folder.canonicalize()?;
    let system = System::unpack(folder.join("system"))?;
    let image = image::pack(&system, &build()?, &folder.join("image"))?;
    let log = folder.join("log.txt");
    match run(system.machine(&image)?, &log)? {
        true => Ok(()),
        false => bail!(
            "a test failed, or the machine did not come to its end: see {}",
            log.display()
        ),
    }
}

/// The package's unit tests, as a program.
fn build() -> Result<PathBuf> {
    let args = ["test", "--release", "--package", "fpn-camera", "--lib"];
    let output = cargo(args)
        .args(["--no-run", "--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .context("cargo cannot be started")?;
    if !output.status.success() {
        bail!("the camera package's tests do not compile");
    }
    let messages = output.stdout.split(|byte| *byte == b'\n');
    messages
        .filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok())
        .find_map(|message| Some(PathBuf::from(message["executable"].as_str()?)))
        .context("cargo names no program of the camera package's tests")
}

/// Runs the machine and prints how its tests end; whether all have passed.
fn run(mut machine: Command, log: &Path) -> Result<bool> {
    let mut machine = machine
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{} cannot be started", machine.get_program().display()))?;
    let mut lines = Vec::new();
    for line in BufReader::new(machine.stdout.take().context("no output")?).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).trim_end().to_owned();
        if let Some((name, result)) = told(&line) {
            println!("{result:<6} {}", name.replace('_', " "));
        }
        lines.push(line);
    }
    machine.wait()?;
    std::fs::write(log, lines.join("\n"))?;
    Ok(lines.iter().any(|line| line == PASSED))
}

/// A test's name and result, of a line that tells them.
fn told(line: &str) -> Option<(&str, &str)> {
    let (name, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
    Some((name.rsplit("::").next()?, result))
}
