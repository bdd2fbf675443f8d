//! torchvision's one-stage detectors: RetinaNet of both versions, and FCOS.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use fpn_wgpu::gpu::Gpu;
use fpn_wgpu::models::{Model, ModelConfig};
use fpn_wgpu::transform::{ResizeBounds, Transform};
use fpn_wgpu::{Detector, weights};
use image::{DynamicImage, RgbaImage};

use crate::matching::{Object, match_one_to_one};
use crate::stages::Stages;
use crate::support::TensorFile;

macro_rules! cases {
    ($($name:ident),+ $(,)?) => {
        /// The goldens that have a test.
        const CASES: &[&str] = &[$(stringify!($name)),+];

        mod cpu {
            $(
                #[test]
                fn $name() {
                    super::Case::open(stringify!($name)).check();
                }
            )+
        }

        mod gpu {
            $(
                #[test]
                fn $name() {
                    let case = super::Case::open(stringify!($name));
                    case.check_detections(Some(crate::adapter::gpu()));
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

/// One of torchvision's models, and what it made of one picture.
struct Case {
    name: &'static str,
    golden: TensorFile,
    config: ModelConfig,
    seed: u64,
    bounds: ResizeBounds,
    picture: RgbaImage,
}

impl Case {
    fn open(name: &'static str) -> Self {
        let golden = TensorFile::golden(name);
        let architecture = golden.metadata("model").parse();
        let architecture = architecture.unwrap_or_else(|error| panic!("{name}: {error}"));
        let seed = golden.number("seed");
        Self {
            name,
            config: ModelConfig {
                classes: golden.number("num_classes"),
                bn_eps: golden.number("bn_eps"),
                ..ModelConfig::of(architecture)
            },
            seed,
            bounds: ResizeBounds {
                min_size: golden.number("min_size"),
                max_size: golden.number("max_size"),
            },
            picture: weights::picture(seed, golden.number("width"), golden.number("height")),
            golden,
        }
    }

    fn check(self) {
        self.check_stages();
        self.check_detections(None);
    }

    fn check_stages(&self) {
        let device = Device::flex();
        let checkpoint = weights::seeded(&self.config, self.seed);
        let model = weights::load(&self.config, &checkpoint).expect("seeded weights fit");
        let Model::DenseDetector(model) = model else {
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
        let compare = |part: &str, maps: &[Tensor<4>]| {
            stages.compare_levels(|level| format!("{part}{level}"), maps, 3);
        };
        let image = transform.apply(&self.picture, &frame, &device);
        stages.compare("image", &image);
        let features = model.bottom_up(image);
        compare("c", &features);
        let pyramid = model.pyramid(features);
        compare("p", &pyramid);
        let maps = model.head_maps(pyramid);
        compare("class.", &maps.classes);
        compare("box.", &maps.boxes);
        compare("centreness.", &maps.centreness);
    }

    fn check_detections(self, gpu: Option<Arc<Gpu>>) {
        let checkpoint = weights::seeded(&self.config, self.seed);
        let builder = Detector::builder(checkpoint)
            .min_size(self.bounds.min_size)
            .max_size(self.bounds.max_size);
        let detector = builder.gpu(gpu).build().expect("seeded weights fit");
        assert_eq!(*detector.config(), self.config, "{}", self.name);
        let detections = detector.detect(&DynamicImage::ImageRgba8(self.picture));
        let detections = detections.expect("the picture suits").items;
        let found: Vec<Object> = detections.iter().map(Object::from).collect();
        let boxes = self.golden.boxes("boxes").into_iter();
        let expected: Vec<Object> = boxes
            .zip(self.golden.counts("labels"))
            .zip(self.golden.floats("scores"))
            .map(|((bbox, label), score)| Object { bbox, label, score })
            .collect();
        let selection = self.config.architecture.selection();
        let selection = selection.expect("it is a detector");
        let pairs = match_one_to_one(self.name, &found, &expected, selection);
        let levels = self.golden.counts("levels");
        for (ours, theirs) in pairs {
            assert_eq!(detections[ours].level, levels[theirs], "{}", self.name);
        }
    }
}
