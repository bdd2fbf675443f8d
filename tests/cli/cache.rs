//! What the command keeps of an adapter in the user's folder for caches: measured convolutions, and
//! compiled pipelines.

use std::fs;

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::{Value, json};

use crate::adapter::gpu;
use crate::folder::{Folder, assert_misused};

const TUNE: &str = "tune --device gpu --model retinaface_mobilenet025 --size 64x64";

/// Runs on the GPU and finds something, whatever was kept.
fn detect(folder: &Folder, arguments: &str) -> Command {
    folder.picture("a.png", 96, 64);
    folder.fpn(&format!(
        "detect a.png --weights weights.safetensors --device gpu --json - {arguments}"
    ))
}

/// What `fpn detect` prints.
fn report(folder: &Folder) -> Vec<u8> {
    let ran = detect(folder, "").assert().success();
    ran.stderr(contains("note:").not())
        .get_output()
        .stdout
        .clone()
}

/// Names of the kernels that `fpn bench` profiles; none where the adapter has no timestamps.
fn convolutions(folder: &Folder) -> Option<Vec<String>> {
    let bench = "bench --model retinaface_mobilenet025 --size 64x64 --device gpu --iterations 1";
    let ran = folder.fpn(&format!("{bench} --json -")).assert().success();
    let report: Value = serde_json::from_slice(&ran.get_output().stdout).expect("JSON");
    let steps = report["profile"]["steps"].as_array()?.iter();
    let kernels = steps.map(|step| step["kernel"].as_str().expect("a name").to_owned());
    Some(kernels.filter(|name| name.starts_with("conv ")).collect())
}

#[test]
fn what_was_measured_is_kept_and_used() {
    let folder = Folder::new();
    let table = contains("GFLOP/s")
        .and(contains("1×1 / 1 "))
        .and(contains("Kept for "))
        .and(contains("convolutions.json"));
    folder.fpn(TUNE).assert().success().stdout(table);
    let path = folder.kept("convolutions.json").expect("it was kept");
    let written = fs::read(&path).expect("a file");
    let mut tuned: Value = serde_json::from_slice(&written).expect("JSON");
    assert_eq!(tuned["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(tuned["table"]["adapter"], gpu().info().name);
    let rows = tuned["table"]["rows"].as_array_mut().expect("a list");
    assert!(rows.len() > 10, "{} convolutions", rows.len());
    for row in rows {
        let forms = row["forms"].as_object().expect("a map");
        let mut seconds = forms.values().map(|seconds| seconds.as_f64());
        assert!(seconds.all(|seconds| seconds > Some(0.0)), "{forms:?}");
        assert!(forms.contains_key("4×16"), "{forms:?}");
        // As if this form had been the only one.
        row["forms"] = json!({"4×16": 1.0});
        row["winograd"] = json!({});
    }
    let whole = tuned.clone();
    let keep = |tuned: &Value| fs::write(&path, tuned.to_string()).expect("it can be written");
    keep(&whole);
    let Some(kernels) = convolutions(&folder) else {
        eprintln!("not run: {} has no timestamps", gpu().info().name);
        return;
    };
    assert!(!kernels.is_empty());
    let is_used = |kernels: &[String]| kernels.iter().all(|name| name.contains(" 4×16"));
    assert!(is_used(&kernels), "{kernels:?}");

    // One of another version, driver or adapter is left aside, and so is what is none.
    for (field, value) in [("version", "0.0.0"), ("driver", "another 1.0")] {
        let mut other = whole.clone();
        other[field] = value.into();
        keep(&other);
        let kernels = convolutions(&folder).expect("there were timestamps before");
        assert!(!is_used(&kernels), "{field}: {kernels:?}");
    }
    let mut other = whole.clone();
    other["table"]["adapter"] = "another".into();
    let mut unknown = whole;
    unknown["table"]["rows"][0]["forms"] = json!({"5×17": 1.0});
    for broken in [&other.to_string(), &unknown.to_string(), "{", ""] {
        fs::write(&path, broken).expect("it can be written");
        assert!(!report(&folder).is_empty());
    }
}

#[test]
fn only_a_gpu_is_measured() {
    let folder = Folder::new();
    assert_misused(
        folder.fpn("tune --device cpu"),
        "--device cpu: only GPUs have convolutions to choose from",
    );
    assert_eq!(folder.kept("convolutions.json"), None);
}

#[test]
fn pipelines_are_kept_and_loaded() {
    let folder = Folder::new();
    let found = report(&folder);
    let Some(path) = folder.kept("pipelines.bin") else {
        eprintln!("not run: {} keeps no pipelines", gpu().info().name);
        return;
    };
    let kept = fs::read(&path).expect("a file");
    assert_eq!(report(&folder), found);
    assert_eq!(fs::read(&path).expect("a file"), kept);

    let mut altered = kept.clone();
    altered[kept.len() / 2] ^= 1;
    for broken in [&b"garbage"[..], &[], &kept[..kept.len() - 1], &altered] {
        fs::write(&path, broken).expect("it can be written");
        assert_eq!(report(&folder), found);
        assert_eq!(fs::read(&path).expect("a file").len(), kept.len());
    }
}

/// A file lies where the folder would be, which stops even root.
#[test]
fn nothing_fails_where_nothing_can_be_kept() {
    let folder = Folder::new();
    let found = report(&folder);
    let keeps = folder.kept("pipelines.bin").is_some();
    folder.write("file", b"");
    let unwritable = |mut command: Command| {
        let file = folder.path("file");
        command.env("XDG_CACHE_HOME", &file).env("HOME", &file);
        command.assert()
    };
    let note = contains("note: compiled pipelines are not kept: ").count(1);
    unwritable(detect(&folder, ""))
        .success()
        .stdout(found)
        .stderr(note.or(predicate::function(move |_: &str| !keeps)));
}
