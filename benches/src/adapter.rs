//! One adapter for all.

use anyhow::Result;
use clap::Args;
use fpn_wgpu::gpu::{GpuError, adapters};
use serde::Serialize;
use wgpu::{Adapter, AdapterInfo};

use crate::Usage;

/// The option that says where to compute.
#[derive(Args)]
pub struct DeviceArg {
    /// Where to compute: gpu (the best adapter, software included) or a part of an adapter's name
    #[arg(long, value_name = "NAME", default_value = "gpu")]
    device: String,
}

impl DeviceArg {
    /// The adapter that is meant.
    pub fn find(&self) -> Result<Adapter> {
        find(&self.device)
    }
}

fn find(device: &str) -> Result<Adapter> {
    let found = match device {
        "gpu" => pollster::block_on(adapters::best()),
        name => pollster::block_on(adapters::by_name(name)),
    };
    found.map_err(|error| match error {
        GpuError::UnknownAdapter { name, known } => Usage(format!(
            "unknown device '{name}': expected gpu or a part of the name of one of: {}",
            known.join(", ")
        ))
        .into(),
        error => error.into(),
    })
}

/// An adapter in a report.
#[derive(Serialize)]
pub struct Described {
    name: String,
    device_type: String,
    backend: String,
    driver: String,
    driver_info: String,
}

impl Described {
    pub fn of(info: &AdapterInfo) -> Self {
        Self {
            name: info.name.clone(),
            device_type: format!("{:?}", info.device_type),
            backend: info.backend.to_string(),
            driver: info.driver.clone(),
            driver_info: info.driver_info.clone(),
        }
    }
}

impl std::fmt::Display for Described {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} ({}), {} {} on {}",
            self.name, self.device_type, self.driver, self.driver_info, self.backend
        )
    }
}
