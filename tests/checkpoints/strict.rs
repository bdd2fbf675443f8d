//! What is refused, and in which words; the file's name is the caller's to put in front.

use fpn_wgpu::models::ModelConfig;
use fpn_wgpu::models::faster_rcnn::{RESNET18_FPN, RESNET50_FPN};
use fpn_wgpu::models::retinaface::MOBILENET025;
use fpn_wgpu::weights::{self, Checkpoint};
use fpn_wgpu::{BuildError, Detector};

use crate::files::{Parts, retinaface, with_header, with_header_length};
use crate::origins::open;
use crate::pytorch::{StateDict, legacy, zipped};

/// Why a changed checkpoint does not fit its model.
fn misfit(change: impl FnOnce(&mut StateDict)) -> String {
    let mut parts = Parts::of(&retinaface());
    change(&mut parts.tensors);
    let checkpoint = Checkpoint::from_safetensors(parts.to_bytes()).expect("it can be read");
    let config = ModelConfig::of(MOBILENET025);
    let loaded = weights::load(&config, &checkpoint);
    loaded.expect_err("it does not fit").to_string()
}

#[test]
fn differences_are_counted_and_the_first_three_named() {
    let said = misfit(|tensors| {
        for level in 0..3 {
            let mut head = tensors.remove(&format!("BboxHead.{level}.conv1x1.bias"));
            let head = head.take().expect("a head");
            tensors.insert(format!("heads.{level}"), head);
        }
        let mut first = tensors.first_entry().expect("a tensor");
        first.get_mut().0.push(1);
        tensors.insert("zzz".to_owned(), (vec![0], Vec::new()));
    });
    assert_eq!(
        said,
        "does not fit retinaface_mobilenet025: \
         3 missing tensors ('BboxHead.0.conv1x1.bias', 'BboxHead.1.conv1x1.bias', \
         'BboxHead.2.conv1x1.bias'); \
         4 unexpected tensors ('heads.0', 'heads.1', 'heads.2', …); \
         1 misshapen tensor ('BboxHead.0.conv1x1.weight' has shape [8, 64, 1, 1, 1], \
         expected [8, 64, 1, 1])"
    );
}

#[test]
fn weights_must_be_finite() {
    for (value, name) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf")] {
        let said = misfit(|tensors| {
            let last = tensors.values_mut().last().expect("a tensor");
            *last.1.last_mut().expect("a value") = value;
        });
        assert!(
            said.starts_with(&format!("holds {name} in tensor '")),
            "{said}"
        );
    }
}

/// One would silently win over the other.
#[test]
fn two_keys_of_one_tensor_are_refused() {
    let mut parts = Parts::of(&retinaface());
    let head = parts.tensors["ClassHead.0.conv1x1.bias"].clone();
    parts
        .tensors
        .insert("module.ClassHead.0.conv1x1.bias".to_owned(), head);
    for file in [parts.to_bytes(), zipped(&parts.tensors, None)] {
        assert_eq!(
            open(&file).expect_err("it is refused").to_string(),
            "holds tensor 'ClassHead.0.conv1x1.bias' twice, \
             once by that key and once by another that means it"
        );
    }
}

/// A file of a few bytes can claim any number of classes, and each gets a name.
#[test]
fn classes_are_not_counted_without_end() {
    let key = "roi_heads.box_predictor.cls_score.bias";
    for (classes, shape) in [
        (2_000_000_000, "[2000000000]"),
        (10_001, "[10001]"),
        (1, "[1]"),
        (0, "[0]"),
    ] {
        let claim = StateDict::from([(key.to_owned(), (vec![classes], vec![0.0]))]);
        let checkpoint = open(&zipped(&claim, None)).expect("it can be read");
        let built = Detector::builder(checkpoint)
            .architecture(RESNET18_FPN)
            .build();
        assert_eq!(
            built.expect_err("it is refused").to_string(),
            format!(
                "the checkpoint does not fit fasterrcnn_resnet18_fpn: tensor '{key}' has shape \
                 {shape}, expected one value for each of 2 to 10000 classes"
            )
        );
    }
}

#[test]
fn metadata_that_are_wrong_are_quoted() {
    let whole = retinaface();
    for (key, value, expected) in [
        ("fpn.model", "yolo", "the name of a model"),
        ("fpn.bn_eps", "NaN", "a number of 0 or more"),
        ("fpn.bn_eps", "-1e-5", "a number of 0 or more"),
        ("fpn.bn_eps", "small", "a number of 0 or more"),
        ("fpn.class_names", "[1, 2]", "a JSON list of strings"),
        ("fpn.class_names", "face", "a JSON list of strings"),
    ] {
        let file = with_header(&whole, |header| header["__metadata__"][key] = value.into());
        assert_eq!(
            open(&file).expect_err("it is refused").to_string(),
            format!("has metadata '{key}' that is not {expected}: '{value}'")
        );
    }
    // Others' entries are theirs.
    let file = with_header(&whole, |header| {
        header["__metadata__"]["format"] = "pt".into();
    });
    let expected = open(&whole).expect("it can be read").metadata;
    assert_eq!(open(&file).expect("it can be read").metadata, expected);
}

#[test]
fn another_model_than_the_metadata_say_is_refused() {
    let built = Detector::builder(open(&retinaface()).expect("it can be read"))
        .architecture(RESNET50_FPN)
        .build();
    assert!(matches!(built, Err(BuildError::OtherArchitecture { .. })));
}

#[test]
fn claims_beyond_the_file_fail_at_once() {
    let whole = retinaface();
    for claimed in [1 << 30, 1 << 62, u64::MAX, u64::MAX - 8] {
        let said = open(&with_header_length(&whole, claimed)).expect_err("it is refused");
        assert_eq!(
            said.to_string(),
            format!(
                "is no readable safetensors file: its header claims {claimed} bytes, \
                 but the file has {}",
                whole.len()
            )
        );
    }

    // The storage says that it has two billion numbers; the file has one.
    let claim = StateDict::from([("weight".to_owned(), (vec![2_000_000_000], vec![0.0]))]);
    let zip = open(&zipped(&claim, None)).expect("what is claimed is not read yet");
    let said = zip.tensors["weight"].read().expect_err("it is not there");
    assert_eq!(
        said.to_string(),
        "holds a broken tensor 'weight': Tensor with shape [2000000000] requires 2000000000 \
         elements from storage '0', but only 1 are available"
    );
    assert_eq!(
        open(&legacy(&claim))
            .expect_err("it is refused")
            .to_string(),
        "is no readable PyTorch checkpoint: \
         storage '0' (8000000000 bytes) extends beyond the end of the file"
    );
}
