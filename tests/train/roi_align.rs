//! RoIAlign of a batch and its gradient: against torchvision's, and against finite differences.

use burn::tensor::{Device, Int, Tensor, TensorData};
use fpn_wgpu::ops::roi_align::{RoiAlignOptions, roi_align};

use crate::support::{TensorFile, assert_close};
use crate::{golden, random, values};

/// Ours and torchvision's differ only in the order of sums.
const TOLERANCE: f32 = 1e-6;

/// The goldens' cases.
fn cases() -> [(&'static str, RoiAlignOptions); 3] {
    [
        ("plain.s2", options([7, 7], 2, false)),
        ("plain.s0", options([3, 5], 0, false)),
        ("aligned.s0", options([3, 5], 0, true)),
    ]
}

fn options(output: [usize; 2], sampling_ratio: usize, aligned: bool) -> RoiAlignOptions {
    RoiAlignOptions {
        sampling_ratio,
        aligned,
        canonical_size: 32.0,
        ..RoiAlignOptions::torchvision(output)
    }
}

/// Two pictures' maps.
fn levels(golden: &TensorFile) -> Vec<Tensor<4>> {
    let sizes = golden.counts("roi.shapes");
    let level = |index: usize| {
        let shape = [2, 3, sizes[2 * index], sizes[2 * index + 1]];
        let name = format!("roi.p{}", index + 2);
        random::tensor(golden.number("seed"), &name, shape)
    };
    (0..4).map(level).collect()
}

/// The same maps, their gradients asked for.
fn learning(levels: &[Tensor<4>]) -> Vec<Tensor<4>> {
    let levels = levels.iter().cloned();
    levels
        .map(|level| level.autodiff().require_grad())
        .collect()
}

fn counts(counts: &[i32]) -> Tensor<1, Int> {
    Tensor::from_data(
        TensorData::new(counts.to_vec(), [counts.len()]),
        &Device::flex(),
    )
}

/// What the output is multiplied by before it is summed up, so that every value has a gradient of
/// its own.
fn weights(golden: &TensorFile, case: &str, shape: [usize; 4]) -> Tensor<4> {
    random::tensor(golden.number("seed"), &format!("roi.{case}.weights"), shape)
}

#[test]
fn values_and_gradients_are_those_of_torchvision() {
    let golden = golden();
    let of_picture = golden.integers("roi.counts");
    let of_picture: Vec<i32> = of_picture.into_iter().map(|count| count as i32).collect();
    for (case, options) in cases() {
        let levels = learning(&levels(&golden));
        let boxes = golden.tensor("roi.boxes");
        let rois = roi_align(levels.clone(), boxes, counts(&of_picture), options);
        let name = format!("roi.{case}.output");
        assert_close(&name, &values(&rois), &golden.floats(&name), TOLERANCE);
        let weights = weights(&golden, case, rois.dims());
        let gradients = (rois * weights).sum().backward();
        for (level, map) in (2..).zip(levels) {
            let name = format!("roi.{case}.gradient.{level}");
            let gradient = map.grad(&gradients).expect("the level learns");
            assert_eq!(gradient.dims(), map.dims());
            assert_close(&name, &values(&gradient), &golden.floats(&name), TOLERANCE);
        }
    }
}

/// RoIAlign is linear in the maps, so that a difference need not be small.
#[test]
fn gradients_are_finite_differences() {
    let golden = golden();
    let seed = golden.number("seed");
    for output in [[7, 7], [1, 2]] {
        for sampling_ratio in [0, 1, 2, 3] {
            for aligned in [false, true] {
                let options = options(output, sampling_ratio, aligned);
                let case = format!("{output:?}, {sampling_ratio} samples, aligned: {aligned}");
                let sum = |levels: Vec<Tensor<4>>| {
                    let rois = roi_align(
                        levels,
                        golden.tensor("roi.boxes"),
                        counts(&[9, 7]),
                        options.clone(),
                    );
                    let weights = random::tensor(seed, &case, rois.dims());
                    (rois * weights).sum()
                };
                let levels = levels(&golden);
                let learning = learning(&levels);
                let gradients = sum(learning.clone()).backward();
                let before = sum(levels.clone()).into_scalar::<f32>();
                for level in 0..4 {
                    let gradient = learning[level].grad(&gradients).expect("the level learns");
                    let gradient = values(&gradient);
                    for index in (0..gradient.len()).step_by(17) {
                        let mut moved = levels.clone();
                        let mut map = values(&levels[level]);
                        map[index] += 4.0;
                        let data = TensorData::new(map, levels[level].dims());
                        moved[level] = Tensor::from_data(data, &Device::flex());
                        let after = sum(moved).into_scalar::<f32>();
                        let difference = (after - before) / 4.0;
                        assert!(
                            (difference - gradient[index]).abs() < 2e-5,
                            "{case}, P{}, value {index}: {} instead of {difference}",
                            level + 2,
                            gradient[index],
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn a_picture_without_boxes_has_no_gradient() {
    let golden = golden();
    let options = RoiAlignOptions::torchvision([7, 7]);
    for of_picture in [[0, 16], [16, 0]] {
        let levels = learning(&levels(&golden));
        let boxes = golden.tensor("roi.boxes");
        let rois = roi_align(levels.clone(), boxes, counts(&of_picture), options.clone());
        let gradients = rois.sum().backward();
        let of_p2 = values(&levels[0].grad(&gradients).expect("P2 learns"));
        let halves = of_p2.split_at(of_p2.len() / 2);
        let is_zero = |half: &[f32]| half.iter().all(|&value| value == 0.0);
        assert_eq!(is_zero(halves.0), of_picture[0] == 0);
        assert_eq!(is_zero(halves.1), of_picture[1] == 0);
    }
}

#[test]
fn no_boxes_at_all() {
    let golden = golden();
    let levels = learning(&levels(&golden));
    let boxes = Tensor::zeros([0, 4], &Device::flex());
    let options = RoiAlignOptions::torchvision([7, 7]);
    let rois = roi_align(levels.clone(), boxes, counts(&[0, 0]), options);
    assert_eq!(rois.dims(), [0, 3, 7, 7]);
    let gradients = rois.sum().backward();
    for level in levels {
        let gradient = values(&level.grad(&gradients).expect("the level learns"));
        assert!(gradient.iter().all(|&value| value == 0.0));
    }
}

#[test]
fn a_picture_of_a_batch_is_as_one_alone() {
    let golden = golden();
    let options = RoiAlignOptions::torchvision([7, 7]);
    let levels = levels(&golden);
    let boxes: Tensor<2> = golden.tensor("roi.boxes");
    let together = roi_align(
        levels.clone(),
        boxes.clone(),
        counts(&[9, 7]),
        options.clone(),
    );
    let second = levels.into_iter().map(|level| level.narrow(0, 1, 1));
    let alone = roi_align(
        second.collect(),
        boxes.narrow(0, 9, 7),
        counts(&[7]),
        options,
    );
    assert_eq!(values(&together.narrow(0, 9, 7)), values(&alone));
}

#[test]
fn gradients_are_the_same_each_time() {
    let golden = golden();
    let gradient = || {
        let levels = learning(&levels(&golden));
        let boxes = golden.tensor("roi.boxes");
        let [(case, options), ..] = cases();
        let rois = roi_align(levels.clone(), boxes, counts(&[9, 7]), options);
        let weights = weights(&golden, case, rois.dims());
        let gradients = (rois * weights).sum().backward();
        let gradient =
            |level: &Tensor<4>| values(&level.grad(&gradients).expect("the level learns"));
        levels.iter().map(gradient).collect::<Vec<_>>()
    };
    let first = gradient();
    for _ in 0..5 {
        assert_eq!(gradient(), first);
    }
}

/// RoIAlign is linear in the maps: a map times its gradient is what came of it, samples off the map and
/// boxes of no sense included.
#[test]
fn boxes_of_no_sense_have_no_gradient_and_large_ones_that_of_their_samples() {
    let golden = golden();
    let huge = [[-1e6, -1e6, 1e6, 1e6], [-3e4, 3.0, 3e4, 40.0]];
    let senseless = [
        [f32::NAN; 4],
        [4.0, 8.0, f32::INFINITY, 24.0],
        [f32::MIN, f32::MIN, f32::MAX, f32::MAX],
        [20.0, 24.0, 4.0, 8.0],
        [4.0, 24.0, 20.0, 8.0],
    ];
    let tensor = |boxes: &[[f32; 4]]| -> Tensor<2> {
        let data = TensorData::new(boxes.as_flattened().to_vec(), [boxes.len(), 4]);
        Tensor::from_data(data, &Device::flex())
    };
    for (_, options) in cases() {
        for (boxes, is_zero) in [(&huge[..], false), (&senseless[..], true)] {
            let levels = learning(&levels(&golden));
            let count = counts(&[boxes.len() as i32, 0]);
            let rois = roi_align(levels.clone(), tensor(boxes), count, options.clone());
            let sum = rois.sum();
            let gradients = sum.backward();
            let mut again = 0.0;
            for level in &levels {
                let gradient = values(&level.grad(&gradients).expect("the level learns"));
                assert!(!is_zero || gradient.iter().all(|&value| value == 0.0));
                let pairs = gradient.iter().zip(values(level));
                again += pairs.map(|(g, v)| f64::from(g * v)).sum::<f64>();
            }
            let sum = f64::from(sum.into_scalar::<f32>());
            assert!(
                (sum - again).abs() <= 1e-6 * sum.abs().max(1e-3),
                "{sum} {again}"
            );
        }
    }
}

/// RoIAlign is linear in the maps: what moves by a difference of the maps is their gradient times it.
#[test]
fn of_any_number_of_levels_all_learn() {
    let golden = golden();
    let seed = golden.number("seed");
    for count in 1..=6 {
        let maps = |name: &str| -> Vec<Tensor<4>> {
            let map = |level: usize| {
                let side = 32_usize.div_ceil(1 << level);
                random::tensor(seed, &format!("{name}.{level}"), [2, 3, side, side + 1])
            };
            (0..count).map(map).collect()
        };
        // From below the first level's size to above the last one's.
        let sides = (0..14).map(|index| 3.0 * 1.5_f32.powi(index));
        let boxes: Vec<f32> = sides
            .flat_map(|side| [1.0, 2.0, 1.0 + side, 2.0 + side])
            .collect();
        let boxes: Tensor<2> = Tensor::from_data(TensorData::new(boxes, [14, 4]), &Device::flex());
        let options = RoiAlignOptions {
            strides: (0..count).map(|level| 2 << level).collect(),
            first_level: 1,
            canonical_level: 3,
            ..options([3, 2], 2, true)
        };
        let sum = |maps: Vec<Tensor<4>>| {
            let rois = roi_align(maps, boxes.clone(), counts(&[7, 7]), options.clone());
            let weights = random::tensor(seed, "weights", rois.dims());
            (rois * weights).sum()
        };
        let (from, step) = (maps("from"), maps("step"));
        let learning = learning(&from);
        let gradients = sum(learning.clone()).backward();
        for level in 0..count {
            let mut moved = from.clone();
            moved[level] = moved[level].clone() + step[level].clone();
            let difference =
                sum(moved).into_scalar::<f32>() - sum(from.clone()).into_scalar::<f32>();
            let gradient = learning[level].grad(&gradients).expect("the level learns");
            let expected = (gradient.inner() * step[level].clone()).sum();
            let expected = expected.into_scalar::<f32>();
            assert!(expected != 0.0, "level {level} of {count}");
            assert!(
                (difference - expected).abs() < 1e-4,
                "level {level} of {count}: {expected} instead of {difference}"
            );
        }
    }
}
