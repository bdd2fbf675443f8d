//! Detections in COCO's results format, and for people (a table).

use std::path::Path;

use comfy_table::{CellAlignment, LineStyle, Table, presets};
use fpn_wgpu::Detections;
use serde::Serialize;

/// One line of COCO's results format.
#[derive(Serialize)]
pub struct CocoResult {
    image_id: ImageId,
    category_id: usize,
    /// x, y, width, height.
    bbox: [f32; 4],
    score: f32,
}

/// COCO names its files by number; other names are kept.
#[derive(Serialize)]
#[serde(untagged)]
enum ImageId {
    Number(u64),
    Name(String),
}

/// COCO results of one picture; its id is its file's name without extension.
pub fn coco<'a>(file: &Path, found: &'a Detections) -> impl Iterator<Item = CocoResult> + use<'a> {
    let stem = file
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    found.items.iter().map(move |detection| {
        let [x1, y1, x2, y2] = detection.bbox;
        CocoResult {
            image_id: match stem.parse() {
                Ok(number) => ImageId::Number(number),
                Err(_) => ImageId::Name(stem.clone()),
            },
            category_id: detection.label,
            bbox: [x1, y1, x2 - x1, y2 - y1],
            score: detection.score,
        }
    })
}

/// A line a detection.
pub fn table(found: &Detections) -> Table {
    let mut table = new_table(["name", "label", "score", "x1", "y1", "x2", "y2", "level"]);
    for detection in &found.items {
        let mut row = vec![
            detection.name.clone(),
            detection.label.to_string(),
            format!("{:.4}", detection.score),
        ];
        row.extend(detection.bbox.map(|side| format!("{side:.2}")));
        row.push(format!("P{}", detection.level));
        table.add_row(row);
    }
    align_right(&mut table, 1..7);
    table
}

/// An empty table under `header`.
pub fn new_table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    let rule = LineStyle::none().fill('─').junction('─');
    table
        .load_style(presets::NOTHING.header_separator(rule))
        .set_header(header);
    table
}

/// Put the numbers of some columns under each other.
pub fn align_right(table: &mut Table, columns: std::ops::Range<usize>) {
    for column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}
