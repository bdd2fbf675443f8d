//! What is kept of an adapter between runs: how long its convolutions take.

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use fpn_wgpu::compile::ConvTable;
use serde::{Deserialize, Serialize};
use wgpu::AdapterInfo;

use super::output::PendingFile;

/// A table with what it holds for.
#[derive(Serialize, Deserialize)]
struct Tuned {
    version: String,
    driver: String,
    table: ConvTable,
}

/// What `fpn tune` measured on this adapter; none where it did not, or for another driver or version.
pub fn read(adapter: &AdapterInfo) -> Option<ConvTable> {
    let bytes = std::fs::read(path(adapter)?).ok()?;
    let tuned: Tuned = serde_json::from_slice(&bytes).ok()?;
    let holds = tuned.version == env!("CARGO_PKG_VERSION")
        && tuned.driver == driver(adapter)
        && tuned.table.adapter == adapter.name;
    holds.then_some(tuned.table)
}

/// Keep a table; where it is kept.
pub fn write(adapter: &AdapterInfo, table: &ConvTable) -> Result<PathBuf> {
    let path = path(adapter).ok_or_else(|| anyhow!("there is no folder for caches here"))?;
    let folder = path.parent().expect("a file lies in a folder");
    std::fs::create_dir_all(folder)
        .with_context(|| format!("{} cannot be made", folder.display()))?;
    let tuned = Tuned {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        driver: driver(adapter),
        table: table.clone(),
    };
    PendingFile::create(&path)?.write(serde_json::to_string_pretty(&tuned)?.as_bytes())?;
    Ok(path)
}

fn driver(adapter: &AdapterInfo) -> String {
    format!("{} {}", adapter.driver, adapter.driver_info)
}

fn path(adapter: &AdapterInfo) -> Option<PathBuf> {
    let name = format!(
        "convolutions-{}-{:x}-{:x}.json",
        adapter.backend, adapter.vendor, adapter.device
    );
    Some(dirs::cache_dir()?.join("fpn-wgpu").join(name))
}
