//! Installing what is missing, where that takes no password, or only unpacking it.

use std::fs;
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

/// The package that one without content stands for, such as the newest kernel.
///
/// # Errors
/// Elsewhere than on Debian, and if it is not known.
pub fn newest(package: &str) -> Result<String> {
    let output = answer("apt-cache", &["depends", package])?;
    let mut lines = output.lines().map(str::trim);
    let found = lines.find_map(|line| line.strip_prefix("Depends: "));
    let found = found.with_context(|| format!("no package {package} found"))?;
    Ok(found.to_owned())
}

/// What would have to be installed with a package, itself among it.
///
/// # Errors
/// Elsewhere than on Debian, and if it is not known.
pub fn missing(package: &str) -> Result<Vec<String>> {
    let args = ["install", "--simulate", "--no-install-recommends", package];
    let output = answer("apt-get", &args)?;
    let lines = output.lines().filter_map(|line| line.strip_prefix("Inst "));
    let names = lines.filter_map(|line| line.split_whitespace().next());
    Ok(names.map(str::to_owned).collect())
}

/// Fetch packages and unpack them into a folder, without installing them.
///
/// # Errors
/// Elsewhere than on Debian, and if one cannot be fetched or unpacked.
pub fn unpack(packages: &[String], folder: &Path) -> Result<()> {
    println!(
        "unpacking into {}: {}",
        folder.display(),
        packages.join(" ")
    );
    let archives = folder.join("archives");
    fs::create_dir_all(&archives)
        .with_context(|| format!("{} cannot be made", archives.display()))?;
    let fetch = Command::new("apt-get")
        .args(["download", "--quiet", "--quiet"])
        // As another user it could not write into the folder.
        .args(["-o", "APT::Sandbox::User=root"])
        .args(packages)
        .current_dir(&archives)
        .status()
        .context("apt-get cannot be started")?;
    if !fetch.success() {
        bail!("packages cannot be fetched: run `apt-get update` as root");
    }
    for archive in fs::read_dir(&archives)? {
        let archive = archive?.path();
        let mut dpkg = Command::new("dpkg");
        let status = dpkg.arg("--extract").args([&archive, folder]).status();
        if !status.context("dpkg cannot be started")?.success() {
            bail!("{} cannot be unpacked", archive.display());
        }
    }
    fs::remove_dir_all(&archives)?;
    Ok(())
}

/// What a program of Debian's prints.
fn answer(program: &str, args: &[&str]) -> Result<String> {
    let output = Command::new(program).args(args).env("LC_ALL", "C").output();
    let output = output.with_context(|| format!("{program} cannot be started: expected Debian"))?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        bail!("{program} {} failed: {}", args.join(" "), error.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
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
