//! Detections in COCO's results format, and for people (a table).

use std::path::Path;

use comfy_table::{CellAlignment, LineStyle, Table, presets};
use fpn_wgpu::Detections;
use fpn_wgpu::masks::Rle;
use serde::Serialize;

/// One line of COCO's results format.
#[derive(Serialize)]
pub struct CocoResult<'a> {
    image_id: ImageId,
    category_id: usize,
    /// x, y, width, height.
    bbox: [f32; 4],
    score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    segmentation: Option<&'a Rle>,
    /// x, y and score of one after the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    keypoints: Option<&'a [f32]>,
}

/// COCO names its files by number; other names are kept.
#[derive(Serialize)]
#[serde(untagged)]
enum ImageId {
    Number(u64),
    Name(String),
}

/// COCO results of one picture; its id is its file's name without extension.
pub fn coco<'a>(
    file: &Path,
    found: &'a Detections,
) -> impl Iterator<Item = CocoResult<'a>> + use<'a> {
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
            segmentation: detection.mask.as_ref(),
            keypoints: detection.keypoints.as_deref().map(<[_]>::as_flattened),
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

#[cfg(test)]
mod tests {
    use fpn_wgpu::Detection;
    use serde_json::json;

    use super::*;

    #[test]
    fn coco_results_have_masks_and_keypoints_where_detections_have() {
        let detection = Detection {
            bbox: [1.0, 2.0, 4.0, 6.0],
            label: 1,
            name: "person".to_owned(),
            score: 0.5,
            level: 2,
            landmarks: None,
            mask: Some(Rle::from_counts([2, 4], [0, 4, 4]).expect("runs of all pixels")),
            keypoints: Some(vec![[1.5, 2.5, 7.0]; 17]),
        };
        let found = Detections {
            width: 4,
            height: 2,
            items: vec![detection],
        };
        let results: Vec<_> = coco(Path::new("photos/000000000139.jpg"), &found).collect();
        let expected = json!([{
            "image_id": 139,
            "category_id": 1,
            "bbox": [1.0, 2.0, 3.0, 4.0],
            "score": 0.5,
            "segmentation": {"size": [2, 4], "counts": "044"},
            "keypoints": ([1.5, 2.5, 7.0].repeat(17)),
        }]);
        assert_eq!(serde_json::to_value(results).expect("JSON"), expected);
    }
}
