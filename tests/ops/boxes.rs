//! Anchors, decoding and non-maximum suppression against torchvision's.

use fpn_wgpu::boxes::{BBox, Edges, decode, nms};
use fpn_wgpu::ops::anchors::AnchorLayout;

use crate::golden;
use crate::support::assert_close;

#[test]
fn suppression_keeps_the_same_boxes() {
    let golden = golden();
    let (boxes, scores) = (golden.boxes("nms.boxes"), golden.floats("nms.scores"));
    let mut order: Vec<usize> = (0..boxes.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let sorted: Vec<BBox> = order.iter().map(|&index| boxes[index]).collect();
    for threshold in [0.3, 0.5, 0.7] {
        let kept = nms(&sorted, Edges::Exclusive, |_| 0, threshold, boxes.len());
        let kept: Vec<usize> = kept.into_iter().map(|index| order[index]).collect();
        let expected = golden.counts(&format!("nms.keep.{threshold}"));
        assert_eq!(kept, expected, "at {threshold}");
    }
}

#[test]
fn deltas_decode_to_the_same_boxes() {
    let golden = golden();
    let anchors = golden.boxes("decode.boxes");
    for (name, weights) in [("1", [1.0; 4]), ("10", [10.0, 10.0, 5.0, 5.0])] {
        let deltas = golden.boxes(&format!("decode.deltas.{name}"));
        // A row holds the deltas of every class.
        let classes = deltas.len() / anchors.len();
        for (row, deltas) in deltas.into_iter().enumerate() {
            let found = decode(anchors[row / classes], deltas, weights);
            let expected = golden.boxes(&format!("decode.output.{name}"))[row];
            let label = format!("decode.output.{name}, row {row}");
            assert_close(&label, &found, &expected, 1e-6);
        }
    }
}

#[test]
fn anchors_are_the_same() {
    let golden = golden();
    let layout = AnchorLayout::torchvision();
    let per_cell = layout.per_cell(0);
    let sizes = golden.counts("anchors.map_sizes");
    let maps: Vec<[usize; 2]> = sizes.as_chunks().0.to_vec();
    let grid = layout.grid(2, [224, 352], &maps);
    let mut anchors: Vec<BBox> = Vec::new();
    for (level, size) in maps.iter().enumerate() {
        for cell in 0..size[0] * size[1] {
            let place = [cell / size[1], cell % size[1]];
            anchors.extend((0..per_cell).map(|a| grid.anchor(level, a, place)));
        }
    }
    assert_eq!([anchors.len()], *golden.counts("anchors.count"));
    let chosen = golden.counts("anchors.index").into_iter();
    let chosen: Vec<BBox> = chosen.map(|index| anchors[index]).collect();
    assert_eq!(chosen, golden.boxes("anchors.rows"));

    let cells = (0..5).flat_map(|level| (0..per_cell).map(move |a| (level, a)));
    let cells: Vec<BBox> = cells
        .map(|(level, a)| grid.anchor(level, a, [0, 0]))
        .collect();
    assert_eq!(cells, golden.boxes("anchors.cells"));
}
