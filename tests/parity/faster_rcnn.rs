//! Faster R-CNN of every depth, at torchvision's full size and at odd ones.

use burn::tensor::{Device, Int, Tensor, TensorData};
use fpn_wgpu::models::{FasterRcnn, Model, TwoStage};
use fpn_wgpu::ops::proposals::Proposals;

use crate::case::Case;
use crate::matching::match_proposals;
use crate::support::TensorFile;

macro_rules! cases {
    ($($name:ident),+ $(,)?) => {
        /// The goldens that have a test.
        const CASES: &[&str] = &[$(concat!("frcnn_", stringify!($name))),+];

        mod cpu {
            $(
                #[test]
                fn $name() {
                    super::check(&super::Case::open(concat!("frcnn_", stringify!($name))));
                }
            )+
        }

        mod gpu {
            $(
                #[test]
                fn $name() {
                    let case = super::Case::open(concat!("frcnn_", stringify!($name)));
                    case.check_detections(Some(crate::adapter::gpu()));
                }
            )+
        }
    };
}

cases![
    resnet18_s1,
    resnet50_s2,
    resnet50_s3,
    resnet50_s4,
    resnet34_s5,
    resnet50_s6,
    resnet50_s7,
    resnet34_s8,
    resnet101_s9,
    resnet152_s10,
    mobilenet_v3_large_s28,
    mobilenet_v3_large_s38,
    mobilenet_v3_large_320_s29,
    mobilenet_v3_large_320_s47,
    resnet50_fpn_v2_s12,
    resnet50_fpn_v2_s20,
    resnext50_32x4d_s17,
    resnext101_32x8d_s18,
];

#[test]
fn every_golden_has_a_test() {
    let names = TensorFile::goldens(|name| name.starts_with("frcnn_"));
    let mut cases = CASES.to_vec();
    cases.sort_unstable();
    assert_eq!(names, cases);
}

/// All stages and the detections, on the CPU engine.
pub fn check(case: &Case) {
    let Model::FasterRcnn(model) = case.model() else {
        panic!("{}: of another model", case.name)
    };
    let stages = case.stages();
    let (image, frame) = case.input();
    stages.compare("image", &image);
    let features = model.bottom_up(image);
    let finest = case.config.architecture.first_level();
    stages.compare_levels(|level| format!("c{level}"), &features, finest);
    let pyramid = model.pyramid(features);
    stages.compare_levels(|level| format!("p{level}"), &pyramid, finest);
    let maps = model.rpn_maps(pyramid.clone());
    stages.compare_levels(|level| format!("rpn.logits.{level}"), &maps.logits, finest);
    stages.compare_levels(|level| format!("rpn.deltas.{level}"), &maps.deltas, finest);
    let limit = case.selection().proposals;
    let sizes = frame.tensor(&Device::flex());
    let proposals = model.proposals(maps, frame.padded, sizes, limit);
    let found: Vec<f32> = proposals.boxes.to_data().try_to_vec().expect("f32");
    let expected = case.golden.boxes("proposals");
    match_proposals(case.name, found.as_chunks().0, &expected);
    check_head(case, &model, pyramid);
    case.check_detections(None);
}

/// The second stage, over PyTorch's proposals, so that rows correspond.
fn check_head(case: &Case, model: &FasterRcnn, pyramid: Vec<Tensor<4>>) {
    let boxes: Tensor<2> = case.golden.tensor("proposals");
    let [rows, _] = boxes.dims();
    let integers = |values: Vec<i32>| -> Tensor<1, Int> {
        let shape = [values.len()];
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    };
    let proposals = Proposals {
        boxes,
        // RoIAlign goes by the boxes' sizes; where they came from is only passed on.
        levels: integers(vec![2; rows]),
        count: integers(vec![rows as i32]),
    };
    let stages = case.stages();
    let rois = model.roi_features(pyramid, &proposals);
    stages.compare("roi_features", &rois);
    let (logits, deltas) = model.box_outputs(rois);
    stages.compare("class_logits", &logits);
    stages.compare("box_deltas", &deltas);
}
