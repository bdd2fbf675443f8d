//! RoIAlign against torchvision's: over one map, and over a pyramid's levels.

use burn::tensor::{Device, Tensor};
use fpn_wgpu::ops::Map;
use fpn_wgpu::ops::roi_align::{RoiAlignOptions, align, level_of, roi_align};

use crate::support::{assert_close, sample};
use crate::{golden, random};

/// Ours and torchvision's differ only in the order of sums.
const TOLERANCE: f32 = 1e-6;

#[test]
fn over_one_map() {
    let golden = golden();
    let shape: [usize; 4] = golden.shape("roi_align.input").try_into().expect("a map");
    let values = golden.floats("roi_align.input");
    let map = Map {
        values: &values,
        shape: [shape[1], shape[2], shape[3]],
    };
    for output in [[7, 7], [3, 5]] {
        for (aligned, sampling_ratio) in [(false, 2), (true, 0), (false, 0)] {
            let options = RoiAlignOptions {
                output,
                sampling_ratio,
                aligned,
                canonical_size: 224.0,
            };
            let [rows, columns] = output;
            let kind = if aligned { "aligned" } else { "plain" };
            let name = format!("roi_align.{rows}x{columns}.{kind}.s{sampling_ratio}");
            let mut found = Vec::new();
            for bbox in golden.boxes("roi_align.boxes") {
                let mut roi = vec![0.0; shape[1] * rows * columns];
                align(&map, bbox, 0.25, options, &mut roi);
                found.extend(roi);
            }
            assert_close(&name, &found, &golden.floats(&name), TOLERANCE);
        }
    }
}

#[test]
fn over_the_levels_of_a_pyramid() {
    let golden = golden();
    let levels = [2, 3, 4, 5].map(|level| {
        let name = format!("multiscale.p{level}");
        let shape = golden.counts(&format!("{name}.shape"));
        let shape: [usize; 4] = shape.try_into().expect("a map");
        let map: Tensor<4> = random::tensor(golden.number("seed"), &name, shape);
        let values: Vec<f32> = map.to_data().try_to_vec().expect("f32");
        let expected = golden.floats(&format!("{name}.sample"));
        assert_eq!(sample(&values, 64), expected, "{name}");
        map
    });
    let boxes = golden.boxes("multiscale.boxes");
    let found: Vec<usize> = boxes
        .iter()
        .map(|&bbox| level_of(bbox, 224.0) + 2)
        .collect();
    assert_eq!(found, golden.counts("multiscale.levels"));

    let rois = roi_align(
        levels,
        golden.tensor("multiscale.boxes"),
        Tensor::from_data([boxes.len() as i32], &Device::flex()),
        RoiAlignOptions::torchvision([7, 7]),
    );
    let expected = golden.shape("multiscale.output");
    assert_eq!(rois.dims().to_vec(), expected);
    let found: Vec<f32> = rois.to_data().try_to_vec().expect("f32");
    let expected = golden.floats("multiscale.output");
    assert_close("multiscale.output", &found, &expected, TOLERANCE);
}
