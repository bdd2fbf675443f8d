//! The same weights from files of every format and layout.

use std::fs;

use fpn_wgpu::models::faster_rcnn::RESNET18_FPN;
use fpn_wgpu::models::retinaface::MOBILENET025;
use fpn_wgpu::models::{ModelConfig, StrideIn};
use fpn_wgpu::weights::{self, Checkpoint, Metadata};
use fpn_wgpu::{Detections, Detector};
use half::{bf16, f16};
use safetensors::tensor::{Dtype, TensorView};

use crate::files::{Parts, retinaface, with_header};
use crate::pytorch::{StateDict, legacy, zipped};

/// The checkpoint in a file of these bytes.
pub fn open(bytes: &[u8]) -> Result<Checkpoint, weights::WeightsError> {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(&file, bytes).expect("it can be written");
    Checkpoint::open(file.path())
}

/// All tensors, read.
fn tensors(checkpoint: &Checkpoint) -> StateDict {
    let tensors = checkpoint.tensors.iter().map(|(key, tensor)| {
        let values = tensor.read().expect("it can be read");
        (key.clone(), (tensor.shape.clone(), values))
    });
    tensors.collect()
}

fn detections(checkpoint: Checkpoint) -> Detections {
    let detector = Detector::builder(checkpoint)
        .architecture(MOBILENET025)
        .build()
        .expect("the checkpoint fits");
    let picture = weights::picture(3, 80, 64).into();
    detector.detect(&picture).expect("the weights are sound")
}

#[test]
fn what_is_written_is_what_is_read() {
    let config = ModelConfig::of(MOBILENET025);
    let mut seeded = weights::seeded(&config, 1);
    seeded.metadata = Metadata {
        architecture: Some(config.architecture),
        class_names: Some(vec!["fond".to_owned(), "\"visage\"\n".to_owned()]),
        bn_eps: Some(0.1 + 0.2),
        stride_in: Some(StrideIn::First),
        ..Metadata::default()
    };
    let written = open(&seeded.to_safetensors(false).expect("it can be written"));
    let written = written.expect("it can be read");
    assert_eq!(written.metadata, seeded.metadata);
    assert_eq!(tensors(&written), tensors(&seeded));

    // This model has no bottlenecks that could have a stride.
    let without = |checkpoint: Checkpoint| Checkpoint {
        metadata: Metadata {
            stride_in: None,
            ..checkpoint.metadata.clone()
        },
        ..checkpoint
    };
    let found = detections(without(written));
    assert!(!found.items.is_empty());
    assert_eq!(found, detections(without(seeded)));
}

#[test]
fn halving_rounds_the_weights_of_layers_and_nothing_else() {
    let config = ModelConfig::of(MOBILENET025);
    let seeded = weights::seeded(&config, 1);
    let bytes = seeded.to_safetensors(true).expect("it can be written");
    let halved = tensors(&open(&bytes).expect("it can be read"));
    for (key, (shape, values)) in tensors(&seeded) {
        let expected = match shape.len() {
            1 => values,
            _ => values.iter().map(|&v| f16::from_f32(v).to_f32()).collect(),
        };
        assert_eq!(halved[&key], (shape, expected), "{key}");
    }
}

#[test]
fn numbers_of_every_width_are_read() {
    let values = [0.5_f32, -2.0, 65504.0];
    let bytes: [(&str, Dtype, Vec<u8>); 4] = [
        (
            "f16",
            Dtype::F16,
            values
                .iter()
                .flat_map(|&v| f16::from_f32(v).to_le_bytes())
                .collect(),
        ),
        (
            "bf16",
            Dtype::BF16,
            // 65504 has no bf16.
            [0.5, -2.0, 65280.0]
                .iter()
                .flat_map(|&v| bf16::from_f32(v).to_le_bytes())
                .collect(),
        ),
        (
            "f32",
            Dtype::F32,
            values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ),
        (
            "f64",
            Dtype::F64,
            values
                .iter()
                .flat_map(|&v| f64::from(v).to_le_bytes())
                .collect(),
        ),
    ];
    let views = bytes.iter().map(|(key, dtype, bytes)| {
        let view = TensorView::new(*dtype, vec![3], bytes);
        (*key, view.expect("the bytes are those of the shape"))
    });
    let file = safetensors::serialize(views, None).expect("it can be written");
    let found = tensors(&open(&file).expect("it can be read"));
    for key in ["f16", "f32", "f64"] {
        assert_eq!(found[key].1, values, "{key}");
    }
    assert_eq!(found["bf16"].1, [0.5, -2.0, 65280.0]);
}

#[test]
fn pytorch_files_of_both_formats_hold_the_same() {
    let expected = Parts::of(&retinaface()).tensors;
    for (format, bytes) in [
        ("zip", zipped(&expected, None)),
        ("legacy", legacy(&expected)),
        // Beside other things, which are passed over.
        ("model", zipped(&expected, Some("model"))),
        ("state_dict", zipped(&expected, Some("state_dict"))),
    ] {
        let checkpoint = open(&bytes).expect("it can be read");
        let is_wrapped = ["model", "state_dict"].contains(&format);
        let told = Metadata {
            pooling_mode: is_wrapped.then(|| "align".to_owned()),
            ..Metadata::default()
        };
        assert_eq!(checkpoint.metadata, told);
        assert_eq!(tensors(&checkpoint), expected, "{format}");
        weights::load(&ModelConfig::of(MOBILENET025), &checkpoint).expect("it fits");
    }
}

#[test]
fn prefixes_and_counters_of_training_are_left_out() {
    let whole = retinaface();
    let expected = Parts::of(&whole).tensors;
    let mut parallel = Parts::of(&whole);
    parallel.tensors = expected
        .iter()
        .map(|(key, tensor)| (format!("module.{key}"), tensor.clone()))
        .collect();
    let counter = "module.ssh1.conv3X3.1.num_batches_tracked";
    parallel
        .tensors
        .insert(counter.to_owned(), (Vec::new(), vec![7.0]));
    // PyTorch counts in integers.
    let file = with_header(&parallel.to_bytes(), |header| {
        header[counter]["dtype"] = "I32".into();
    });
    assert_eq!(tensors(&open(&file).expect("it can be read")), expected);

    let wrapped = zipped(&parallel.tensors, Some("state_dict"));
    let wrapped = open(&wrapped).expect("it can be read");
    assert_eq!(tensors(&wrapped), expected);
}

/// A key as torchvision 0.13 and later write it.
fn newer_layout(key: &str) -> String {
    let (module, leaf) = key.rsplit_once('.').expect("a module and its parameter");
    match module {
        "rpn.head.conv" => format!("rpn.head.conv.0.0.{leaf}"),
        _ if module.starts_with("backbone.fpn.") => format!("{module}.0.{leaf}"),
        _ => key.to_owned(),
    }
}

/// Seeded weights of a model of torchvision's, and the same in the newer layout.
fn in_both_layouts() -> (ModelConfig, Checkpoint, Checkpoint) {
    let config = ModelConfig {
        classes: 3,
        ..ModelConfig::of(RESNET18_FPN)
    };
    let older = weights::seeded(&config, 1);
    let mut newer = older.clone();
    newer.tensors = older
        .tensors
        .iter()
        .map(|(key, tensor)| (newer_layout(key), tensor.clone()))
        .collect();
    (config, older, newer)
}

#[test]
fn both_layouts_of_torchvision_are_one() {
    let (config, older, newer) = in_both_layouts();
    // Eight convolutions in the pyramid and one in the RPN, each with weight and bias.
    let renamed = |key: &&String| !older.tensors.contains_key(*key);
    assert_eq!(newer.tensors.keys().filter(renamed).count(), 18);

    for written in [&older, &newer] {
        let file = written.to_safetensors(false).expect("it can be written");
        let read = Checkpoint::from_safetensors(file).expect("it can be read");
        assert!(read.tensors.keys().eq(written.tensors.keys()));
        let same = read.in_layout_of(config.architecture);
        let same = same.expect("nothing is there twice");
        assert!(same.tensors.keys().eq(older.tensors.keys()));
        let classes = weights::class_count(&read, config.architecture);
        assert_eq!(classes.expect("the classifier is there"), 3);
        weights::load(&config, &read).expect("it fits");
        Detector::builder(read).build().expect("it fits");
    }
}

#[test]
fn a_tensor_in_both_layouts_is_refused() {
    let (config, older, newer) = in_both_layouts();
    let key = "rpn.head.conv.weight";
    let mut both = newer;
    let tensor = older.tensors[key].clone();
    both.tensors.insert(key.to_owned(), tensor);
    let file = both.to_safetensors(false).expect("it can be written");
    let read = open(&file).expect("what its keys mean is another's to say");
    let said =
        format!("holds tensor '{key}' twice, once by that key and once by another that means it");
    let loaded = weights::load(&config, &read).expect_err("it is refused");
    assert_eq!(loaded.to_string(), said);
    let built = Detector::builder(read).build().expect_err("it is refused");
    assert_eq!(built.to_string(), format!("the checkpoint {said}"));
}

/// What one architecture's files call a tensor may be another tensor in another's.
#[test]
fn a_layout_is_that_of_its_own_models() {
    let mut parts = Parts::of(&retinaface());
    let key = "rpn.head.conv.0.0.weight";
    parts.tensors.insert(key.to_owned(), (vec![1], vec![0.0]));
    let read = open(&parts.to_bytes()).expect("it can be read");
    let same = read.in_layout_of(MOBILENET025);
    let same = same.expect("nothing is there twice");
    assert!(same.tensors.keys().eq(parts.tensors.keys()));
    let loaded = weights::load(&ModelConfig::of(MOBILENET025), &read);
    assert_eq!(
        loaded.expect_err("it does not fit").to_string(),
        format!("does not fit retinaface_mobilenet025: 1 unexpected tensor ('{key}')")
    );
}
