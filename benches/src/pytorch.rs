//! `fpn-bench pytorch`: the CPU engine, stage by stage, beside PyTorch on the same cores.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use clap::Args;
use fpn_wgpu::models::faster_rcnn::RESNET50_FPN;
use fpn_wgpu::models::{Model, ModelConfig, TwoStage};
use fpn_wgpu::ops::roi_decode::{RoiDecodeOptions, decode_rois};
use fpn_wgpu::ops::select::select_detections;
use fpn_wgpu::weights;

use crate::table;
use crate::times::Times;

/// The stages that both sides time, in order.
const STAGES: [&str; 4] = ["transform", "backbone and pyramid", "proposals", "box head"];

/// Time fasterrcnn_resnet50_fpn on the CPU engine and in PyTorch
#[derive(Args)]
pub struct Pytorch {
    /// Python with torch and torchvision; without it only the CPU engine is timed
    #[arg(long, value_name = "FILE")]
    python: Option<PathBuf>,

    /// Width of the picture in pixels
    #[arg(long, default_value_t = 606)]
    width: u32,

    /// Height of the picture in pixels
    #[arg(long, default_value_t = 517)]
    height: u32,

    /// Timed runs, after one that warms up; their median counts
    #[arg(long, default_value_t = 5)]
    runs: usize,
}

impl Pytorch {
    pub fn run(&self) -> Result<()> {
        let threads = std::thread::available_parallelism()?.get();
        let ours = cpu_engine(self)?;
        let peer = self
            .python
            .as_deref()
            .map(|python| pytorch(python, self, threads))
            .transpose()?;

        let mut table = table::new(["stage", "CPU engine", "PyTorch", "ratio"], 1);
        let rows = STAGES.map(|stage| (stage, ours[stage], peer.as_ref().map(|peer| peer[stage])));
        let total = |seconds: &BTreeMap<String, f64>| seconds.values().sum::<f64>();
        let total = ("total", total(&ours), peer.as_ref().map(total));
        for (stage, ours, peer) in rows.into_iter().chain([total]) {
            table.add_row([
                stage.to_owned(),
                table::milliseconds(ours),
                peer.map_or("not run".to_owned(), table::milliseconds),
                peer.map_or(String::new(), |peer| format!("{:.2}", ours / peer)),
            ]);
        }
        println!(
            "fasterrcnn_resnet50_fpn, a picture of {} × {}, {threads} threads, median of {} runs",
            self.width, self.height, self.runs
        );
        println!("{table}");
        Ok(())
    }
}

/// Median seconds of each stage.
fn cpu_engine(args: &Pytorch) -> Result<BTreeMap<String, f64>> {
    let config = ModelConfig::of(RESNET50_FPN);
    let Model::FasterRcnn(model) = weights::load(&config, &weights::seeded(&config, 1))? else {
        bail!("{RESNET50_FPN} is built as another kind of detector");
    };
    let picture = weights::picture(1, args.width, args.height);
    let transform = RESNET50_FPN.transform();
    let selection = RESNET50_FPN.selection().expect("it is a detector");
    let device = Device::flex();

    let mut times = STAGES.map(|_| Vec::new());
    for run in 0..=args.runs {
        let mut marks = vec![Instant::now()];
        let frame = transform.frame([args.height as usize, args.width as usize]);
        let image = transform.apply(&picture, &frame, &device);
        let frame_tensor = frame.tensor(&device);
        marks.push(Instant::now());
        let pyramid = model.pyramid(model.bottom_up(image));
        marks.push(Instant::now());
        let maps = model.rpn_maps(pyramid.clone());
        let limit = selection.proposals;
        let proposals = model.proposals(maps, frame.padded, frame_tensor.clone(), limit);
        marks.push(Instant::now());
        let (logits, deltas) = model.box_outputs(model.roi_features(pyramid, &proposals));
        let options = RoiDecodeOptions::torchvision(selection.score_threshold);
        let candidates = decode_rois(logits, deltas, proposals, frame_tensor.clone(), options);
        select_detections(candidates, frame_tensor, selection.into());
        marks.push(Instant::now());
        // The first run warms up.
        if run > 0 {
            for (times, pair) in times.iter_mut().zip(marks.windows(2)) {
                times.push((pair[1] - pair[0]).as_secs_f64());
            }
        }
    }
    Ok(STAGES
        .map(str::to_owned)
        .into_iter()
        .zip(times.map(|times| Times::of(times).median))
        .collect())
}

/// Median seconds of each stage.
fn pytorch(python: &Path, args: &Pytorch, threads: usize) -> Result<BTreeMap<String, f64>> {
    let output = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/torch_peer.py"))
        .args(["--width", &args.width.to_string()])
        .args(["--height", &args.height.to_string()])
        .args(["--runs", &args.runs.to_string()])
        .args(["--threads", &threads.to_string()])
        .output()
        .with_context(|| format!("{} cannot be started", python.display()))?;
    if !output.status.success() {
        bail!(
            "PyTorch failed: {}",
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    serde_json::from_slice(&output.stdout).context("PyTorch did not print the times")
}
