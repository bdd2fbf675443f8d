//! `fpn eval`: that it measures what it is given, not how good a detector is.

use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;

use crate::folder::{Folder, assert_fails, assert_misused};

const EVAL: &str = "eval --weights weights.safetensors --device cpu --data";

const FIGURES: [&str; 8] = [
    "ap",
    "ap50",
    "ap75",
    "ap_small",
    "ap_medium",
    "ap_large",
    "ar100",
    "voc_ap50",
];

/// A picture in Pascal VOC's format, with one object: 20 × 20 pixels.
fn annotated(folder: &Folder, id: &str, class: &str) {
    folder.picture(&format!("set/JPEGImages/{id}.jpg"), 96, 64);
    let annotation = format!(
        "<annotation><filename>{id}.jpg</filename>\
         <size><width>96</width><height>64</height><depth>3</depth></size>\
         <object><name>{class}</name><bndbox><xmin>11</xmin><ymin>11</ymin><xmax>30</xmax>\
         <ymax>30</ymax></bndbox></object></annotation>"
    );
    folder.write(&format!("set/Annotations/{id}.xml"), annotation.as_bytes());
}

fn metrics(json: &[u8]) -> Value {
    serde_json::from_slice(json).expect("JSON, nothing else")
}

#[test]
fn a_table_and_the_figures_of_a_set() {
    let folder = Folder::new();
    annotated(&folder, "a", "face");
    annotated(&folder, "b", "face");
    let table = contains("face")
        .and(contains("AP50"))
        .and(contains("AR100"));
    folder
        .fpn(&format!("{EVAL} voc:set --json metrics.json"))
        .assert()
        .success()
        .stdout(table);

    let metrics = metrics(&folder.read("metrics.json"));
    let mut keys: Vec<&String> = metrics.as_object().expect("an object").keys().collect();
    keys.sort();
    let mut expected = [FIGURES.as_slice(), &["classes"]].concat();
    expected.sort();
    assert_eq!(keys, expected);
    let classes = metrics["classes"].as_array().expect("a list");
    assert_eq!(classes.len(), 1);
    assert_eq!(classes[0]["name"], "face");
    assert_eq!(classes[0]["objects"], 2);
    for figure in FIGURES {
        let is_there = !["ap_medium", "ap_large"].contains(&figure);
        let value = metrics[figure].as_f64();
        assert_eq!(value.is_some(), is_there, "{figure}");
        assert!(value.is_none_or(|value| (0.0..=1.0).contains(&value)));
    }
}

#[test]
fn json_goes_to_standard_output_alone() {
    let folder = Folder::new();
    annotated(&folder, "a", "face");
    let ran = folder
        .fpn(&format!("{EVAL} voc:set --json -"))
        .assert()
        .success();
    assert_eq!(
        metrics(&ran.get_output().stdout)["classes"][0]["objects"],
        1
    );
}

/// Every class of the scenes is one of the built-in model's.
#[test]
fn the_weights_that_come_with_it_are_measured_by_scenes() {
    let folder = Folder::new();
    let ran = folder
        .fpn("eval --data scenes:1:2 --device cpu --json -")
        .assert()
        .success();
    let metrics = metrics(&ran.get_output().stdout);
    let ap50 = metrics["ap50"].as_f64().expect("scenes have objects");
    assert!(ap50 > 0.0, "the weights are trained");
}

#[test]
fn a_picture_that_cannot_be_read_is_left_out() {
    let folder = Folder::new();
    annotated(&folder, "a", "face");
    annotated(&folder, "b", "face");
    folder.write("set/JPEGImages/a.jpg", b"no picture");
    folder
        .fpn(&format!("{EVAL} voc:set --json metrics.json"))
        .assert()
        .code(1)
        .stdout(contains("face"))
        .stderr(contains("set/JPEGImages/a.jpg cannot be read").and(contains("1 failed, 1 done")));
    let metrics = metrics(&folder.read("metrics.json"));
    assert_eq!(metrics["classes"][0]["objects"], 1);

    folder.write("set/JPEGImages/b.jpg", b"no picture");
    folder
        .fpn(&format!("{EVAL} voc:set --json nothing.json"))
        .assert()
        .code(1)
        .stdout("");
    assert!(!folder.path("nothing.json").exists());
}

#[test]
fn what_cannot_be_measured_is_said_before_any_work() {
    let folder = Folder::new();
    annotated(&folder, "a", "face");
    annotated(&folder, "b", "unicorn");
    assert_fails(
        folder.fpn(&format!("{EVAL} voc:set")),
        "voc:set has classes that the model does not know: unicorn; it knows face",
    );
    annotated(&folder, "b", "face");
    assert_fails(
        folder.fpn(&format!("{EVAL} voc:set --json missing/metrics.json")),
        "missing/metrics.json cannot be written: its folder does not exist",
    );
    assert_fails(
        folder.fpn(&format!("{EVAL} set")),
        "'set' is no data set: expected voc:DIR[:SPLIT], coco:JSON:IMAGES, scenes:SEED[:COUNT] or small-scenes:SEED[:COUNT]",
    );
    assert_fails(
        folder.fpn(&format!("{EVAL} scenes:1:0")),
        "scenes:1:0 has no pictures",
    );
    assert_misused(
        folder.fpn(&format!("{EVAL} voc:set --json weights.safetensors")),
        "weights.safetensors would be overwritten",
    );
}
