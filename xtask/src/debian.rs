//! Installing what is missing, where that takes no password.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Install packages on Debian and Ubuntu as root.
///
/// # Errors
/// Elsewhere, and if it fails; the error says that `what` is missing and how to get it.
pub fn install(what: &str, packages: &[&str]) -> Result<()> {
    let install = format!("apt-get install {}", packages.join(" "));
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!("no {what} found: install one (on Debian and Ubuntu: {install})");
    }
    if !is_root() {
        bail!("no {what} found: run `sudo {install}`");
    }
    println!("no {what} found: {install}");
    apt_get(&["update", "--quiet"])?;
    let options = ["install", "--yes", "--quiet", "--no-install-recommends"];
    apt_get(&[&options[..], packages].concat())
        .with_context(|| format!("no {what} found, and {install} failed"))
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn apt_get(args: &[&str]) -> Result<()> {
    let status = Command::new("apt-get")
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .status()
        .context("apt-get cannot be started")?;
    match status.success() {
        true => Ok(()),
        false => bail!("apt-get {} failed", args[0]),
    }
}
