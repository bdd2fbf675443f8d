//! What the page in a browser does (`web/`), without a browser: on the best adapter, opened as a
//! browser opens it, with WebGPU's default limits and no features. The page's tests and its
//! benchmark compare with this.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Parser;
use fpn_wgpu::gpu::{Gpu, adapters};
use fpn_wgpu::models::{Architecture, ModelConfig};
use fpn_wgpu::weights::{self, Checkpoint};
use fpn_wgpu::{Detector, Report};
use image::DynamicImage;
use serde_json::json;

#[derive(Parser)]
struct Page {
    /// Name of the model
    #[arg(long)]
    model: Architecture,

    /// Checkpoint; without, the weights are generated from the seed
    #[arg(long)]
    weights: Option<PathBuf>,

    /// Picture; without, one of 128 × 128 pixels is generated from the seed
    #[arg(long)]
    image: Option<PathBuf>,

    #[arg(long, default_value_t = 1)]
    seed: u64,

    #[arg(long)]
    min_size: Option<usize>,

    #[arg(long)]
    proposals: Option<usize>,

    /// Frames to measure after the first
    #[arg(long, default_value_t = 0)]
    bench: usize,
}

fn main() -> Result<()> {
    let page = Page::parse();
    let checkpoint = match &page.weights {
        Some(file) => Checkpoint::open(file).with_context(|| file.display().to_string())?,
        None => weights::seeded(&ModelConfig::of(page.model), page.seed),
    };
    let picture: DynamicImage = match &page.image {
        Some(file) => image::open(file)?,
        None => weights::picture(page.seed, 128, 128).into(),
    };
    let mut builder = Detector::builder(checkpoint).architecture(page.model);
    if let Some(pixels) = page.min_size {
        builder = builder.min_size(pixels);
    }
    if let Some(proposals) = page.proposals {
        builder = builder.proposals(proposals);
    }
    let adapter = pollster::block_on(adapters::best())?;
    let opened = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor::default()));
    let (device, queue) = opened?;
    let detector = builder
        .gpu(Gpu::from_device(device, queue, adapter.get_info())?)
        .build()?;

    let picture = picture.to_rgba8();
    let found = detector.start(&picture)?.wait()?;
    let frames = (0..page.bench).map(|_| -> Result<f64> {
        let start = Instant::now();
        detector.start(&picture)?.wait()?;
        Ok(start.elapsed().as_secs_f64() * 1e3)
    });
    let frames = frames.collect::<Result<Vec<_>>>()?;
    let file = page.image.map(|file| file.display().to_string());
    let file = file.unwrap_or_else(|| format!("seed {}", page.seed));
    let report = Report::new(&detector, [(file, &found)]);
    println!("{}", json!({ "report": report, "frames": frames }));
    Ok(())
}
