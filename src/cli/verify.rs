//! `fpn verify`.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use comfy_table::Table;
use fpn_wgpu::gpu::Gpu;
use fpn_wgpu::gpu::adapters::is_software;
use fpn_wgpu::models::Architecture;
use fpn_wgpu::verify::{self, Check, StepCheck, Unit};
use fpn_wgpu::weights;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use wgpu::{Adapter, Limits};

use super::form::FormArgs;
use super::model::architecture_parser;
use super::output::{PendingFile, say};
use super::report::{align_right, new_table};
use super::summary::size;
use super::{Usage, device};

/// Check that a GPU computes what it should: each kernel against its CPU reference, models against the
/// CPU engine
#[derive(Args)]
#[command(after_help = "\
Examples:
  fpn verify
  fpn verify --device llvmpipe --json verify.json
  fpn verify --stages --model retinaface_mobilenet025 --size 64x48

Exit code 1 if anything differs by more than it may.")]
pub struct Verify {
    /// What to check: gpu, auto, or a part of an adapter's name [see `fpn adapters`]
    #[arg(long, value_name = "NAME", default_value = "gpu")]
    device: String,

    /// Compare a model's plan with its module instead, step by step, on the CPU: no GPU is needed
    #[arg(long, conflicts_with = "device")]
    stages: bool,

    /// The model for --stages [see `fpn models`]
    #[arg(long, value_name = "NAME", requires = "stages", default_value = "pyramid_tiny", value_parser = architecture_parser(), hide_possible_values = true)]
    model: Architecture,

    #[command(flatten)]
    form: FormArgs,

    /// Size of the picture for --stages, WIDTHxHEIGHT or one number for both
    #[arg(long, value_name = "SIZE", requires = "stages", default_value = "32", value_parser = size)]
    size: [usize; 2],

    /// Write the outcome as JSON; - is standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What `--json` writes.
#[derive(Serialize)]
struct Report<'a> {
    version: &'a str,
    adapter: String,
    device_type: String,
    backend: String,
    driver: String,
    driver_info: String,
    limits: DeviceLimits,
    features: Vec<String>,
    passed: bool,
    checks: &'a [Check],
}

/// The limits that decide what fits, in bytes or counts.
#[derive(Serialize)]
struct DeviceLimits {
    max_buffer_size: u64,
    max_storage_buffer_binding_size: u64,
    max_storage_buffers_per_shader_stage: u32,
    max_compute_workgroup_storage_size: u32,
    max_compute_invocations_per_workgroup: u32,
    max_compute_workgroups_per_dimension: u32,
}

impl From<Limits> for DeviceLimits {
    fn from(limits: Limits) -> Self {
        Self {
            max_buffer_size: limits.max_buffer_size,
            max_storage_buffer_binding_size: limits.max_storage_buffer_binding_size,
            max_storage_buffers_per_shader_stage: limits.max_storage_buffers_per_shader_stage,
            max_compute_workgroup_storage_size: limits.max_compute_workgroup_storage_size,
            max_compute_invocations_per_workgroup: limits.max_compute_invocations_per_workgroup,
            max_compute_workgroups_per_dimension: limits.max_compute_workgroups_per_dimension,
        }
    }
}

impl Verify {
    pub fn run(&self) -> Result<()> {
        if self.stages {
            return self.run_stages();
        }
        let Some(adapter) = device::adapter(&self.device)? else {
            let problem = "there is no GPU to check: --device gpu takes software adapters too";
            return Err(Usage(match self.device.as_str() {
                "cpu" => "--device cpu: the CPU engine is what GPUs are checked against".to_owned(),
                _ => problem.to_owned(),
            })
            .into());
        };
        let to_stdout = self.json.as_deref() == Some(Path::new("-"));
        let file = self.json.as_deref().filter(|_| !to_stdout);
        let file = file.map(PendingFile::create).transpose()?;

        let checks = checks(&adapter)?;
        if !to_stdout {
            say(summary(&adapter))?;
            say(table(&checks))?;
        }
        let json = || serde_json::to_string_pretty(&report(&adapter, &checks));
        if to_stdout {
            say(json()?)?;
        }
        if let Some(file) = file {
            file.write((json()? + "\n").as_bytes())?;
        }
        let failed: Vec<&Check> = checks.iter().filter(|check| !check.passed).collect();
        for check in &failed {
            let problem = check.problem.as_deref().unwrap_or_default();
            eprintln!("{}: {problem}", check.name);
        }
        match failed.len() {
            0 => Ok(()),
            count => bail!("{count} of {} checks failed", checks.len()),
        }
    }

    /// The steps that make values of the module's, with seeded weights on a seeded picture.
    fn run_stages(&self) -> Result<()> {
        let to_stdout = self.json.as_deref() == Some(Path::new("-"));
        let file = self.json.as_deref().filter(|_| !to_stdout);
        let file = file.map(PendingFile::create).transpose()?;
        let config = self.form.config(self.model)?;
        let [height, width] = self.size;
        let picture = weights::picture(1, width as u32, height as u32);
        let checkpoint = weights::seeded(&config, 1);
        let steps = verify::stages(&config, &checkpoint, &picture)?;
        match to_stdout {
            true => say(serde_json::to_string_pretty(&steps)?)?,
            false => say(stages_table(&steps))?,
        }
        if let Some(file) = file {
            file.write((serde_json::to_string_pretty(&steps)? + "\n").as_bytes())?;
        }
        match steps.iter().find(|step| !step.passed) {
            None => Ok(()),
            Some(first) => bail!(
                "step {} ({}) is the first that differs from the module: by {:.1e} of its largest value",
                first.name,
                first.kernel,
                first.difference
            ),
        }
    }
}

fn stages_table(steps: &[StepCheck]) -> Table {
    let mut table = new_table(["step", "stage", "kernel", "shape", "largest difference", ""]);
    for step in steps {
        table.add_row([
            step.name.clone(),
            step.stage.name().to_owned(),
            step.kernel.clone(),
            format!("{:?}", step.shape),
            match step.difference {
                0.0 => "exact".to_owned(),
                difference => format!("{difference:.1e}"),
            },
            if step.passed { "ok" } else { "FAILED" }.to_owned(),
        ]);
    }
    align_right(&mut table, 4..5);
    table
}

fn checks(adapter: &Adapter) -> Result<Vec<Check>> {
    let gpu = pollster::block_on(Gpu::open(adapter))?;
    let architectures = verify::architectures(&gpu);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {wide_msg}")?;
    let shaders = verify::shaders(&gpu);
    let steps = shaders.len() + architectures.len();
    let progress = ProgressBar::new(steps as u64).with_style(style);
    let mut checks = Vec::new();
    for shader in shaders {
        progress.set_message(shader.to_string());
        checks.push(verify::kernel(&gpu, shader));
        progress.inc(1);
    }
    for architecture in architectures {
        progress.set_message(architecture.name());
        checks.extend(verify::model(&gpu, architecture));
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok(checks)
}

fn report<'a>(adapter: &Adapter, checks: &'a [Check]) -> Report<'a> {
    let info = adapter.get_info();
    let features = adapter.features();
    Report {
        version: env!("CARGO_PKG_VERSION"),
        adapter: info.name,
        device_type: format!("{:?}", info.device_type),
        backend: info.backend.to_string(),
        driver: info.driver,
        driver_info: info.driver_info,
        limits: adapter.limits().into(),
        features: features
            .iter_names()
            .map(|(name, _)| name.to_owned())
            .collect(),
        passed: checks.iter().all(|check| check.passed),
        checks,
    }
}

fn summary(adapter: &Adapter) -> String {
    let (info, limits) = (adapter.get_info(), adapter.limits());
    let models = match is_software(&info) {
        true => "\nOn software adapters only the smallest model of either kind is compared.",
        false => "",
    };
    format!(
        "{} ({:?}), {} {} on {}: {} MiB a binding, {} MiB a buffer, {} KiB a workgroup, {} invocations.{models}",
        info.name,
        info.device_type,
        info.driver,
        info.driver_info,
        info.backend,
        limits.max_storage_buffer_binding_size >> 20,
        limits.max_buffer_size >> 20,
        limits.max_compute_workgroup_storage_size >> 10,
        limits.max_compute_invocations_per_workgroup,
    )
}

fn table(checks: &[Check]) -> Table {
    let mut table = new_table([
        "kernel or model",
        "cases",
        "largest difference",
        "tolerance",
        "",
    ]);
    for check in checks {
        let amount = |value: f32| match (check.unit, value) {
            (_, 0.0) => "exact".to_owned(),
            (_, f32::INFINITY) => "wrong".to_owned(),
            (Unit::Relative | Unit::Score, value) => format!("{value:.1e}"),
            (Unit::Pixels, value) => format!("{value:.1e} px"),
        };
        table.add_row([
            check.name.clone(),
            check.cases.to_string(),
            amount(check.difference),
            amount(check.tolerance),
            if check.passed { "ok" } else { "FAILED" }.to_owned(),
        ]);
    }
    align_right(&mut table, 1..4);
    table
}
