//! Faster R-CNN of every depth, at torchvision's full size and at odd ones.

use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor, TensorData};
use fpn_wgpu::compile::Precision;
use fpn_wgpu::gpu::Gpu;
use fpn_wgpu::models::{FasterRcnn, Model, ModelConfig, Selection, TwoStage};
use fpn_wgpu::ops::proposals::Proposals;
use fpn_wgpu::transform::{ResizeBounds, Transform};
use fpn_wgpu::{Detector, weights};
use image::{DynamicImage, RgbaImage};

use crate::matching::{Object, match_one_to_one, match_proposals};
use crate::stages::Stages;
use crate::support::TensorFile;

macro_rules! cases {
    ($($name:ident),+ $(,)?) => {
        /// The goldens that have a test.
        const CASES: &[&str] = &[$(concat!("frcnn_", stringify!($name))),+];

        mod cpu {
            $(
                #[test]
                fn $name() {
                    super::Case::open(concat!("frcnn_", stringify!($name))).check();
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

/// One of torchvision's models, and what it made of one picture.
pub struct Case {
    name: &'static str,
    golden: TensorFile,
    config: ModelConfig,
    seed: u64,
    bounds: ResizeBounds,
    picture: RgbaImage,
}

impl Case {
    pub fn open(name: &'static str) -> Self {
        let golden = TensorFile::golden(name);
        // Older goldens name the bottom-up network alone.
        let model = golden.find_metadata("model").unwrap_or_else(|| {
            let body = golden.metadata("arch");
            format!("fasterrcnn_{body}_fpn")
        });
        let architecture = model.parse();
        let architecture = architecture.unwrap_or_else(|error| panic!("{name}: {error}"));
        let config = ModelConfig {
            classes: golden.number("num_classes"),
            bn_eps: golden.number("bn_eps"),
            ..ModelConfig::of(architecture)
        };
        Self::of(name, golden, config)
    }

    /// The case of a golden, of the model that it is of.
    pub fn of(name: &'static str, golden: TensorFile, config: ModelConfig) -> Self {
        let seed = golden.number("seed");
        Self {
            name,
            config,
            seed,
            bounds: ResizeBounds {
                min_size: golden.number("min_size"),
                max_size: golden.number("max_size"),
            },
            picture: weights::picture(seed, golden.number("width"), golden.number("height")),
            golden,
        }
    }

    pub fn check(self) {
        self.check_stages();
        self.check_detections(None);
    }

    fn check_stages(&self) {
        let device = Device::flex();
        let checkpoint = weights::seeded(&self.config, self.seed);
        let model = weights::load(&self.config, &checkpoint).expect("seeded weights fit");
        let Model::FasterRcnn(model) = model else {
            panic!("{}: of another model", self.name)
        };
        let transform = Transform {
            resize: Some(self.bounds),
            ..self.config.transform()
        };
        let (width, height) = self.picture.dimensions();
        let frame = transform.frame([height as usize, width as usize]);
        let resized: [usize; 2] =
            ["resized_height", "resized_width"].map(|key| self.golden.number(key));
        assert_eq!(frame.resized, resized, "{}", self.name);

        let stages = Stages {
            case: self.name,
            golden: &self.golden,
        };
        let image = transform.apply(&self.picture, &frame, &device);
        stages.compare("image", &image);
        let features = model.bottom_up(image);
        let finest = self.config.architecture.first_level();
        stages.compare_levels(|level| format!("c{level}"), &features, finest);
        let pyramid = model.pyramid(features);
        stages.compare_levels(|level| format!("p{level}"), &pyramid, finest);
        let maps = model.rpn_maps(pyramid.clone());
        stages.compare_levels(|level| format!("rpn.logits.{level}"), &maps.logits, finest);
        stages.compare_levels(|level| format!("rpn.deltas.{level}"), &maps.deltas, finest);

        let proposals = model.proposals(
            maps,
            frame.padded,
            frame.tensor(&device),
            self.selection().proposals,
        );
        self.check_proposals(&proposals);
        self.check_head(&stages, &model, pyramid);
    }

    fn check_proposals(&self, proposals: &Proposals) {
        let found: Vec<f32> = proposals.boxes.to_data().try_to_vec().expect("f32");
        let expected = self.golden.boxes("proposals");
        match_proposals(self.name, found.as_chunks().0, &expected);
    }

    /// The second stage, over torchvision's proposals, so that rows correspond.
    fn check_head(&self, stages: &Stages, model: &FasterRcnn, pyramid: Vec<Tensor<4>>) {
        let boxes: Tensor<2> = self.golden.tensor("proposals");
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
        let rois = model.roi_features(pyramid, &proposals);
        stages.compare("roi_features", &rois);
        let (logits, deltas) = model.box_outputs(rois);
        stages.compare("class_logits", &logits);
        stages.compare("box_deltas", &deltas);
    }

    pub fn check_detections(self, gpu: Option<Arc<Gpu>>) {
        let found = self.detections(gpu, Precision::default());
        match_one_to_one(self.name, &found, &self.expected(), self.selection());
    }

    fn selection(&self) -> Selection {
        let selection = self.config.architecture.selection();
        selection.expect("it is a detector")
    }

    /// What this crate finds.
    pub fn detections(&self, gpu: Option<Arc<Gpu>>, precision: Precision) -> Vec<Object> {
        let checkpoint = weights::seeded(&self.config, self.seed);
        let builder = Detector::builder(checkpoint)
            .min_size(self.bounds.min_size)
            .max_size(self.bounds.max_size)
            .precision(precision);
        let detector = builder.gpu(gpu).build().expect("seeded weights fit");
        assert_eq!(*detector.config(), self.config, "{}", self.name);
        let detections = detector
            .detect(&DynamicImage::ImageRgba8(self.picture.clone()))
            .expect("the picture suits");
        detections.items.iter().map(Object::from).collect()
    }

    /// What torchvision found.
    pub fn expected(&self) -> Vec<Object> {
        let boxes = self.golden.boxes("boxes").into_iter();
        boxes
            .zip(self.golden.counts("labels"))
            .zip(self.golden.floats("scores"))
            .map(|((bbox, label), score)| Object { bbox, label, score })
            .collect()
    }
}
