//! The pyramid's contact sheet: for each level its heat map, and beside it the boxes that started
//! from it.

use fpn_wgpu::{Detection, Detections, FeatureMap};
use image::imageops::{self, FilterType};
use image::{DynamicImage, RgbImage};

use super::annotate::{BLACK, Pen, WHITE, write};
use super::heat_map::heat_map;

/// Longest side of a panel in pixels.
const PANEL: u32 = 420;
const GAP: u32 = 8;
const CAPTION: u32 = 26;

/// The contact sheet of one picture.
pub fn contact_sheet(
    picture: &DynamicImage,
    found: &Detections,
    levels: &[FeatureMap],
) -> RgbImage {
    let longest = picture.width().max(picture.height());
    let scale = PANEL as f32 / longest as f32;
    let side = |pixels: u32| ((pixels as f32 * scale).round() as u32).max(1);
    let (width, height) = (side(picture.width()), side(picture.height()));
    let small = imageops::resize(&picture.to_rgb8(), width, height, FilterType::Triangle);

    // A caption needs room, however narrow the picture.
    let column = width.max(PANEL);
    let row = CAPTION + height + GAP;
    let mut canvas =
        RgbImage::from_pixel(2 * column + 3 * GAP, row * levels.len() as u32 + GAP, WHITE);
    for (index, level) in levels.iter().enumerate() {
        let boxes: Vec<&Detection> = found
            .items
            .iter()
            .filter(|item| item.level == level.info.level)
            .collect();
        let (left, right) = (GAP as i32, (2 * GAP + column) as i32);
        let top = (GAP + row * index as u32) as i32;
        let below = i64::from(top) + i64::from(CAPTION);

        let [channels, rows, columns] = level.shape;
        let caption = format!(
            "{}: {columns} × {rows} cells, {channels} channels",
            level.info.name
        );
        write(&mut canvas, &caption, [left, top], 20.0, BLACK);
        imageops::replace(
            &mut canvas,
            &heat_map(level, width, height),
            left.into(),
            below,
        );

        let plural = if boxes.len() == 1 { "box" } else { "boxes" };
        let caption = format!("{} {plural} from {}", boxes.len(), level.info.name);
        write(&mut canvas, &caption, [right, top], 20.0, BLACK);
        let mut panel = small.clone();
        let pen = Pen::for_size(width, height);
        for detection in boxes.into_iter().rev() {
            pen.draw(&mut panel, detection, scale, false);
        }
        imageops::replace(&mut canvas, &panel, right.into(), below);
    }
    canvas
}
