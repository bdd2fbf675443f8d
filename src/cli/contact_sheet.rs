//! The pyramid's contact sheet: for each level its heat map, and beside it the boxes that started
//! from it.

use fpn_wgpu::annotate::{BLACK, Pen, WHITE, write};
use fpn_wgpu::{Detection, Detections, FeatureMap};
use image::imageops::{self, FilterType};
use image::{DynamicImage, RgbImage};

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
    let panel = Panel::of(picture);
    let small = panel.picture(picture);
    let mut canvas = panel.canvas(2, levels.len());
    for (row, level) in levels.iter().enumerate() {
        panel.put_heat_map(&mut canvas, row, level);
        let boxes: Vec<&Detection> = found
            .items
            .iter()
            // Levels are numbered; what has another name is made on the way, and no box starts from it.
            .filter(|item| item.level == level.info.level && !level.info.name.ends_with('\''))
            .collect();
        let plural = if boxes.len() == 1 { "box" } else { "boxes" };
        let caption = format!("{} {plural} from {}", boxes.len(), level.info.name);
        let mut drawn = small.clone();
        let pen = Pen::for_size(panel.width, panel.height);
        pen.draw(&mut drawn, boxes, panel.scale, false);
        panel.put(&mut canvas, [1, row], &caption, &drawn);
    }
    canvas
}

/// A sheet of heat maps, one below the other, with the picture beside the first.
pub fn heat_maps(picture: &DynamicImage, levels: &[&FeatureMap]) -> RgbImage {
    let panel = Panel::of(picture);
    let mut canvas = panel.canvas(2, levels.len().max(1));
    for (row, level) in levels.iter().enumerate() {
        panel.put_heat_map(&mut canvas, row, level);
    }
    let caption = format!("{} × {} pixels", picture.width(), picture.height());
    panel.put(&mut canvas, [1, 0], &caption, &panel.picture(picture));
    canvas
}

/// The places of a sheet for one picture, all of one size.
struct Panel {
    /// From the picture's pixels to a panel's.
    scale: f32,
    width: u32,
    height: u32,
}

impl Panel {
    fn of(picture: &DynamicImage) -> Self {
        let longest = picture.width().max(picture.height());
        let scale = PANEL as f32 / longest as f32;
        let side = |pixels: u32| ((pixels as f32 * scale).round() as u32).max(1);
        Self {
            scale,
            width: side(picture.width()),
            height: side(picture.height()),
        }
    }

    /// A caption needs room, however narrow the picture.
    fn column(&self) -> u32 {
        self.width.max(PANEL)
    }

    fn row(&self) -> u32 {
        CAPTION + self.height + GAP
    }

    fn picture(&self, picture: &DynamicImage) -> RgbImage {
        let picture = picture.to_rgb8();
        imageops::resize(&picture, self.width, self.height, FilterType::Triangle)
    }

    fn canvas(&self, columns: u32, rows: usize) -> RgbImage {
        let width = columns * self.column() + (columns + 1) * GAP;
        RgbImage::from_pixel(width, self.row() * rows as u32 + GAP, WHITE)
    }

    fn put(
        &self,
        canvas: &mut RgbImage,
        [column, row]: [usize; 2],
        caption: &str,
        panel: &RgbImage,
    ) {
        let left = GAP + column as u32 * (self.column() + GAP);
        let top = GAP + row as u32 * self.row();
        write(canvas, caption, [left as i32, top as i32], 20.0, BLACK);
        imageops::replace(canvas, panel, left.into(), (top + CAPTION).into());
    }

    fn put_heat_map(&self, canvas: &mut RgbImage, row: usize, level: &FeatureMap) {
        let [channels, rows, columns] = level.shape;
        let caption = format!(
            "{}: {columns} × {rows} cells, {channels} channels",
            level.info.name
        );
        let map = heat_map(level, self.width, self.height);
        self.put(canvas, [0, row], &caption, &map);
    }
}
