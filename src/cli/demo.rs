//! `fpn demo`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use fpn_wgpu::annotate::annotate;
use fpn_wgpu::data::scenes::Scene;
use fpn_wgpu::models::faster_rcnn::PYRAMID_TINY;
use fpn_wgpu::{Detector, weights};

use super::output::{PendingFile, check_distinct, say};
use super::{cache, contact_sheet, device, report};

/// See a pyramid at work: everyday shapes, found in a generated scene
#[derive(Args)]
pub struct Demo {
    /// The annotated picture to write
    #[arg(long, value_name = "FILE", default_value = "fpn-demo.png")]
    out: PathBuf,

    /// The sheet of the pyramid's levels to write
    #[arg(long, value_name = "FILE", default_value = "fpn-demo-pyramid.png")]
    pyramid: PathBuf,

    /// Seed of the scene
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// Where to compute: auto, gpu, cpu, or a part of an adapter's name [see `fpn adapters`]
    #[arg(long, value_name = "NAME", default_value = "auto")]
    device: String,
}

/// Height and width of the scene, in pixels.
const SIZE: [usize; 2] = [480, 640];
/// Least score of what is shown.
const SCORE: f32 = 0.5;

impl Demo {
    pub fn run(&self) -> Result<()> {
        check_distinct([], [self.out.as_path(), &self.pyramid])?;
        let [out, pyramid] = [&self.out, &self.pyramid].map(|path| PendingFile::create(path));
        let (out, pyramid) = (out?, pyramid?);
        let scene = Scene::draw(self.seed, SIZE);
        let gpu = device::gpu(&self.device)?;
        let weights = weights::builtin(PYRAMID_TINY).expect("they come with the command");
        let detector = Detector::builder(weights)
            .gpu(gpu)
            .score_threshold(SCORE)
            .build()?;
        let picture = scene.picture.into();
        let (found, levels) = detector.detect_with_maps(&picture)?;
        if let Some(engine) = detector.gpu_engine() {
            cache::keep_pipelines(engine.gpu());
        }
        out.write_picture(annotate(&picture, &found.items))?;
        pyramid.write_picture(contact_sheet::contact_sheet(&picture, &found, &levels))?;
        say(format_args!(
            "{} on {}: {} found where {} shapes were drawn",
            detector.config().architecture,
            detector.device_name(),
            found.items.len(),
            scene.objects.len()
        ))?;
        say(report::table(&found))?;
        say(format_args!("The picture: {}", self.out.display()))?;
        say(format_args!(
            "The pyramid's levels, and the boxes that started from each: {}",
            self.pyramid.display()
        ))
    }
}
