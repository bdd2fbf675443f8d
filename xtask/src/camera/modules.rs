//! A kernel's modules, and which others each needs.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::system::System;

/// A kernel module that is to be loaded.
pub struct Module {
    pub name: String,
    /// The object file.
    pub content: Vec<u8>,
}

/// A module behind those that it depends on.
///
/// # Errors
/// If the kernel lacks one, or its file cannot be read.
pub fn with_dependencies(system: &System, name: &str) -> Result<Vec<Module>> {
    let mut files = HashMap::new();
    find(&system.modules(), &mut files)?;
    let mut modules = Vec::new();
    add(system, name, &files, &mut modules)?;
    Ok(modules)
}

/// All modules below a folder, by name.
fn find(folder: &Path, files: &mut HashMap<String, PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("{} cannot be read", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type()?.is_dir() {
            find(&entry.path(), files)?;
        } else if let Some((name, "ko" | "ko.xz")) = name.to_string_lossy().split_once('.') {
            files.insert(usual(name), entry.path());
        }
    }
    Ok(())
}

/// Files are named with dashes where the kernel has underscores, or not.
fn usual(name: &str) -> String {
    name.replace('-', "_")
}

fn add(
    system: &System,
    name: &str,
    files: &HashMap<String, PathBuf>,
    modules: &mut Vec<Module>,
) -> Result<()> {
    let name = usual(name);
    if modules.iter().any(|module| module.name == name) {
        return Ok(());
    }
    let file = files.get(&name);
    let file = file.with_context(|| format!("the kernel has no module {name}"))?;
    let content = read(system, file)?;
    for dependency in dependencies(&content) {
        add(system, &dependency, files, modules)?;
    }
    modules.push(Module { name, content });
    Ok(())
}

fn read(system: &System, file: &Path) -> Result<Vec<u8>> {
    if file.extension().is_none_or(|extension| extension != "xz") {
        return Ok(std::fs::read(file)?);
    }
    let mut xz = Command::new(system.busybox());
    let output = xz.args(["xz", "-dc"]).arg(file).output()?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => bail!("{} cannot be unpacked", file.display()),
    }
}

/// What a module says of itself that it needs.
fn dependencies(content: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"\0depends=";
    let found = content.windows(KEY.len()).position(|bytes| bytes == KEY);
    let names = found.map_or(&[][..], |at| &content[at + KEY.len()..]);
    let names = names.split(|byte| *byte == 0).next().unwrap_or_default();
    let names = String::from_utf8_lossy(names);
    let names = names.split(',').filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}
