//! torchvision's Mask R-CNN of both versions and Keypoint R-CNN: what is found in detections.

use std::sync::Arc;

use burn::tensor::Device;
use fpn_wgpu::Detection;
use fpn_wgpu::gpu::Gpu;
use fpn_wgpu::masks::Rle;
use fpn_wgpu::models::{Model, Request};
use fpn_wgpu::plan::InstanceKind;

use crate::case::Case;
use crate::support::TensorFile;

/// By which a probability of a mask may be off.
const PROBABILITY_TOLERANCE: f32 = 1e-3;

/// Pixels by which a keypoint may be off.
const KEYPOINT_TOLERANCE: f32 = 0.1;

/// By which a keypoint's score, a value of its heat map, may be off.
const SCORE_TOLERANCE: f32 = 1e-3;

/// Least overlap of masks with those expected.
const LEAST_IOU: f64 = 0.999;

macro_rules! cases {
    ($($name:ident),+ $(,)?) => {
        /// The goldens that have a test.
        const CASES: &[&str] = &[$(stringify!($name)),+];

        mod cpu {
            $(
                #[test]
                fn $name() {
                    let case = super::Case::open(stringify!($name));
                    super::check_probabilities(&case);
                    super::check(&case, None);
                }
            )+
        }

        mod gpu {
            $(
                #[test]
                fn $name() {
                    let case = super::Case::open(stringify!($name));
                    super::check(&case, Some(crate::adapter::gpu()));
                }
            )+
        }
    };
}

cases![
    maskrcnn_resnet50_fpn_s3,
    maskrcnn_resnet50_fpn_s6,
    maskrcnn_resnet50_fpn_v2_s3,
    keypointrcnn_resnet50_fpn_s3,
    keypointrcnn_resnet50_fpn_s6,
];

#[test]
fn every_golden_has_a_test() {
    let names = TensorFile::goldens(|name| {
        name.starts_with("maskrcnn_") || name.starts_with("keypointrcnn_")
    });
    let mut cases = CASES.to_vec();
    cases.sort_unstable();
    assert_eq!(names, cases);
}

fn finds_keypoints(case: &Case) -> bool {
    case.config.architecture.name().starts_with("keypoint")
}

/// The masks' probabilities, before they are pasted.
fn check_probabilities(case: &Case) {
    if finds_keypoints(case) {
        return;
    }
    let Model::FasterRcnn(model) = case.model() else {
        panic!("{}: of another model", case.name)
    };
    let (image, frame) = case.input();
    let request = Request {
        selection: Some(case.selection()),
        ..Request::maps([])
    };
    let outputs = model.forward(image, frame.tensor(&Device::flex()), &request);
    let Some((InstanceKind::Masks, masks)) = outputs.instances else {
        panic!("{}: finds no masks", case.name)
    };
    let found: Vec<f32> = masks.into_data().try_to_vec().expect("floats");
    let expected = case.golden.floats("mask_probabilities");
    assert_eq!(found.len(), expected.len(), "{}", case.name);
    let differences = found.iter().zip(&expected).map(|(a, b)| (a - b).abs());
    let largest = differences.fold(0.0, f32::max);
    println!("{}: probabilities {largest:.1e}", case.name);
    assert!(largest <= PROBABILITY_TOLERANCE, "{}: {largest}", case.name);
}

fn check(case: &Case, gpu: Option<Arc<Gpu>>) {
    let pairs = case.check_detections(gpu);
    match finds_keypoints(case) {
        true => check_keypoints(case, &pairs),
        false => check_masks(case, &pairs),
    }
}

fn check_masks(case: &Case, pairs: &[(Detection, usize)]) {
    let packed = case.golden.bytes("masks");
    let (width, height) = case.picture.dimensions();
    let pixels = (width * height) as usize;
    let row = pixels.div_ceil(8);
    let (mut shared, mut all) = (0, 0);
    for (detection, index) in pairs {
        let bits = &packed[*index * row..][..row];
        let expected: Vec<bool> = (0..pixels)
            .map(|pixel| bits[pixel / 8] >> (7 - pixel % 8) & 1 == 1)
            .collect();
        let found = detection.mask.as_ref().map(Rle::to_bitmap);
        let found = found.unwrap_or_else(|| panic!("{}: no mask", case.name));
        for (found, expected) in found.into_iter().zip(expected) {
            shared += usize::from(found && expected);
            all += usize::from(found || expected);
        }
    }
    let near: usize = case.golden.number("near_pixels");
    let iou = shared as f64 / all as f64;
    println!(
        "{}: {} of {all} pixels differ, {near} are near a half; IoU {iou:.5}",
        case.name,
        all - shared
    );
    assert!(
        all - shared <= near && iou >= LEAST_IOU,
        "{}: {iou}",
        case.name
    );
}

fn check_keypoints(case: &Case, pairs: &[(Detection, usize)]) {
    let expected = case.golden.floats("keypoints");
    let expected: &[[f32; 3]] = expected.as_chunks().0;
    let scores = case.golden.floats("keypoints_scores");
    let number = case.golden.shape("keypoints")[1];
    let mut largest = [0.0_f32; 2];
    for (detection, index) in pairs {
        let found = detection.keypoints.as_ref();
        let found = found.unwrap_or_else(|| panic!("{}: no keypoints", case.name));
        assert_eq!(found.len(), number, "{}", case.name);
        for (k, [x, y, score]) in found.iter().enumerate() {
            let [ex, ey, _] = expected[*index * number + k];
            largest[0] = largest[0].max((x - ex).abs()).max((y - ey).abs());
            largest[1] = largest[1].max((score - scores[*index * number + k]).abs());
        }
    }
    let [places, scores] = largest;
    println!(
        "{}: keypoints {places:.1e} px, scores {scores:.1e}",
        case.name
    );
    assert!(
        places <= KEYPOINT_TOLERANCE && scores <= SCORE_TOLERANCE,
        "{}: {places}, {scores}",
        case.name
    );
}
