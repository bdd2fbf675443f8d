//! The option that says where to compute.

use std::sync::Arc;

use anyhow::Result;
use fpn_wgpu::gpu::{Gpu, GpuError, adapters};
use wgpu::Adapter;

use super::Usage;

/// The GPU that `--device` means; none for the CPU engine. `auto` is the best adapter that is a GPU,
/// or else the CPU engine; `gpu` the best adapter, software included; another name a part of an
/// adapter's.
pub fn gpu(device: &str) -> Result<Option<Arc<Gpu>>> {
    let adapter = pollster::block_on(adapter(device)).map_err(|error| match error {
        GpuError::UnknownAdapter { .. } => anyhow::Error::from(Usage(error.to_string())),
        error => error.into(),
    })?;
    let Some(adapter) = adapter else {
        return Ok(None);
    };
    Ok(Some(pollster::block_on(Gpu::open(&adapter))?))
}

async fn adapter(device: &str) -> Result<Option<Adapter>, GpuError> {
    match device {
        "cpu" => Ok(None),
        "auto" => Ok(adapters::best_gpu().await),
        "gpu" => adapters::best().await.map(Some),
        name => adapters::by_name(name).await.map(Some),
    }
}
