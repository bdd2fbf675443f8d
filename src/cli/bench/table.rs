//! The figures for people.

use anyhow::Result;
use comfy_table::Table;

use super::report::{Report, StepTime, Steps, Work};
use crate::cli::output::say;
use crate::cli::report::{align_right, new_table};

/// Steps that are listed.
const LISTED: usize = 20;

/// Print all but the lightest steps.
pub fn print(report: &Report) -> Result<()> {
    let [height, width] = report.size;
    let [padded_height, padded_width] = report.padded;
    let device = &report.device;
    let driver = [&device.driver, &device.driver_info, &device.backend];
    let driver: Vec<&str> = driver.into_iter().flatten().map(String::as_str).collect();
    say(format_args!(
        "{} on a picture of {height} × {width} (height first), padded to {padded_height} × {padded_width}: {:.2} GFLOP",
        report.model, report.gflop
    ))?;
    match &report.weights {
        Some(file) => say(format_args!("Weights: {file}"))?,
        None => say("Weights: generated")?,
    }
    say(
        format_args!("{} {}, {}", device.name, driver.join(" "), report.precision)
            .to_string()
            .trim_end(),
    )?;
    say("")?;
    say(times(report))?;
    say("")?;
    if let Some(counts) = &report.per_frame {
        say(format_args!(
            "A frame: {} submission, {} dispatches, {} read-back; made: {} buffers, {} bind groups, {} pipelines",
            counts.submissions,
            counts.dispatches,
            counts.read_backs,
            counts.buffers_made,
            counts.bind_groups_made,
            counts.pipelines_made,
        ))?;
    }
    if let Some(memory) = &report.memory {
        say(format_args!(
            "Device memory: {} MiB (weights {}, activations {}); no plan can do with less than {} MiB",
            mebibytes(memory.peak_bytes),
            mebibytes(memory.constants_bytes),
            mebibytes(memory.activations_bytes),
            mebibytes(memory.lower_bound_bytes),
        ))?;
    }
    if let Some(limits) = &report.limits {
        say(format_args!(
            "The adapter's limits, measured: {} GFLOP/s, {} GB/s",
            figures(limits.gflop_per_s),
            figures(limits.gb_per_s),
        ))?;
    }
    match (&report.profile, &report.per_frame) {
        (Some(profile), _) => print_steps(profile, report.frame_ms.median),
        (None, Some(_)) => say("The adapter has no timestamps: there are no times of steps."),
        (None, None) => Ok(()),
    }
}

fn times(report: &Report) -> Table {
    let mut table = new_table(["", "ms"]);
    let frame = &report.frame_ms;
    let row = |name: &str, ms: f64| [name.to_owned(), figures(ms)];
    table.add_row(row("load", report.load_ms));
    if let Some(ms) = report.compile_ms {
        table.add_row(row("compile", ms));
    }
    table.add_row(row("first frame", report.first_frame_ms));
    let median = format!("frame, median of {}", report.iterations);
    table.add_row(row(&median, frame.median));
    table.add_row(row("frame, fastest", frame.min));
    table.add_row(row("frame, slowest", frame.max));
    align_right(&mut table, 1..2);
    table
}

fn print_steps(profile: &Steps, frame_ms: f64) -> Result<()> {
    say("")?;
    let mut table = new_table([
        "stage",
        "steps",
        "ms",
        "%",
        "GFLOP",
        "GFLOP/s",
        "GB/s",
        "% of limit",
    ]);
    for stage in &profile.stages {
        let mut row = vec![stage.stage.name().to_owned(), stage.steps.to_string()];
        row.extend(columns(&stage.work));
        table.add_row(row);
    }
    align_right(&mut table, 1..8);
    say(table)?;
    say("")?;

    let mut table = new_table([
        "step",
        "stage",
        "kernel",
        "output",
        "ms",
        "%",
        "GFLOP",
        "GFLOP/s",
        "GB/s",
        "% of limit",
    ]);
    let (listed, others) = profile.steps.split_at(LISTED.min(profile.steps.len()));
    for step in listed {
        let mut row = vec![
            step.name.clone(),
            step.stage.name().to_owned(),
            step.kernel.to_string(),
            format!("{:?}", step.output),
        ];
        row.extend(columns(&step.work));
        table.add_row(row);
    }
    align_right(&mut table, 4..10);
    say(table)?;
    if !others.is_empty() {
        let rest: f64 = others.iter().map(|step: &StepTime| step.work.ms).sum();
        say(format_args!(
            "and {} more steps, together {} ms",
            others.len(),
            figures(rest)
        ))?;
    }
    say(format_args!(
        "All steps, each alone, medians of {}: {} ms, {:.0} % of the median frame",
        profile.runs,
        figures(profile.total_ms),
        profile.total_ms / frame_ms * 100.0,
    ))
}

fn columns(work: &Work) -> [String; 6] {
    let rate = |rate: Option<f64>| rate.map_or(String::new(), figures);
    [
        figures(work.ms),
        format!("{:.1}", work.share * 100.0),
        match work.flop {
            0 => String::new(),
            flop => figures(flop as f64 / 1e9),
        },
        rate(work.gflop_per_s),
        rate(work.gb_per_s),
        rate(work.of_limit.map(|part| part * 100.0)),
    ]
}

fn mebibytes(bytes: usize) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1 << 20))
}

/// Three figures that mean something, none after the point from 100 on.
pub fn figures(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
