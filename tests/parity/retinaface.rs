//! RetinaFace with generated weights, at odd sizes.

use std::sync::Arc;

use burn::tensor::Device;
use fpn_wgpu::compile::Precision;
use fpn_wgpu::gpu::Gpu;
use fpn_wgpu::models::retinaface::MOBILENET025;
use fpn_wgpu::models::{Model, ModelConfig, Selection};
use fpn_wgpu::{Detection, Detector, weights};
use image::{DynamicImage, RgbaImage};

use crate::matching::{Object, largest_difference, match_one_to_one};
use crate::stages::Stages;
use crate::support::TensorFile;

macro_rules! cases {
    ($($name:ident),+ $(,)?) => {
        mod cpu {
            $(
                #[test]
                fn $name() {
                    super::check_stages(stringify!($name));
                    super::check_detections(stringify!($name), None);
                }
            )+
        }

        mod gpu {
            $(
                #[test]
                fn $name() {
                    super::check_detections(stringify!($name), Some(crate::adapter::gpu()));
                }
            )+
        }
    };
}

cases![retinaface_s1, retinaface_s2, retinaface_s3];

/// Pixels by which a landmark may be off.
const LANDMARK_TOLERANCE: f32 = 0.1;

const CONFIG: ModelConfig = ModelConfig::of(MOBILENET025);

fn picture(golden: &TensorFile) -> RgbaImage {
    let (width, height) = (golden.number("width"), golden.number("height"));
    weights::picture(golden.number("seed"), width, height)
}

fn check_stages(case: &str) {
    let golden = TensorFile::golden(case);
    let picture = picture(&golden);
    let checkpoint = weights::seeded(&CONFIG, golden.number("seed"));
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
}

fn check_detections(case: &str, gpu: Option<Arc<Gpu>>) {
    let golden = TensorFile::golden(case);
    let selection = MOBILENET025.selection().expect("it is a detector");
    let of_golden = Selection {
        score_threshold: golden.number("threshold"),
        nms_threshold: golden.number("nms_threshold"),
        limit: golden.number("keep"),
        ..selection
    };
    assert_eq!(selection, of_golden, "{case}");
    let detections = detections(&golden, gpu, Precision::default());
    let found: Vec<Object> = detections.iter().map(Object::from).collect();
    let (levels, landmarks) = (golden.counts("levels"), golden.floats("landmarks"));
    let mut largest = 0.0_f32;
    for (ours, theirs) in match_one_to_one(case, &found, &expected(&golden), selection) {
        let face = &detections[ours];
        assert_eq!(face.level, levels[theirs], "{case}: {face:?}");
        let points = face.landmarks.as_ref().expect("a face has landmarks");
        let expected = &landmarks[theirs * 10..][..10];
        let difference = largest_difference(points.as_flattened(), expected);
        assert!(difference <= LANDMARK_TOLERANCE, "{case}: {face:?}");
        largest = largest.max(difference);
    }
    println!("{case}: landmarks {largest:.1e} px");
}

/// What this crate finds.
pub fn detections(
    golden: &TensorFile,
    gpu: Option<Arc<Gpu>>,
    precision: Precision,
) -> Vec<Detection> {
    let checkpoint = weights::seeded(&CONFIG, golden.number("seed"));
    let builder = Detector::builder(checkpoint).precision(precision);
    let detector = builder.gpu(gpu).build().expect("seeded weights fit");
    let picture = DynamicImage::ImageRgba8(picture(golden));
    let detections = detector.detect(&picture).expect("the picture suits");
    detections.items
}

/// What PyTorch found.
pub fn expected(golden: &TensorFile) -> Vec<Object> {
    let boxes = golden.boxes("boxes").into_iter();
    boxes
        .zip(golden.floats("scores"))
        .map(|(bbox, score)| Object {
            bbox,
            label: 1,
            score,
        })
        .collect()
}
