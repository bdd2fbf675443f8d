//! The option that says where to compute.

use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use fpn_wgpu::DetectorBuilder;
use fpn_wgpu::compile::Precision;
use fpn_wgpu::gpu::{Gpu, GpuError, adapters};
use wgpu::Adapter;

use super::named::one_of;
use super::{Usage, cache};

/// The GPU that `--device` means, opened with the pipelines that were kept for it; none for the CPU
/// engine.
pub fn gpu(device: &str) -> Result<Option<Arc<Gpu>>> {
    open(device, |adapter| {
        let pipelines = cache::pipelines(&adapter.get_info());
        pollster::block_on(Gpu::open_with(adapter, pipelines.as_deref()))
    })
}

/// As [`gpu`], but everything will be compiled anew.
pub fn fresh_gpu(device: &str) -> Result<Option<Arc<Gpu>>> {
    open(device, |adapter| pollster::block_on(Gpu::open(adapter)))
}

fn open(
    device: &str,
    open: impl Fn(&Adapter) -> Result<Arc<Gpu>, GpuError>,
) -> Result<Option<Arc<Gpu>>> {
    if device == "auto" {
        // An adapter that cannot be opened is as good as none.
        let adapters = pollster::block_on(adapters::adapters());
        let gpus = adapters
            .iter()
            .filter(|adapter| !adapters::is_software(&adapter.get_info()));
        return Ok(gpus.flat_map(open).next());
    }
    let Some(adapter) = adapter(device)? else {
        return Ok(None);
    };
    Ok(Some(open(&adapter)?))
}

/// How exactly a GPU computes.
#[derive(Args)]
pub struct PrecisionArgs {
    /// What a GPU stores and multiplies in: f32, f16s (stored in 16 bits, computed in 32), or f16
    /// (needs an adapter that computes in 16 bits)
    #[arg(long, value_name = "NAME", default_value = "f32", value_parser = one_of(Precision::ALL.map(|precision| (precision.name(), precision))), hide_possible_values = true)]
    pub precision: Precision,
}

/// A builder that has been told where to compute, and how convolutions are computed fastest there.
///
/// # Errors
/// If the CPU engine, which computes in 32 bits, is asked for less.
pub fn place(
    builder: DetectorBuilder,
    gpu: Option<Arc<Gpu>>,
    precision: Precision,
) -> Result<DetectorBuilder> {
    if gpu.is_none() && precision != Precision::F32 {
        let name = precision.name();
        return Err(Usage(format!(
            "--precision {name} is for GPUs: the CPU engine computes in f32"
        ))
        .into());
    }
    let table = gpu.as_ref().and_then(|gpu| cache::conv_table(gpu.info()));
    Ok(builder.gpu(gpu).conv_table(table).precision(precision))
}

/// The adapter that `--device` means; none for the CPU engine. `auto` is the best adapter that is a
/// GPU, or else the CPU engine; `gpu` the best adapter, software included; another name a part of an
/// adapter's.
pub fn adapter(device: &str) -> Result<Option<Adapter>> {
    pollster::block_on(find(device)).map_err(|error| match error {
        GpuError::UnknownAdapter { .. } => Usage(error.to_string()).into(),
        error => error.into(),
    })
}

async fn find(device: &str) -> Result<Option<Adapter>, GpuError> {
    match device {
        "cpu" => Ok(None),
        "auto" => Ok(adapters::best_gpu().await),
        "gpu" => adapters::best().await.map(Some),
        name => adapters::by_name(name).await.map(Some),
    }
}
