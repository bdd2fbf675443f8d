//! torchvision's Mask R-CNN of both versions and Keypoint R-CNN: what is found in detections.

use std::sync::Arc;

use burn::tensor::Device;
use fpn_wgpu::gpu::Gpu;
use fpn_wgpu::masks::Rle;
use fpn_wgpu::models::{Model, ModelConfig, Request, Selection};
use fpn_wgpu::plan::InstanceKind;
use fpn_wgpu::transform::{ResizeBounds, Transform};
use fpn_wgpu::{Detection, Detector, weights};
use image::{DynamicImage, RgbaImage};

use crate::matching::{Object, match_one_to_one};
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
                    case.check_probabilities();
                    case.check(None);
                }
            )+
        }

        mod gpu {
            $(
                #[test]
                fn $name() {
                    let case = super::Case::open(stringify!($name));
                    case.check(Some(crate::adapter::gpu()));
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

    fn selection(&self) -> Selection {
        let selection = self.config.architecture.selection();
        Selection {
            limit: self.golden.number("limit"),
            ..selection.expect("it is a detector")
        }
    }

    /// The masks' probabilities, before they are pasted.
    fn check_probabilities(&self) {
        if self.config.architecture.name().starts_with("keypoint") {
            return;
        }
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
        let image = transform.apply(&self.picture, &frame, &device);
        let request = Request {
            selection: Some(self.selection()),
            ..Request::maps([])
        };
        let outputs = model.forward(image, frame.tensor(&device), &request);
        let Some((InstanceKind::Masks, masks)) = outputs.instances else {
            panic!("{}: finds no masks", self.name)
        };
        let found: Vec<f32> = masks.into_data().try_to_vec().expect("floats");
        let expected = self.golden.floats("mask_probabilities");
        assert_eq!(found.len(), expected.len(), "{}", self.name);
        let differences = found.iter().zip(&expected).map(|(a, b)| (a - b).abs());
        let largest = differences.fold(0.0, f32::max);
        println!("{}: probabilities {largest:.1e}", self.name);
        assert!(largest <= PROBABILITY_TOLERANCE, "{}: {largest}", self.name);
    }

    fn check(&self, gpu: Option<Arc<Gpu>>) {
        let checkpoint = weights::seeded(&self.config, self.seed);
        let builder = Detector::builder(checkpoint)
            .min_size(self.bounds.min_size)
            .max_size(self.bounds.max_size)
            .limit(self.selection().limit);
        let detector = builder.gpu(gpu).build().expect("seeded weights fit");
        assert_eq!(*detector.config(), self.config, "{}", self.name);
        let detections = detector.detect(&DynamicImage::ImageRgba8(self.picture.clone()));
        let detections = detections.expect("the picture suits").items;
        let found: Vec<Object> = detections.iter().map(Object::from).collect();
        let boxes = self.golden.boxes("boxes").into_iter();
        let expected: Vec<Object> = boxes
            .zip(self.golden.counts("labels"))
            .zip(self.golden.floats("scores"))
            .map(|((bbox, label), score)| Object { bbox, label, score })
            .collect();
        let pairs = match_one_to_one(self.name, &found, &expected, self.selection());
        let pairs = pairs.into_iter();
        let pairs = pairs.map(|(ours, theirs)| (&detections[ours], theirs));
        match self.config.architecture.name().starts_with("keypoint") {
            true => self.check_keypoints(pairs),
            false => self.check_masks(pairs),
        }
    }

    fn check_masks<'a>(&self, pairs: impl Iterator<Item = (&'a Detection, usize)>) {
        let packed = self.golden.bytes("masks");
        let (width, height) = self.picture.dimensions();
        let pixels = (width * height) as usize;
        let row = pixels.div_ceil(8);
        let (mut shared, mut all) = (0, 0);
        for (detection, index) in pairs {
            let bits = &packed[index * row..][..row];
            let expected: Vec<bool> = (0..pixels)
                .map(|pixel| bits[pixel / 8] >> (7 - pixel % 8) & 1 == 1)
                .collect();
            let found = detection.mask.as_ref().map(Rle::to_bitmap);
            let found = found.unwrap_or_else(|| panic!("{}: no mask", self.name));
            for (found, expected) in found.into_iter().zip(expected) {
                shared += usize::from(found && expected);
                all += usize::from(found || expected);
            }
        }
        let near: usize = self.golden.number("near_pixels");
        let iou = shared as f64 / all as f64;
        println!(
            "{}: {} of {all} pixels differ, {near} are near a half; IoU {iou:.5}",
            self.name,
            all - shared
        );
        assert!(
            all - shared <= near && iou >= LEAST_IOU,
            "{}: {iou}",
            self.name
        );
    }

    fn check_keypoints<'a>(&self, pairs: impl Iterator<Item = (&'a Detection, usize)>) {
        let expected = self.golden.floats("keypoints");
        let expected: &[[f32; 3]] = expected.as_chunks().0;
        let scores = self.golden.floats("keypoints_scores");
        let number = self.golden.shape("keypoints")[1];
        let mut largest = [0.0_f32; 2];
        for (detection, index) in pairs {
            let found = detection.keypoints.as_ref();
            let found = found.unwrap_or_else(|| panic!("{}: no keypoints", self.name));
            assert_eq!(found.len(), number, "{}", self.name);
            for (k, [x, y, score]) in found.iter().enumerate() {
                let [ex, ey, _] = expected[index * number + k];
                largest[0] = largest[0].max((x - ex).abs()).max((y - ey).abs());
                largest[1] = largest[1].max((score - scores[index * number + k]).abs());
            }
        }
        let [places, scores] = largest;
        println!(
            "{}: keypoints {places:.1e} px, scores {scores:.1e}",
            self.name
        );
        assert!(
            places <= KEYPOINT_TOLERANCE && scores <= SCORE_TOLERANCE,
            "{}: {places}, {scores}",
            self.name
        );
    }
}
