//! A seeded model on a seeded picture, and what PyTorch made of it.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use fpn_wgpu::compile::Precision;
use fpn_wgpu::gpu::Gpu;
use fpn_wgpu::models::{Model, ModelConfig, Selection};
use fpn_wgpu::transform::{Frame, ResizeBounds, Transform};
use fpn_wgpu::{Detection, Detector, weights};
use image::{DynamicImage, RgbaImage};

use crate::matching::{Object, match_one_to_one};
use crate::stages::Stages;
use crate::support::TensorFile;

/// One of PyTorch's models, and what it made of one picture.
pub struct Case {
    pub name: &'static str,
    pub golden: TensorFile,
    pub config: ModelConfig,
    seed: u64,
    bounds: ResizeBounds,
    pub picture: RgbaImage,
}

impl Case {
    /// Of one of torchvision's.
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

    /// Which boxes it keeps.
    pub fn selection(&self) -> Selection {
        let selection = self.config.architecture.selection();
        let selection = selection.expect("it is a detector");
        let limit = self.golden.find_metadata("limit");
        Selection {
            limit: limit.map_or(selection.limit, |limit| limit.parse().expect("a number")),
            ..selection
        }
    }

    /// The model on the CPU engine.
    pub fn model(&self) -> Model {
        let checkpoint = weights::seeded(&self.config, self.seed);
        weights::load(&self.config, &checkpoint).expect("seeded weights fit")
    }

    /// The network's input, as large as PyTorch has it.
    pub fn input(&self) -> (Tensor<4>, Frame) {
        let transform = Transform {
            resize: Some(self.bounds),
            ..self.config.transform()
        };
        let (width, height) = self.picture.dimensions();
        let frame = transform.frame([height as usize, width as usize]);
        let resized: [usize; 2] =
            ["resized_height", "resized_width"].map(|key| self.golden.number(key));
        assert_eq!(frame.resized, resized, "{}", self.name);
        let image = transform.apply(&self.picture, &frame, &Device::flex());
        (image, frame)
    }

    pub fn stages(&self) -> Stages<'_> {
        Stages {
            case: self.name,
            golden: &self.golden,
        }
    }

    /// What this crate finds.
    pub fn detect(&self, gpu: Option<Arc<Gpu>>, precision: Precision) -> Vec<Detection> {
        let checkpoint = weights::seeded(&self.config, self.seed);
        let builder = Detector::builder(checkpoint)
            .min_size(self.bounds.min_size)
            .max_size(self.bounds.max_size)
            .limit(self.selection().limit)
            .precision(precision);
        let detector = builder.gpu(gpu).build().expect("seeded weights fit");
        assert_eq!(*detector.config(), self.config, "{}", self.name);
        let picture = DynamicImage::ImageRgba8(self.picture.clone());
        detector.detect(&picture).expect("the picture suits").items
    }

    /// What PyTorch found.
    pub fn expected(&self) -> Vec<Object> {
        let boxes = self.golden.boxes("boxes").into_iter();
        boxes
            .zip(self.golden.counts("labels"))
            .zip(self.golden.floats("scores"))
            .map(|((bbox, label), score)| Object { bbox, label, score })
            .collect()
    }

    /// The same detections; each of ours with the index of its partner.
    pub fn check_detections(&self, gpu: Option<Arc<Gpu>>) -> Vec<(Detection, usize)> {
        let detections = self.detect(gpu, Precision::default());
        let found: Vec<Object> = detections.iter().map(Object::from).collect();
        let pairs = match_one_to_one(self.name, &found, &self.expected(), self.selection());
        let pairs = pairs.into_iter();
        pairs
            .map(|(ours, theirs)| (detections[ours].clone(), theirs))
            .collect()
    }
}
