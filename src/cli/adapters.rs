//! `fpn adapters`.

use anyhow::Result;
use clap::Args;
use fpn_wgpu::gpu::{GpuError, adapters};

use super::output::say;
use super::report::{align_right, new_table};

/// List the GPU adapters, and which one `--device auto` takes
#[derive(Args)]
pub struct Adapters {}

impl Adapters {
    pub fn run(&self) -> Result<()> {
        let adapters = pollster::block_on(adapters::adapters());
        if adapters.is_empty() {
            return Err(GpuError::NoAdapter.into());
        }
        let mut table = new_table([
            "adapter",
            "type",
            "backend",
            "driver",
            "binding",
            "workgroup",
            "f16",
            "subgroups",
        ]);
        for adapter in &adapters {
            let (info, limits, features) =
                (adapter.get_info(), adapter.limits(), adapter.features());
            let yes = |feature| {
                if features.contains(feature) {
                    "yes"
                } else {
                    "no"
                }
            };
            table.add_row([
                info.name,
                format!("{:?}", info.device_type),
                info.backend.to_string(),
                format!("{} {}", info.driver, info.driver_info),
                format!("{} MiB", limits.max_storage_buffer_binding_size >> 20),
                format!("{} KiB", limits.max_compute_workgroup_storage_size >> 10),
                yes(wgpu::Features::SHADER_F16).to_owned(),
                yes(wgpu::Features::SUBGROUP).to_owned(),
            ]);
        }
        align_right(&mut table, 4..6);
        say(format_args!("{table}"))?;
        match adapters
            .iter()
            .find(|adapter| !adapters::is_software(&adapter.get_info()))
        {
            Some(adapter) => say(format_args!(
                "--device auto takes {}: the first of these that is a GPU.",
                adapter.get_info().name
            )),
            None => say(format_args!(
                "--device auto takes the CPU engine: all of these compute on the CPU, and slower. \
                 --device gpu takes the first of them."
            )),
        }
    }
}
