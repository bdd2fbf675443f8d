//! `fpn demo`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use fpn_wgpu::models::resnet::Depth;
use fpn_wgpu::models::{Architecture, ModelConfig};
use fpn_wgpu::{Detector, weights};
use image::{Rgb, RgbImage};
use imageproc::drawing::{draw_filled_circle_mut, draw_filled_rect_mut};
use imageproc::rect::Rect;

use super::output::{PendingFile, say};
use super::sheet;

/// See a pyramid at work: random weights on a generated picture
#[derive(Args)]
pub struct Demo {
    /// The sheet to write
    #[arg(long, value_name = "FILE", default_value = "fpn-demo.png")]
    out: PathBuf,

    /// Seed of the weights
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

impl Demo {
    pub fn run(&self) -> Result<()> {
        let pending = PendingFile::create(&self.out)?;
        let config = ModelConfig::of(Architecture::FasterRcnnFpn(Depth::R18));
        let detector = Detector::builder(weights::seeded(&config, self.seed))
            .min_size(480)
            .build()?;
        let picture = scene().into();
        let (found, levels) = detector.detect_with_pyramid(&picture)?;
        pending.write_picture(sheet::sheet(&picture, &found, &levels))?;
        say(format_args!(
            "{} with random weights, on {}: {} boxes (they mean nothing yet).",
            config.architecture,
            detector.device_name(),
            found.items.len()
        ))?;
        say(format_args!(
            "The pyramid's levels and their boxes: {}",
            self.out.display()
        ))?;
        Ok(())
    }
}

/// Discs and squares from 16 to 256 pixels, for each level of a pyramid to have its own.
fn scene() -> RgbImage {
    let mut canvas = RgbImage::from_fn(640, 480, |x, y| {
        Rgb([(90 + y / 4) as u8, (130 + x / 10) as u8, 190])
    });
    let orange = Rgb([230, 120, 40]);
    let green = Rgb([40, 140, 80]);
    for (centre, size) in [
        ((470, 170), 256),
        ((150, 320), 128),
        ((330, 420), 64),
        ((60, 60), 32),
        ((560, 420), 16),
    ] {
        draw_filled_circle_mut(&mut canvas, centre, size / 2, orange);
    }
    for (corner, size) in [
        ((30, 110), 128),
        ((400, 350), 64),
        ((250, 60), 64),
        ((130, 40), 32),
        ((600, 330), 16),
        ((500, 440), 16),
    ] {
        draw_filled_rect_mut(
            &mut canvas,
            Rect::at(corner.0, corner.1).of_size(size, size),
            green,
        );
    }
    canvas
}
