//! RetinaFace with generated weights, at odd sizes.

use burn::tensor::Device;
use fpn_wgpu::models::{Architecture, Model, ModelConfig, Selection};
use fpn_wgpu::{Detector, weights};
use image::DynamicImage;

use crate::matching::{Object, largest_difference, match_one_to_one};
use crate::stages::Stages;
use crate::support::TensorFile;

#[test]
fn retinaface_s1() {
    check("retinaface_s1");
}

#[test]
fn retinaface_s2() {
    check("retinaface_s2");
}

#[test]
fn retinaface_s3() {
    check("retinaface_s3");
}

/// Pixels by which a landmark may be off.
const LANDMARK_TOLERANCE: f32 = 0.1;

const CONFIG: ModelConfig = ModelConfig {
    architecture: Architecture::RetinaFaceMobileNet025,
    classes: 2,
    bn_eps: 1e-5,
};

fn check(case: &str) {
    let golden = TensorFile::golden(case);
    let seed = golden.number("seed");
    let picture = weights::picture(seed, golden.number("width"), golden.number("height"));

    let checkpoint = weights::seeded(&CONFIG, seed);
    let model = weights::load(&CONFIG, &checkpoint).expect("seeded weights fit");
    let Model::RetinaFace(model) = model else {
        panic!("{case}: of another model")
    };
    let transform = CONFIG.architecture.transform();
    let frame = transform.frame([golden.number("height"), golden.number("width")]);
    let stages = Stages {
        case,
        golden: &golden,
    };
    let pyramid = model.pyramid(transform.apply(&picture, &frame, &Device::flex()));
    stages.compare_levels(|level| format!("p{level}"), &pyramid, 3);
    let context = model.context(pyramid);
    stages.compare_levels(|level| format!("ssh{level}"), &context, 3);
    let maps = model.head_maps(context);
    stages.compare_levels(|level| format!("class.{level}"), &maps.classes, 3);
    stages.compare_levels(|level| format!("bbox.{level}"), &maps.boxes, 3);
    stages.compare_levels(|level| format!("landmark.{level}"), &maps.landmarks, 3);

    let selection = CONFIG.architecture.selection();
    let of_golden = Selection {
        score_threshold: golden.number("threshold"),
        nms_threshold: golden.number("nms_threshold"),
        limit: golden.number("keep"),
    };
    assert_eq!(selection, of_golden, "{case}");
    let detector = Detector::builder(checkpoint).build();
    let detections = detector
        .expect("seeded weights fit")
        .detect(&DynamicImage::ImageRgba8(picture))
        .expect("the picture suits");
    let found: Vec<Object> = detections.items.iter().map(Object::from).collect();
    let expected = golden.boxes("boxes").into_iter();
    let expected: Vec<Object> = expected
        .zip(golden.floats("scores"))
        .map(|(bbox, score)| Object {
            bbox,
            label: 1,
            score,
        })
        .collect();
    let (levels, landmarks) = (golden.counts("levels"), golden.floats("landmarks"));
    let mut largest = 0.0_f32;
    for (ours, theirs) in match_one_to_one(case, &found, &expected, selection) {
        let face = &detections.items[ours];
        assert_eq!(face.level, levels[theirs], "{case}: {face:?}");
        let points = face.landmarks.as_ref().expect("a face has landmarks");
        let expected = &landmarks[theirs * 10..][..10];
        let difference = largest_difference(points.as_flattened(), expected);
        assert!(difference <= LANDMARK_TOLERANCE, "{case}: {face:?}");
        largest = largest.max(difference);
    }
    println!("{case}: landmarks {largest:.1e} px");
}
