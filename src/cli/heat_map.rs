//! Heat maps of feature maps.

use fpn_wgpu::FeatureMap;
use fpn_wgpu::annotate::contrast;
use image::{Rgb, RgbImage};

/// A level as colours, dark where its features are weak and bright where they are strong, over the
/// picture's area (without the padding), at `width × height` pixels. A cell is a block.
pub fn heat_map(level: &FeatureMap, width: u32, height: u32) -> RgbImage {
    let strength = level.strength();
    let [low, high] = contrast(&strength).unwrap_or_default();
    let range = (high - low).max(f32::MIN_POSITIVE);
    let [_, rows, columns] = level.shape;
    let [down, across] = level.coverage;
    // The cell over which the centre of a pixel lies.
    let cell = |pixel: u32, pixels: u32, cells: usize, part: f32| {
        let position = (pixel as f32 + 0.5) / pixels as f32 * part * cells as f32;
        (position as usize).min(cells - 1)
    };
    RgbImage::from_fn(width, height, |x, y| {
        let row = cell(y, height, rows, down);
        let column = cell(x, width, columns, across);
        let value = ((strength[row * columns + column] - low) / range).clamp(0.0, 1.0);
        let colour = colorous::INFERNO.eval_continuous(f64::from(value));
        Rgb([colour.r, colour.g, colour.b])
    })
}
