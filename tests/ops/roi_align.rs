//! RoIAlign against torchvision's: over one map, and over a pyramid's levels.

use burn::tensor::{Device, Tensor, TensorData};
use fpn_wgpu::ops::Map;
use fpn_wgpu::ops::roi_align::{RoiAlignOptions, align, roi_align};
use proptest::prelude::*;

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
                strides: vec![4],
                ..RoiAlignOptions::torchvision(output)
            };
            let [rows, columns] = output;
            let kind = if aligned { "aligned" } else { "plain" };
            let name = format!("roi_align.{rows}x{columns}.{kind}.s{sampling_ratio}");
            let mut found = Vec::new();
            for bbox in golden.boxes("roi_align.boxes") {
                let mut roi = vec![0.0; shape[1] * rows * columns];
                align(&map, bbox, 0.25, &options, &mut roi);
                found.extend(roi);
            }
            assert_close(&name, &found, &golden.floats(&name), TOLERANCE);

            // The same as a pyramid of one level.
            let boxes: Tensor<2> = golden.tensor("roi_align.boxes");
            let count = Tensor::from_data([boxes.dims()[0] as i32], &Device::flex());
            let level = golden.tensor("roi_align.input");
            let rois = roi_align(vec![level], boxes, count, options);
            let rois: Vec<f32> = rois.to_data().try_to_vec().expect("f32");
            assert_eq!(rois, found, "{name}");
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
    let options = RoiAlignOptions::torchvision([7, 7]);
    let boxes = golden.boxes("multiscale.boxes");
    let found: Vec<usize> = boxes
        .iter()
        .map(|&bbox| options.level_of(bbox) + 2)
        .collect();
    assert_eq!(found, golden.counts("multiscale.levels"));

    let rois = roi_align(
        levels.to_vec(),
        golden.tensor("multiscale.boxes"),
        Tensor::from_data([boxes.len() as i32], &Device::flex()),
        options,
    );
    let expected = golden.shape("multiscale.output");
    assert_eq!(rois.dims().to_vec(), expected);
    let found: Vec<f32> = rois.to_data().try_to_vec().expect("f32");
    let expected = golden.floats("multiscale.output");
    assert_close("multiscale.output", &found, &expected, TOLERANCE);
}

/// Boxes that no picture has: not finite, further out than f32 tells pixels apart, inverted.
const SENSELESS: [[f32; 4]; 10] = [
    [f32::NAN; 4],
    [4.0, 8.0, f32::NAN, 24.0],
    [
        f32::NEG_INFINITY,
        f32::NEG_INFINITY,
        f32::INFINITY,
        f32::INFINITY,
    ],
    [4.0, 8.0, f32::INFINITY, 24.0],
    [f32::INFINITY; 4],
    [f32::MIN, f32::MIN, f32::MAX, f32::MAX],
    [0.0, 0.0, 3e7, 3e7],
    [20.0, 8.0, 4.0, 24.0],
    [4.0, 24.0, 20.0, 8.0],
    [20.0, 24.0, 4.0, 8.0],
];

/// All ways to lay 2 × 3 cells over a map.
fn ways() -> impl Iterator<Item = RoiAlignOptions> {
    let ways = [(false, 0), (false, 2), (true, 0), (true, 2)].into_iter();
    ways.map(|(aligned, sampling_ratio)| RoiAlignOptions {
        sampling_ratio,
        aligned,
        canonical_size: 32.0,
        ..RoiAlignOptions::torchvision([2, 3])
    })
}

#[test]
fn a_box_of_no_sense_is_cropped_as_zeros() {
    let device = Device::flex();
    let levels = [32, 16, 8, 4].map(|side| Tensor::ones([1, 2, side, side], &device));
    let levels = levels.to_vec();
    let values = SENSELESS.as_flattened().to_vec();
    let boxes = Tensor::from_data(TensorData::new(values, [SENSELESS.len(), 4]), &device);
    let count = Tensor::from_data([SENSELESS.len() as i32], &device);
    for options in ways() {
        let rois = roi_align(
            levels.clone(),
            boxes.clone(),
            count.clone(),
            options.clone(),
        );
        let rois: Vec<f32> = rois.to_data().try_to_vec().expect("f32");
        for (bbox, roi) in SENSELESS.iter().zip(rois.chunks_exact(2 * 6)) {
            assert_eq!(roi, [0.0; 2 * 6], "{bbox:?}, {options:?}");
        }
    }
}

/// The mean of all samples of each cell, as torchvision has it, those off the map as 0: they are far too
/// many to be looked at one by one in two dimensions, so their weights are added up along each axis.
fn mean_of_all(map: &Map<'_>, bbox: [f32; 4], scale: f32, options: &RoiAlignOptions) -> Vec<f32> {
    let offset = if options.aligned { 0.5 } else { 0.0 };
    let least = if options.aligned { 0.0 } else { 1.0 };
    let [_, height, width] = map.shape;
    let weights = |axis: usize, cell: usize, size: usize| -> (Vec<f64>, f64) {
        let [start, end] = [bbox[axis], bbox[axis + 2]].map(|side| side * scale - offset);
        let side = (end - start).max(least) / options.output[1 - axis] as f32;
        let samples = match options.sampling_ratio {
            0 => side.ceil() as usize,
            ratio => ratio,
        };
        let mut weights = vec![0.0; size];
        for sample in 0..samples {
            let within = (sample as f32 + 0.5) * side / samples as f32;
            let at = f64::from(start + cell as f32 * side + within);
            if at >= -1.0 && at <= size as f64 {
                let at = at.clamp(0.0, size as f64 - 1.0);
                let near = at - at.floor();
                weights[at as usize] += 1.0 - near;
                weights[(at as usize + 1).min(size - 1)] += near;
            }
        }
        (weights, samples as f64)
    };
    let [rows, columns] = options.output;
    let cells = (0..rows * columns).map(|cell| {
        let (down, samples_down) = weights(1, cell / columns, height);
        let (across, samples_across) = weights(0, cell % columns, width);
        let value = |y: usize, x: usize| f64::from(map.values[y * width + x]);
        let row = |y: usize| -> f64 { (0..width).map(|x| across[x] * value(y, x)).sum() };
        let sum: f64 = (0..height).map(|y| down[y] * row(y)).sum();
        (sum / (samples_down * samples_across).max(1.0)) as f32
    });
    cells.collect()
}

#[test]
fn samples_beyond_the_map_count_in_the_mean_and_cost_nothing() {
    let golden = golden();
    let values = golden.floats("roi_align.input");
    let map = Map {
        values: &values[..13 * 17],
        shape: [1, 13, 17],
    };
    for bbox in [
        [3.3, 5.7, 41.9, 30.2],
        [-20.0, -12.0, 15.0, 18.0],
        [-400.0, -300.0, 900.0, 700.0],
        [-4e3, 3.0, 5e3, 9.0],
        [-10.0, -3e3, 1e4, 20.0],
        [-1e6, -1e6, 1e6, 1e6],
        [-1.6e7, 3.0, 1.6e7, 40.0],
        [1e6, 1e6, 1e7, 1e7],
    ] {
        for options in ways() {
            let expected = mean_of_all(&map, bbox, 0.25, &options);
            let mut found = vec![0.0; 6];
            align(&map, bbox, 0.25, &options, &mut found);
            let largest = expected.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
            for (a, b) in found.iter().zip(&expected) {
                assert!(
                    (a - b).abs() <= 1e-5 * largest,
                    "{bbox:?}, {options:?}: {a:e} instead of {b:e}"
                );
            }
        }
    }
}

#[test]
fn levels_and_strides_that_do_not_belong_together_are_told() {
    let device = Device::flex();
    let told = |levels: usize, options: RoiAlignOptions| {
        let maps = vec![Tensor::ones([1, 1, 2, 2], &device); levels];
        let boxes = Tensor::ones([1, 4], &device);
        let count = Tensor::from_data([1], &device);
        let cropped = std::panic::catch_unwind(|| roi_align(maps, boxes, count, options));
        let told = cropped.expect_err("it means nothing");
        *told.downcast::<String>().expect("a sentence")
    };
    let torchvision = RoiAlignOptions::torchvision([7, 7]);
    for levels in [0, 3, 7] {
        let told = told(levels, torchvision.clone());
        assert!(told.contains("1 to 6 maps with a stride each"), "{told}");
    }
    let no_cells = RoiAlignOptions {
        output: [7, 0],
        ..torchvision
    };
    assert!(told(4, no_cells).contains("[7, 0] cells"));
}

proptest! {
    /// Each box from the map of the level that suits its size, by a formula of its own.
    #[test]
    fn of_any_levels_a_box_has_one(
        seed in any::<u64>(),
        (first_level, count) in (0..5_usize, 1..=6_usize),
        canonical_level in 0..8_usize,
        output in prop::array::uniform2(1..6_usize),
        sampling_ratio in 0..4_usize,
        aligned: bool,
        sides in prop::collection::vec(1..400_u32, 1..12),
    ) {
        let strides: Vec<usize> = (0..count).map(|level| 3 << level).collect();
        let maps: Vec<Tensor<4>> = (0..count)
            .map(|level| {
                let side = 48_usize.div_ceil(1 << level);
                random::tensor(seed, &format!("level {level}"), [1, 2, side, side + 1])
            })
            .collect();
        let boxes: Vec<[f32; 4]> = sides
            .iter()
            .enumerate()
            .map(|(index, &side)| {
                let (x, y) = (5.0 * index as f32 - 10.0, 40.0 - 3.0 * index as f32);
                // Never at a border of two levels: these are at 2ⁿ · 10 pixels.
                let side = side as f32 + 0.37;
                [x, y, x + side, y + side]
            })
            .collect();
        let options = RoiAlignOptions {
            output,
            sampling_ratio,
            aligned,
            strides: strides.clone(),
            first_level,
            canonical_level,
            canonical_size: 40.0,
            ..RoiAlignOptions::torchvision(output)
        };
        let device = Device::flex();
        let values = TensorData::new(boxes.as_flattened().to_vec(), [boxes.len(), 4]);
        let number = Tensor::from_data([boxes.len() as i32], &device);
        let rois = roi_align(maps.clone(), Tensor::from_data(values, &device), number, options.clone());
        prop_assert_eq!(rois.dims(), [boxes.len(), 2, output[0], output[1]]);
        let found: Vec<f32> = rois.to_data().try_to_vec().expect("f32");

        let size = 2 * output[0] * output[1];
        for (bbox, found) in boxes.iter().zip(found.chunks_exact(size)) {
            let doublings = f64::from((bbox[2] - bbox[0]) / 40.0).log2().floor() as isize;
            let level = canonical_level as isize + doublings - first_level as isize;
            let level = level.clamp(0, count as isize - 1) as usize;
            prop_assert_eq!(options.level_of(*bbox), level);
            let [_, channels, height, width] = maps[level].dims();
            let values: Vec<f32> = maps[level].to_data().try_to_vec().expect("f32");
            let map = Map { values: &values, shape: [channels, height, width] };
            let mut expected = vec![0.0; size];
            align(&map, *bbox, 1.0 / strides[level] as f32, &options, &mut expected);
            prop_assert_eq!(found, &expected[..]);
        }
    }
}
