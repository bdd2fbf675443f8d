//! The measuring itself.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use fpn_wgpu::gpu::{Gpu, peaks};
use fpn_wgpu::models::ModelConfig;
use fpn_wgpu::{Detector, DetectorBuilder, Summary, weights};
use image::RgbaImage;
use indicatif::{ProgressBar, ProgressStyle};

use super::Bench;
use super::report::{Device, Memory, PerFrame, Report, Spread, Steps};
use crate::cli::device;
use crate::cli::model::ModelArgs;

/// Of the weights and the picture.
const SEED: u64 = 1;

/// Frames between the first and those that are timed.
const WARM_UP: usize = 2;

/// Most runs of a profile; no more than frames are timed.
const PROFILE_RUNS: usize = 5;

/// Do what the options say; without a GPU, on the CPU engine.
pub fn measure(bench: &Bench, gpu: Option<Arc<Gpu>>) -> Result<Report> {
    let progress = progress(bench.iterations)?;
    let [height, width] = bench.size;
    let picture = weights::picture(SEED, width as u32, height as u32);

    progress.set_message("loading");
    let started = Instant::now();
    let detector = detector(bench, gpu.clone())?;
    let loaded = ms(started);
    let compiled = match detector.gpu_engine() {
        None => None,
        Some(engine) => {
            let started = Instant::now();
            engine.gpu().wait()?;
            Some((engine.compile_time().as_secs_f64() * 1e3, ms(started)))
        }
    };
    progress.inc(1);

    progress.set_message("first frame");
    let (first_frame_ms, detections) =
        frame(&detector, &picture).with_context(|| format!("--size {height}x{width}"))?;
    progress.inc(1);

    progress.set_message("frames");
    for _ in 0..WARM_UP {
        frame(&detector, &picture)?;
        progress.inc(1);
    }
    let counted = gpu.as_deref().map(counts);
    let mut frames = Vec::with_capacity(bench.iterations);
    for _ in 0..bench.iterations {
        frames.push(frame(&detector, &picture)?.0);
        progress.inc(1);
    }
    let counted = gpu.as_deref().map(counts).zip(counted);

    progress.set_message("steps");
    let runs = PROFILE_RUNS.min(bench.iterations);
    let engine = detector.gpu_engine();
    let profile = engine
        .map(|engine| engine.profile(&picture, runs))
        .transpose()?;
    progress.inc(1);

    progress.set_message("limits");
    let limits = gpu
        .as_deref()
        .map(peaks::measure)
        .transpose()?
        .flatten()
        .map(Into::into);
    progress.finish_and_clear();

    let multiple = bench.model.transform().multiple;
    let padded = bench.size.map(|side| side.next_multiple_of(multiple));
    let gflop = Summary::new(detector.config(), padded)?.flop() as f64 / 1e9;
    let frame_ms = Spread::new(frames);
    Ok(Report {
        version: env!("CARGO_PKG_VERSION"),
        model: bench.model.name(),
        weights: bench
            .weights
            .as_ref()
            .map(|file| file.display().to_string()),
        size: bench.size,
        padded,
        device: Device::new(gpu.as_deref()),
        precision: bench.precision.precision.name(),
        iterations: bench.iterations,
        detections,
        load_ms: loaded - compiled.map_or(0.0, |(planned, _)| planned),
        compile_ms: compiled.map(|(planned, waited)| planned + waited),
        first_frame_ms,
        gflop,
        gflop_per_s: gflop / frame_ms.median * 1e3,
        frame_ms,
        per_frame: profile
            .as_ref()
            .zip(counted)
            .map(|(profile, (after, before))| {
                per_frame(profile.plan.steps.len(), before, after, bench.iterations)
            }),
        memory: profile.as_ref().map(Memory::new),
        profile: profile
            .as_ref()
            .zip(limits)
            .and_then(|(profile, limits)| Steps::new(profile, runs, limits)),
        limits,
    })
}

fn progress(iterations: usize) -> Result<ProgressBar> {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {wide_msg}")?;
    let parts = 4 + WARM_UP + iterations;
    Ok(ProgressBar::new(parts as u64).with_style(style))
}

fn ms(started: Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1e3
}

/// The model with its weights, for pictures as large as they come, unless it brings all into a square.
fn detector(bench: &Bench, gpu: Option<Arc<Gpu>>) -> Result<Detector> {
    let model = ModelArgs {
        model: Some(bench.model),
        labels: None,
        bn_eps: None,
        stride_in: None,
        strides: None,
        pixel_std: None,
        fetch: bench.fetch,
    };
    let [height, width] = bench.size;
    let [short, long] = [height.min(width), height.max(width)];
    let precision = bench.precision.precision;
    let sized = |builder: DetectorBuilder| match bench.model.transform().resizer.is_warp() {
        true => builder,
        false => builder.min_size(short).max_size(long),
    };
    match &bench.weights {
        Some(file) => {
            let builder = sized(model.builder(Some(file))?);
            model.build(device::place(builder, gpu, precision)?, Some(file))
        }
        None => {
            let weights = weights::seeded(&ModelConfig::of(bench.model), SEED);
            let builder = sized(Detector::builder(weights));
            Ok(device::place(builder, gpu, precision)?.build()?)
        }
    }
}

/// Milliseconds until a picture's detections are there, and how many there are.
fn frame(detector: &Detector, picture: &RgbaImage) -> Result<(f64, usize)> {
    let started = Instant::now();
    let found = detector.start(picture)?.wait()?;
    Ok((ms(started), found.items.len()))
}

/// Buffers, bind groups and pipelines made; submissions and read-backs.
type Counts = ([usize; 3], [usize; 2]);

fn counts(gpu: &Gpu) -> Counts {
    (gpu.counters().made(), gpu.counters().sent())
}

fn per_frame(dispatches: usize, before: Counts, after: Counts, frames: usize) -> PerFrame {
    let mean = |before: usize, after: usize| (after - before) as f64 / frames as f64;
    let made = [0, 1, 2].map(|index| mean(before.0[index], after.0[index]));
    let [submissions, read_backs] = [0, 1].map(|index| mean(before.1[index], after.1[index]));
    let [buffers_made, bind_groups_made, pipelines_made] = made;
    PerFrame {
        submissions,
        dispatches,
        read_backs,
        buffers_made,
        bind_groups_made,
        pipelines_made,
    }
}
