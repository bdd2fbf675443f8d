//! The tutorials' pyramids against the published definition in PyTorch, nearest and bilinear.

use std::sync::Arc;

use burn::tensor::Device;
use fpn_wgpu::gpu::Gpu;
use fpn_wgpu::models::{Architecture, Model, ModelConfig, Upsampling};
use fpn_wgpu::plan::MapKind;
use fpn_wgpu::{Detector, weights};
use image::DynamicImage;

use crate::adapter;
use crate::published::{parameter_count, shapes, state_dict};
use crate::stages::Stages;
use crate::support::{TensorFile, assert_close, sample};

/// How far a GPU's values may be off, as a part of the level's largest.
const GPU_TOLERANCE: f32 = 2e-5;

struct Case {
    name: &'static str,
    golden: TensorFile,
    config: ModelConfig,
    seed: u64,
    picture: DynamicImage,
}

impl Case {
    fn open(name: &'static str) -> Self {
        let golden = TensorFile::golden(name);
        let architecture: Architecture = format!("fpn_{}", golden.metadata("arch"))
            .parse()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let top_down = golden.metadata("top_down");
        let mut all = Upsampling::ALL.into_iter();
        let config = ModelConfig {
            top_down: all
                .find(|upsampling| upsampling.name() == top_down)
                .unwrap_or_else(|| panic!("{name}: {top_down}")),
            ..ModelConfig::of(architecture)
        };
        let seed = golden.number("seed");
        let picture = weights::picture(seed, golden.number("width"), golden.number("height"));
        Self {
            name,
            config,
            seed,
            picture: picture.into(),
            golden,
        }
    }

    fn check_stages(&self) {
        let checkpoint = weights::seeded(&self.config, self.seed);
        let Ok(Model::FpnResNet(model)) = weights::load(&self.config, &checkpoint) else {
            panic!("{}: seeded weights fit", self.name)
        };
        let picture = self.picture.to_rgba8();
        let transform = self.config.architecture.transform();
        let frame = transform.frame([picture.height() as usize, picture.width() as usize]);
        let stages = Stages {
            case: self.name,
            golden: &self.golden,
        };
        let image = transform.apply(&picture, &frame, &Device::flex());
        stages.compare("image", &image);
        let features = model.bottom_up(image);
        stages.compare_levels(|level| format!("c{level}"), &features, 2);
        let pyramid = model.pyramid(features);
        stages.compare_levels(|level| format!("p{level}"), &pyramid, 2);
    }

    /// By the public face, on a GPU.
    fn check_maps(&self, gpu: Arc<Gpu>) {
        let detector = Detector::builder(weights::seeded(&self.config, self.seed))
            .top_down(self.config.top_down)
            .maps([MapKind::Input, MapKind::Features])
            .gpu(gpu)
            .build()
            .expect("seeded weights fit");
        let maps = detector.maps(&self.picture).expect("the picture suits");
        assert_eq!(maps.len(), 1 + 4 + 4);
        for map in maps {
            let stage = match map.info.kind {
                MapKind::Input => "image".to_owned(),
                _ => map.info.name.to_lowercase(),
            };
            let shape = self.golden.counts(&format!("{stage}.shape"));
            assert_eq!(
                [1].iter().chain(&map.shape).copied().collect::<Vec<_>>(),
                shape
            );
            let expected = self.golden.floats(&format!("{stage}.sample"));
            let found = sample(&map.values, expected.len());
            assert_close(
                &format!("{} {stage}", self.name),
                &found,
                &expected,
                GPU_TOLERANCE,
            );
        }
    }
}

macro_rules! cases {
    ($($name:ident,)+) => {
        mod cpu {
            $(
                #[test]
                fn $name() {
                    super::Case::open(stringify!($name)).check_stages();
                }
            )+
        }

        mod gpu {
            $(
                #[test]
                fn $name() {
                    super::Case::open(stringify!($name)).check_maps(super::adapter::gpu());
                }
            )+
        }
    };
}

cases! {
    fpn_resnet50_s1,
    fpn_resnet50_bilinear_s2,
    fpn_resnet101_s3,
    fpn_resnet152_bilinear_s4,
}

/// The published totals.
#[test]
fn the_parameters_are_as_many_as_published() {
    for (name, expected) in [
        ("fpn_resnet50", 26_262_336),
        ("fpn_resnet101", 45_254_464),
        ("fpn_resnet152", 60_898_112),
    ] {
        let architecture: Architecture = name.parse().expect("the name is known");
        let total = parameter_count(&ModelConfig::of(architecture));
        assert_eq!(total, expected, "{name}");
    }
}

/// The keys and shapes of the published code's state dict.
#[test]
fn a_published_state_dict_has_these_keys() {
    for name in ["fpn_resnet50", "fpn_resnet101", "fpn_resnet152"] {
        let Some(expected) = state_dict(name) else {
            return;
        };
        let architecture: Architecture = name.parse().expect("the name is known");
        let checkpoint = weights::seeded(&ModelConfig::of(architecture), 1);
        assert_eq!(shapes(&checkpoint), expected, "{name}");
    }
}

#[test]
fn a_224_pixel_picture_has_levels_of_56_28_14_and_7_cells() {
    let architecture: Architecture = "fpn_resnet50".parse().expect("the name is known");
    let config = ModelConfig::of(architecture);
    let detector = Detector::builder(weights::seeded(&config, 1)).build();
    let detector = detector.expect("seeded weights fit");
    let picture: DynamicImage = weights::picture(1, 224, 224).into();
    let maps = detector.maps(&picture).expect("the picture suits");
    let shapes: Vec<[usize; 3]> = maps.iter().map(|map| map.shape).collect();
    assert_eq!(shapes, [56, 28, 14, 7].map(|side| [256, side, side]));
    let error = detector.detect(&picture).expect_err("it has no detector");
    assert!(error.to_string().contains("finds no objects"), "{error}");
}
