//! What is kept of an adapter between runs, in the user's folder for caches: how long its convolutions
//! take, and the pipelines that its driver compiled.

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use fpn_wgpu::compile::ConvTable;
use fpn_wgpu::gpu::Gpu;
use fpn_wgpu::weights::fetch::caches;
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
pub fn conv_table(adapter: &AdapterInfo) -> Option<ConvTable> {
    let bytes = std::fs::read(path(adapter, "convolutions.json")?).ok()?;
    let tuned: Tuned = serde_json::from_slice(&bytes).ok()?;
    let holds = tuned.version == env!("CARGO_PKG_VERSION")
        && tuned.driver == driver(adapter)
        && tuned.table.adapter == adapter.name;
    holds.then_some(tuned.table)
}

/// Keep a table; where it is kept.
pub fn keep_conv_table(adapter: &AdapterInfo, table: &ConvTable) -> Result<PathBuf> {
    let tuned = Tuned {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        driver: driver(adapter),
        table: table.clone(),
    };
    keep(
        adapter,
        "convolutions.json",
        serde_json::to_string_pretty(&tuned)?.as_bytes(),
    )
}

fn driver(adapter: &AdapterInfo) -> String {
    format!("{} {}", adapter.driver, adapter.driver_info)
}

/// The pipelines that were kept for this adapter; the driver refuses those of another one.
pub fn pipelines(adapter: &AdapterInfo) -> Option<Vec<u8>> {
    std::fs::read(path(adapter, "pipelines.bin")?).ok()
}

/// Keep what the driver compiled for the next run. That it cannot be kept is no failure of the run.
pub fn keep_pipelines(gpu: &Gpu) {
    if let Some(compiled) = gpu.pipelines()
        && let Err(error) = keep(gpu.info(), "pipelines.bin", &compiled)
    {
        eprintln!("note: compiled pipelines are not kept: {error:#}");
    }
}

fn keep(adapter: &AdapterInfo, name: &str, bytes: &[u8]) -> Result<PathBuf> {
    let path = path(adapter, name).ok_or_else(|| anyhow!("there is no folder for caches here"))?;
    let folder = path.parent().expect("a file lies in a folder");
    std::fs::create_dir_all(folder)
        .with_context(|| format!("{} cannot be made", folder.display()))?;
    PendingFile::create(&path)?.write(bytes)?;
    Ok(path)
}

fn path(adapter: &AdapterInfo, name: &str) -> Option<PathBuf> {
    let folder = format!(
        "{}-{:x}-{:x}",
        adapter.backend, adapter.vendor, adapter.device
    );
    Some(caches()?.join(folder).join(name))
}
