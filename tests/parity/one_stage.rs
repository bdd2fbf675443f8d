//! torchvision's one-stage detectors: RetinaNet of both versions, and FCOS.

use std::sync::Arc;

use burn::tensor::Tensor;
use fpn_wgpu::gpu::Gpu;
use fpn_wgpu::models::Model;

use crate::case::Case;
use crate::support::TensorFile;

macro_rules! cases {
    ($($name:ident),+ $(,)?) => {
        /// The goldens that have a test.
        const CASES: &[&str] = &[$(stringify!($name)),+];

        mod cpu {
            $(
                #[test]
                fn $name() {
                    super::check(&super::Case::open(stringify!($name)));
                }
            )+
        }

        mod gpu {
            $(
                #[test]
                fn $name() {
                    let case = super::Case::open(stringify!($name));
                    super::check_detections(&case, Some(crate::adapter::gpu()));
                }
            )+
        }
    };
}

cases![
    retinanet_resnet50_fpn_s1,
    retinanet_resnet50_fpn_s7,
    retinanet_resnet50_fpn_s9,
    retinanet_resnet50_fpn_v2_s3,
    retinanet_resnet50_fpn_v2_s8,
    fcos_resnet50_fpn_s3,
    fcos_resnet50_fpn_s5,
    fcos_resnet50_fpn_s6,
];

#[test]
fn every_golden_has_a_test() {
    let names =
        TensorFile::goldens(|name| name.starts_with("retinanet_") || name.starts_with("fcos_"));
    let mut cases = CASES.to_vec();
    cases.sort_unstable();
    assert_eq!(names, cases);
}

/// All stages and the detections, on the CPU engine.
fn check(case: &Case) {
    let Model::DenseDetector(model) = case.model() else {
        panic!("{}: of another model", case.name)
    };
    let stages = case.stages();
    let compare = |part: &str, maps: &[Tensor<4>]| {
        stages.compare_levels(|level| format!("{part}{level}"), maps, 3);
    };
    let (image, _) = case.input();
    stages.compare("image", &image);
    let features = model.bottom_up(image);
    compare("c", &features);
    let pyramid = model.pyramid(features);
    compare("p", &pyramid);
    let maps = model.head_maps(pyramid);
    compare("class.", &maps.classes);
    compare("box.", &maps.boxes);
    compare("centreness.", &maps.centreness);
    check_detections(case, None);
}

/// The detections, each from the level that torchvision's is from.
fn check_detections(case: &Case, gpu: Option<Arc<Gpu>>) {
    let levels = case.golden.counts("levels");
    for (ours, theirs) in case.check_detections(gpu) {
        assert_eq!(ours.level, levels[theirs], "{}", case.name);
    }
}
