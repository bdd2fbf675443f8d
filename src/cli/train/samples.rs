//! What a model in training finds, drawn.

use anyhow::Result;
use fpn_wgpu::Detector;
use fpn_wgpu::annotate::{WHITE, annotate};
use fpn_wgpu::data::ImageSet;
use fpn_wgpu::train::Trainer;
use image::imageops::{self, FilterType};
use image::{DynamicImage, RgbImage};

/// Pictures across and down.
const GRID: [u32; 2] = [3, 2];
/// Side of a picture's place, in pixels.
const PLACE: u32 = 420;
/// Between places.
const GAP: u32 = 8;
/// Least score of what is drawn.
const SCORE: f32 = 0.5;

/// A page of the set's first pictures, with what the model finds in them, as large as it is trained on.
pub fn draw(trainer: &Trainer, set: &dyn ImageSet) -> Result<RgbImage> {
    let options = trainer.options();
    let short_side = options.short_sides.iter().max();
    let detector = Detector::builder(trainer.weights())
        .score_threshold(SCORE)
        .min_size(*short_side.expect("there is one"))
        .max_size(options.long_side)
        .build()?;
    let [across, down] = GRID.map(|count| count * (PLACE + GAP) + GAP);
    let mut page = RgbImage::from_pixel(across, down, WHITE);
    for index in (0..set.len()).take((GRID[0] * GRID[1]) as usize) {
        let picture = DynamicImage::from(set.example(index)?.picture);
        let found = detector.detect(&picture)?;
        let drawn = DynamicImage::from(annotate(&picture, &found.items));
        let drawn = drawn.resize(PLACE, PLACE, FilterType::Triangle).into_rgb8();
        let place = [index as u32 % GRID[0], index as u32 / GRID[0]];
        let [x, y] = place.map(|place| i64::from(GAP + place * (PLACE + GAP)));
        imageops::replace(&mut page, &drawn, x, y);
    }
    Ok(page)
}
