//! Checkpoints that are broken, hostile, or another model's.

use serde_json::json;

use crate::files::{Parts, with_header, with_header_length};
use crate::folder::{Folder, assert_fails, assert_misused};

/// A checkpoint with something wrong gives a sentence, and no file of those that were asked for.
#[track_caller]
fn assert_refused(folder: &Folder, checkpoint: &str, sentence: &str) {
    let before = folder.files();
    let model = "--model retinaface_mobilenet025";
    let outputs = "--json o.json --coco c.json --out o.png --pyramid s.png";
    let sentence = format!("{checkpoint} {sentence}");
    assert_fails(
        folder.fpn(&format!(
            "detect a.png --device cpu --weights {checkpoint} {model} {outputs}"
        )),
        &sentence,
    );
    assert_fails(
        folder.fpn(&format!("convert {checkpoint} o.safetensors {model}")),
        &sentence,
    );
    assert_eq!(folder.files(), before);
}

/// A folder with a picture, to look at in vain.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.picture("a.png", 48, 48);
    folder
}

#[test]
fn files_that_are_no_checkpoints() {
    let folder = folder();
    let unknown = "is no checkpoint: expected a PyTorch file (zip or pickle) or safetensors";
    folder.write("empty.pth", b"");
    folder.write("text.pth", b"<html>404 Not Found</html>");
    folder.write("start.safetensors", b"\x80\x01\0");
    assert_refused(&folder, "empty.pth", "is empty");
    assert_refused(&folder, "text.pth", unknown);
    assert_refused(&folder, "a.png", unknown);
    std::fs::create_dir(folder.path("folder")).expect("a new folder");
    for name in ["gone.pth", "folder"] {
        let reason = std::fs::read(folder.path(name)).expect_err("it is no file");
        assert_refused(&folder, name, &format!("cannot be read: {reason}"));
    }
}

#[test]
fn pytorch_files_that_hold_no_state_dict() {
    let folder = folder();
    let broken = "is no readable PyTorch checkpoint";
    // The end of a central directory, with nothing before it.
    folder.write(
        "nothing.zip",
        &[b"PK\x05\x06".as_slice(), &[0; 18]].concat(),
    );
    folder.write("cut.zip", b"PK\x03\x04\x14\0\0\0\0\0");
    folder.write("cut.pth", b"\x80\x02}q\0(X\x10\0\0\0body");
    folder.write("list.pth", b"\x80\x02].");
    for (name, reason) in [
        (
            "nothing.zip",
            "No data.pkl entry found in ZIP archive. Expected a PyTorch 1.6+ checkpoint",
        ),
        (
            "cut.zip",
            "its archive is cut short or broken: invalid Zip archive: Could not find EOCD",
        ),
        ("cut.pth", "it is cut short"),
        (
            "list.pth",
            "Expected a dictionary at the root of the PyTorch file, found list",
        ),
    ] {
        assert_refused(&folder, name, &format!("{broken}: {reason}"));
    }
}

#[test]
fn a_pickle_that_calls_the_shell_is_not_executed() {
    let folder = folder();
    let harm = folder.path("harm");
    // GLOBAL posix.system, MARK, the command, TUPLE, REDUCE.
    let call = format!("cposix\nsystem\n(Vtouch {}\ntR", harm.display());
    let proto = b"\x80\x02".as_slice();
    folder.write("root.pth", &[proto, call.as_bytes(), b"."].concat());
    folder.write(
        "within.pth",
        &[proto, b"}X\x04\0\0\0body", call.as_bytes(), b"s."].concat(),
    );
    assert_refused(
        &folder,
        "root.pth",
        "is no readable PyTorch checkpoint: \
         Expected a dictionary at the root of the PyTorch file, found posix.system",
    );
    assert_refused(
        &folder,
        "within.pth",
        "does not fit retinaface_mobilenet025: 253 missing tensors \
         ('BboxHead.0.conv1x1.bias', 'BboxHead.0.conv1x1.weight', 'BboxHead.1.conv1x1.bias', …)",
    );
    assert!(!harm.exists());
}

/// Beside tensors, of which there are none here, a C4 model's file says how RoIs were cropped.
#[test]
fn another_pooling_than_ours_is_told() {
    let folder = folder();
    for (mode, told) in [("align", true), ("pool", false)] {
        let name = format!("{mode}.pth");
        let entry = [b"X\x0c\0\0\0pooling_modeX", [mode.len() as u8].as_slice()].concat();
        let pickle = [b"\x80\x02}", &*entry, b"\0\0\0", mode.as_bytes(), b"s."].concat();
        folder.write(&name, &pickle);
        let arguments = format!("detect a.png --model fasterrcnn_c4_resnet50 --weights {name}");
        let sentence =
            format!("{name} was trained with pooling_mode '{mode}': RoIPool is used instead\n");
        let mut command = folder.fpn(&arguments);
        let assert = command.assert().code(1);
        let said = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        assert_eq!(said.contains(&sentence), told, "{said}");
        assert!(
            said.contains("tensor 'RCNN_cls_score.bias' is missing"),
            "{said}"
        );
    }
}

#[test]
fn safetensors_files_that_lie() {
    let folder = folder();
    let broken = "is no readable safetensors file";
    let whole = folder.read("weights.safetensors");
    let length = whole.len();
    folder.write("cut.safetensors", &whole[..length - 1]);
    folder.write("long.safetensors", &[&whole, b"more".as_slice()].concat());
    folder.write("header.safetensors", &whole[..1000]);
    folder.write("exabytes.safetensors", &with_header_length(&whole, 1 << 62));
    let header = u64::from_le_bytes(*whole.first_chunk().expect("a length"));
    for (name, reason) in [
        (
            "cut.safetensors",
            format!(
                "its tensors do not end where the file does, at {} bytes: is it cut short?",
                length - 1
            ),
        ),
        (
            "long.safetensors",
            format!(
                "its tensors do not end where the file does, at {} bytes: is it cut short?",
                length + 4
            ),
        ),
        (
            "header.safetensors",
            format!("its header claims {header} bytes, but the file has 1000"),
        ),
        (
            "exabytes.safetensors",
            format!("its header claims 4611686018427387904 bytes, but the file has {length}"),
        ),
    ] {
        assert_refused(&folder, name, &format!("{broken}: {reason}"));
    }

    let key = "ClassHead.0.conv1x1.bias";
    for (name, field, numbers, reason) in [
        (
            "far",
            "data_offsets",
            [0, 1 << 60],
            "invalid offset for tensor `ClassHead.0.conv1x1.bias`",
        ),
        (
            "few",
            "shape",
            [2, 1],
            "the offsets of a tensor do not match its shape and type",
        ),
        (
            "vast",
            "shape",
            [1 << 40, 1 << 40],
            "overflow computing buffer size from shape and/or element type",
        ),
    ] {
        let numbers: [u64; 2] = numbers;
        let lying = with_header(&whole, |header| header[key][field] = json!(numbers));
        folder.write(name, &lying);
        assert_refused(&folder, name, &format!("{broken}: {reason}"));
    }
}

#[test]
fn tensors_must_be_those_of_the_model() {
    let folder = folder();
    let whole = folder.read("weights.safetensors");
    let changed = |change: &dyn Fn(&mut Parts)| {
        let mut parts = Parts::of(&whole);
        change(&mut parts);
        parts.to_bytes()
    };
    let key = "ClassHead.0.conv1x1.bias";
    let first_value =
        |value: f32| changed(&|parts| parts.tensors.get_mut(key).expect("a head").1[0] = value);
    for (name, bytes, sentence) in [
        (
            "missing",
            changed(&|parts| drop(parts.tensors.remove(key))),
            format!("does not fit retinaface_mobilenet025: 1 missing tensor ('{key}')"),
        ),
        (
            "surplus",
            changed(&|parts| drop(parts.tensors.insert("extra".into(), (vec![1], vec![0.0])))),
            "does not fit retinaface_mobilenet025: 1 unexpected tensor ('extra')".to_owned(),
        ),
        (
            "misshapen",
            changed(&|parts| parts.tensors.get_mut(key).expect("a head").0 = vec![2, 2]),
            format!(
                "does not fit retinaface_mobilenet025: \
                 1 misshapen tensor ('{key}' has shape [2, 2], expected [4])"
            ),
        ),
        (
            "renamed",
            changed(&|parts| {
                let tensor = parts.tensors.remove(key).expect("a head");
                parts.tensors.insert("head".into(), tensor);
            }),
            format!(
                "does not fit retinaface_mobilenet025: \
                 1 missing tensor ('{key}'); 1 unexpected tensor ('head')"
            ),
        ),
        (
            "nan",
            first_value(f32::NAN),
            format!("holds NaN in tensor '{key}': expected finite numbers"),
        ),
        (
            "infinite",
            first_value(f32::NEG_INFINITY),
            format!("holds -inf in tensor '{key}': expected finite numbers"),
        ),
        (
            "integers",
            with_header(&whole, |header| header[key]["dtype"] = "I32".into()),
            format!("holds tensor '{key}' as i32: expected f16, bf16, f32 or f64"),
        ),
    ] {
        folder.write(name, &bytes);
        assert_refused(&folder, name, &sentence);
    }
}

#[test]
fn a_checkpoint_of_another_model_is_refused() {
    let folder = folder();
    let whole = folder.read("weights.safetensors");
    let untold = Parts {
        metadata: Default::default(),
        ..Parts::of(&whole)
    };
    folder.write("untold.safetensors", &untold.to_bytes());
    for (checkpoint, model, sentence) in [
        (
            "weights.safetensors",
            "fasterrcnn_resnet50_fpn",
            "weights.safetensors says it is for retinaface_mobilenet025, \
             not for --model fasterrcnn_resnet50_fpn",
        ),
        (
            "untold.safetensors",
            "fasterrcnn_resnet50_fpn",
            "untold.safetensors does not fit fasterrcnn_resnet50_fpn: \
             tensor 'roi_heads.box_predictor.cls_score.bias' is missing; \
             it fits --model retinaface_mobilenet025",
        ),
    ] {
        let detect = format!("detect a.png --device cpu --weights {checkpoint} --model {model}");
        assert_fails(folder.fpn(&detect), sentence);
    }
    assert_misused(
        folder.fpn("detect a.png --device cpu --weights untold.safetensors"),
        "untold.safetensors does not say which model it is for: give --model, one of retinaface_mobilenet025",
    );
}

#[test]
fn metadata_must_be_as_they_are_written() {
    let folder = folder();
    let whole = folder.read("weights.safetensors");
    for (key, value, sentence) in [
        (
            "fpn.model",
            "yolo",
            "has metadata 'fpn.model' that is not the name of a model: 'yolo'",
        ),
        (
            "fpn.bn_eps",
            "-1",
            "has metadata 'fpn.bn_eps' that is not a number of 0 or more: '-1'",
        ),
        (
            "fpn.class_names",
            "face",
            "has metadata 'fpn.class_names' that is not a JSON list of strings: 'face'",
        ),
        (
            "fpn.class_names",
            r#"["a","b","c"]"#,
            "names 3 classes: expected 2, or one less without the background",
        ),
    ] {
        let wrong = with_header(&whole, |header| header["__metadata__"][key] = value.into());
        folder.write("wrong", &wrong);
        assert_refused(&folder, "wrong", sentence);
    }
}
