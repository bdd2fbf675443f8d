//! NanoDet-m and NanoDet-Plus-m with generated weights; and NanoDet-Plus-m's own weights on photographs, where
//! expected is what its PyTorch model finds.

use std::path::PathBuf;
use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use fpn_wgpu::compile::Precision;
use fpn_wgpu::gpu::Gpu;
use fpn_wgpu::models::nanodet::{M_320, M_416, PLUS_M_320, PLUS_M_416, PLUS_M_WIDER_416};
use fpn_wgpu::models::{Architecture, COCO_CLASSES, COCO_NAMES, Model, ModelConfig, NanoDet};
use fpn_wgpu::transform::{ResizeBounds, Transform};
use fpn_wgpu::weights::{self, Checkpoint};
use fpn_wgpu::{Detection, Detections, Detector, DetectorBuilder};
use image::{DynamicImage, RgbaImage};
use serde_json::Value;

use crate::matching::{Object, match_one_to_one};
use crate::published::{of_shapes, parameter_count, shapes, state_dict};
use crate::stages::Stages;
use crate::support::{TensorFile, shared};

macro_rules! cases {
    ($($name:ident),+ $(,)?) => {
        mod cpu {
            $(
                #[test]
                fn $name() {
                    super::check_stages(stringify!($name));
                    super::check_seeded(stringify!($name), None);
                }
            )+
        }

        mod gpu {
            $(
                #[test]
                fn $name() {
                    super::check_seeded(stringify!($name), Some(crate::adapter::gpu()));
                }
            )+
        }
    };
}

cases![
    nanodet_plus_m_s1,
    nanodet_m_s2,
    nanodet_plus_m_wider_s3,
    nanodet_m_s4
];

macro_rules! photos {
    ($($name:ident),+ $(,)?) => {
        mod photos {
            mod cpu {
                $(
                    #[test]
                    fn $name() {
                        super::super::check_probes(stringify!($name));
                        super::super::check_photo(stringify!($name), None);
                    }
                )+
            }

            mod gpu {
                $(
                    #[test]
                    fn $name() {
                        let gpu = crate::adapter::gpu();
                        super::super::check_photo(stringify!($name), Some(gpu));
                    }
                )+
            }
        }
    };
}

photos![astronaut, chelsea, coffee];

/// COCO's category ids of classes that count from 0.
fn label(class: usize) -> usize {
    let name = COCO_CLASSES[class + 1];
    let label = COCO_NAMES.iter().position(|known| *known == name);
    label.expect("a class has an id")
}

/// A golden's model, and the side of the square that its pictures are brought into.
struct Case {
    golden: TensorFile,
    config: ModelConfig,
    side: usize,
}

impl Case {
    fn open(name: &str) -> Self {
        let golden = TensorFile::golden(name);
        let architecture = match golden.metadata("variant").as_str() {
            "m" => M_320,
            "plus_m" => PLUS_M_416,
            _ => PLUS_M_WIDER_416,
        };
        Self {
            config: ModelConfig::of(architecture),
            side: golden.number("side"),
            golden,
        }
    }

    fn picture(&self) -> RgbaImage {
        let [width, height] = ["width", "height"].map(|side| self.golden.number(side));
        weights::picture(self.golden.number("seed"), width, height)
    }

    fn checkpoint(&self) -> Checkpoint {
        weights::seeded(&self.config, self.golden.number("seed"))
    }
}

fn loaded(config: &ModelConfig, checkpoint: &Checkpoint) -> NanoDet {
    match weights::load(config, checkpoint).expect("the weights fit") {
        Model::NanoDet(model) => model,
        other => panic!("{other:?}"),
    }
}

/// Every stage of a model by its name in the goldens.
fn stages(model: &NanoDet, image: Tensor<4>) -> Vec<(String, Tensor<4>)> {
    let features = model.features(image.clone());
    let pyramid = model.pyramid(features.clone());
    let outputs = model.head_maps(&pyramid).classes;
    let kinds = [("c", features.to_vec()), ("p", pyramid), ("out", outputs)];
    let maps = kinds.into_iter().flat_map(|(kind, maps)| {
        let levels = (3..).zip(maps);
        levels.map(move |(level, map)| (format!("{kind}{level}"), map))
    });
    [("image".to_owned(), image)]
        .into_iter()
        .chain(maps)
        .collect()
}

fn check_stages(name: &str) {
    let case = Case::open(name);
    let side = case.side;
    let transform = Transform {
        resize: Some(ResizeBounds {
            min_size: side,
            max_size: side,
        }),
        ..case.config.transform()
    };
    let picture = case.picture();
    let frame = transform.frame([picture.height(), picture.width()].map(|side| side as usize));
    let image = transform.apply(&picture, &frame, &Device::flex());
    let golden = Stages {
        case: name,
        golden: &case.golden,
    };
    let model = loaded(&case.config, &case.checkpoint());
    for (stage, map) in stages(&model, image) {
        golden.compare(&stage, &map);
    }
}

fn check_seeded(name: &str, gpu: Option<Arc<Gpu>>) {
    let case = Case::open(name);
    let found = detections(&case, gpu, Precision::default());
    let objects: Vec<Object> = found.iter().map(Object::from).collect();
    let selection = case.config.architecture.selection();
    let selection = selection.expect("it is a detector");
    let levels = case.golden.counts("levels");
    for (ours, theirs) in match_one_to_one(name, &objects, &expected(&case.golden), selection) {
        assert_eq!(
            found[ours].level, levels[theirs],
            "{name}: {:?}",
            found[ours]
        );
    }
}

fn detections(case: &Case, gpu: Option<Arc<Gpu>>, precision: Precision) -> Vec<Detection> {
    let builder = Detector::builder(case.checkpoint()).max_size(case.side);
    let detector = builder.gpu(gpu).precision(precision).build();
    let detector = detector.expect("seeded weights fit");
    let picture = DynamicImage::ImageRgba8(case.picture());
    let detections = detector.detect(&picture).expect("the picture suits");
    detections.items
}

/// What PyTorch found.
fn expected(golden: &TensorFile) -> Vec<Object> {
    let found = golden.boxes("boxes").into_iter();
    let found = found.zip(golden.floats("scores"));
    found
        .zip(golden.counts("labels"))
        .map(|((bbox, score), class)| Object {
            bbox,
            label: label(class),
            score,
        })
        .collect()
}

/// A shared photograph, what is expected of it, and NanoDet-Plus-m's own weights.
struct Photo {
    picture: RgbaImage,
    expected: Value,
    checkpoint: Checkpoint,
}

impl Photo {
    /// None where a file is missing.
    fn open(name: &str) -> Option<Self> {
        let picture = shared(&format!("photos/{name}.png"))?;
        let expected = shared(&format!("vectors/nanodet_plus_m_{name}.json"))?;
        let expected = std::fs::read(expected).expect("it is there");
        Some(Self {
            picture: image::open(picture).expect("a picture").to_rgba8(),
            expected: serde_json::from_slice(&expected).expect("JSON"),
            checkpoint: open(shared("weights/nanodet_plus_m_416.pth")?),
        })
    }

    fn detect(&self, gpu: Option<Arc<Gpu>>) -> Detections {
        let builder = Detector::builder(self.checkpoint.clone()).architecture(PLUS_M_416);
        let detector = builder.gpu(gpu).build().expect("the checkpoint fits");
        let picture = DynamicImage::ImageRgba8(self.picture.clone());
        detector.detect(&picture).expect("the picture suits")
    }
}

fn open(path: PathBuf) -> Checkpoint {
    Checkpoint::open(&path).expect("a PyTorch file")
}

fn floats(value: &Value) -> Vec<f32> {
    serde_json::from_value(value.clone()).expect("a list of numbers")
}

fn check_photo(name: &str, gpu: Option<Arc<Gpu>>) {
    let Some(photo) = Photo::open(name) else {
        return;
    };
    let listed = photo.expected["detections"].as_array().expect("a list");
    let expected: Vec<Object> = listed
        .iter()
        .map(|object| Object {
            bbox: floats(&object["box"]).try_into().expect("four sides"),
            label: label(object["label"].as_u64().expect("a class") as usize),
            score: object["score"].as_f64().expect("a number") as f32,
        })
        .collect();
    let found = photo.detect(gpu).items;
    let objects: Vec<Object> = found.iter().map(Object::from).collect();
    let selection = PLUS_M_416.selection().expect("it is a detector");
    let pairs = match_one_to_one(name, &objects, &expected, selection);
    assert_eq!((pairs.len(), listed.len()), (100, 100), "{name}");
    for (ours, theirs) in pairs {
        assert_eq!(found[ours].name, listed[theirs]["name"], "{name}");
    }
    let seen: &[&str] = match name {
        "astronaut" => &["person"],
        "chelsea" => &["cat"],
        _ => &["cup", "dining table"],
    };
    // What the authors' demonstration draws.
    let drawn = found.iter().filter(|object| object.score > 0.35);
    let drawn: Vec<&str> = drawn.map(|object| &*object.name).collect();
    for name in seen {
        assert!(drawn.contains(name), "{name} is not among {drawn:?}");
    }
}

/// Each stage against a few of its numbers.
fn check_probes(name: &str) {
    let Some(photo) = Photo::open(name) else {
        return;
    };
    let config = ModelConfig::of(PLUS_M_416);
    let model = loaded(&config, &photo.checkpoint);
    let transform = config.transform();
    let (width, height) = photo.picture.dimensions();
    let frame = transform.frame([height as usize, width as usize]);
    let image = transform.apply(&photo.picture, &frame, &Device::flex());
    for (stage, map) in stages(&model, image) {
        let probe = match stage.as_str() {
            "image" => &photo.expected["probes"]["input"],
            stage => &photo.expected["probes"][stage],
        };
        let [_, channels, height, width] = map.dims();
        let shape: Vec<usize> = serde_json::from_value(probe["shape"].clone()).expect("sides");
        assert_eq!([channels, height, width], *shape, "{name} {stage}");
        let values: Vec<f32> = map.into_data().try_to_vec().expect("f32");
        let largest = probe["absmax"].as_f64().expect("a number") as f32;
        let is_near = |what: &str, found: f32, expected: f32| {
            let off = (found - expected).abs() / largest;
            assert!(
                off <= 1e-5,
                "{name} {stage} {what}: {found}, not {expected}"
            );
        };
        let found = values
            .iter()
            .fold(0.0_f32, |most, value| most.max(value.abs()));
        is_near("absmax", found, largest);
        let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / values.len() as f64;
        is_near(
            "mean",
            mean as f32,
            probe["mean"].as_f64().expect("a number") as f32,
        );
        let places = [
            ("top_left", 0),
            ("centre", height / 2 * width + width / 2),
            ("bottom_right", height * width - 1),
        ];
        for (place, cell) in places {
            for (channel, expected) in floats(&probe[place]).into_iter().enumerate() {
                is_near(place, values[channel * height * width + cell], expected);
            }
        }
    }
}

#[test]
fn the_numbers_of_parameters_are_the_published_ones() {
    for (architecture, count) in [
        (PLUS_M_320, 1_197_924),
        (PLUS_M_416, 1_197_924),
        (M_320, 950_036),
        (M_416, 950_036),
    ] {
        let found = parameter_count(&ModelConfig::of(architecture));
        assert_eq!(found, count, "{architecture}");
    }
}

#[test]
fn state_dicts_fit_without_what_only_training_uses() {
    let cases: [(&str, Architecture, usize); 2] =
        [("nanodet_plus_m", PLUS_M_416, 1), ("nanodet_m", M_320, 7)];
    for (list, architecture, unused) in cases {
        let Some(published) = state_dict(list) else {
            return;
        };
        let config = ModelConfig::of(architecture);
        let fit = of_shapes(published.clone());
        let fit = fit.in_layout_of(architecture).expect("keys are told apart");
        assert_eq!(shapes(&fit), shapes(&weights::seeded(&config, 1)), "{list}");
        assert_eq!(published.len() - fit.tensors.len(), unused, "{list}");
    }
}

#[test]
fn classes_are_as_many_as_the_checkpoint_has() {
    let config = ModelConfig {
        classes: 8,
        ..ModelConfig::of(PLUS_M_320)
    };
    let checkpoint = weights::seeded(&config, 1);
    let detector = Detector::builder(checkpoint).build().expect("it fits");
    assert_eq!(detector.config().classes, 8);
    assert_eq!(detector.class_names()[7], "class 7");
}

#[test]
fn a_square_has_one_side() {
    let checkpoint = weights::seeded(&ModelConfig::of(PLUS_M_320), 1);
    let builder = || Detector::builder(checkpoint.clone());
    let error = builder().min_size(320).max_size(416).build();
    let error = error.expect_err("two sides were told").to_string();
    let sentence =
        "max_size is 416: expected 320, as the other: this model brings pictures into a square";
    assert_eq!(error, sentence);
    let picture = DynamicImage::ImageRgba8(weights::picture(1, 80, 60));
    let found = |builder: DetectorBuilder| {
        let detector = builder.build().expect("it is sound");
        detector.detect(&picture).expect("the picture suits")
    };
    let one = found(builder().max_size(64));
    assert_eq!(found(builder().min_size(64)), one);
    assert_eq!(found(builder().min_size(64).max_size(64)), one);
    assert_ne!(found(builder().max_size(96)), one);
}

/// The older model finds what is there, too; its preprocessing and decoding are compared above.
#[test]
fn nanodet_m_sees_what_is_in_the_photographs() {
    for (photo, name) in [
        ("astronaut", "person"),
        ("chelsea", "cat"),
        ("coffee", "cup"),
    ] {
        let path = shared(&format!("photos/{photo}.png"));
        let (Some(path), Some(weights)) = (path, shared("weights/nanodet_m_320.pth")) else {
            return;
        };
        let builder = Detector::builder(open(weights)).architecture(M_320);
        let detector = builder.build().expect("the checkpoint fits");
        let found = detector.detect(&image::open(path).expect("a picture"));
        let found = found.expect("the picture suits").items;
        println!("{photo}: {:?}", &found[0]);
        let mut drawn = found.iter().filter(|object| object.score > 0.35);
        assert!(drawn.any(|object| object.name == name), "{photo}");
    }
}
