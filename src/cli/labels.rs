//! Files of class names.

use std::path::Path;

use anyhow::{Context, Result, bail};

/// The names in a file, one a line; empty lines at the end are passed over.
pub fn read(path: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    let names: Vec<String> = text
        .trim_start_matches('\u{feff}') // as Windows' editors begin a file
        .trim_end()
        .lines()
        .map(|line| line.trim().to_owned())
        .collect();
    match names.iter().position(String::is_empty) {
        Some(line) => bail!("{} has no name on line {}", path.display(), line + 1),
        None => Ok(names),
    }
}
