//! The trained face detector on photographs, both of them kept beside the checkout.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;

use crate::folder::Folder;

const CHECKPOINT: &str = "weights/retinaface_mobilenet025.pth";

/// Files of the folder beside the checkout; where one is missing, the output says so.
fn shared<const N: usize>(names: [&str; N]) -> Option<[PathBuf; N]> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let files = names.map(|name| folder.join(name));
    match files.iter().find(|file| !file.is_file()) {
        None => Some(files),
        Some(missing) => {
            eprintln!("not run: {} is missing", missing.display());
            None
        }
    }
}

/// The images of the report of `fpn detect` on `photos`.
fn images(mut detect: Command, photos: &[PathBuf]) -> Vec<Value> {
    let output = detect
        .args(["--device", "cpu", "--json", "-"])
        .args(photos)
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    report["images"].as_array().expect("a list").clone()
}

fn numbers(value: &Value) -> Vec<f64> {
    let list = value.as_array().expect("a list").iter();
    list.map(|number| number.as_f64().expect("a number"))
        .collect()
}

#[test]
fn the_astronaut_has_one_face_the_cat_and_the_coffee_have_none() {
    let photos = [
        "photos/astronaut.png",
        "photos/chelsea.png",
        "photos/coffee.png",
    ];
    let (Some([checkpoint]), Some(photos)) = (shared([CHECKPOINT]), shared(photos)) else {
        return;
    };
    let folder = Folder::new();
    let mut detect = folder.fpn("detect --model retinaface_mobilenet025 --score 0.5 --weights");
    detect.arg(checkpoint);
    let images = images(detect, &photos);

    let [face] = images[0]["detections"]
        .as_array()
        .expect("a list")
        .as_slice()
    else {
        panic!("one face: {}", images[0]);
    };
    assert!(face["score"].as_f64() >= Some(0.999), "{face}");
    let expected = [176.36, 56.27, 273.38, 178.52];
    for (found, expected) in numbers(&face["box"]).iter().zip(expected) {
        assert!((found - expected).abs() < 0.1, "{face}");
    }
    for image in &images[1..] {
        assert_eq!(image["detections"], Value::Array(Vec::new()), "{image}");
    }
}

#[test]
fn a_converted_checkpoint_finds_the_same_and_a_halved_one_nearly() {
    let Some([checkpoint, photo]) = shared([CHECKPOINT, "photos/astronaut.png"]) else {
        return;
    };
    let folder = Folder::new();
    for (output, f16) in [("full.safetensors", ""), ("half.safetensors", "--f16")] {
        let mut convert = folder.fpn("convert");
        convert.arg(&checkpoint).arg(output);
        convert.args(["--model", "retinaface_mobilenet025"]);
        convert.args(f16.split_whitespace()).assert().success();
    }
    let size = |name: &str| folder.read(name).len();
    assert!(size("half.safetensors") * 10 < size("full.safetensors") * 6);

    let mut original = folder.fpn("detect --model retinaface_mobilenet025 --weights");
    original.arg(&checkpoint);
    let photos = [photo];
    let original = images(original, &photos);
    let full = images(folder.fpn("detect --weights full.safetensors"), &photos);
    let half = images(folder.fpn("detect --weights half.safetensors"), &photos);
    assert_eq!(full, original);

    let [full, half] = [full, half].map(|images| images[0]["detections"][0].clone());
    for (full, half) in numbers(&full["box"]).iter().zip(numbers(&half["box"])) {
        assert!((full - half).abs() < 0.5, "{full} and {half}");
    }
    let [full, half] = [full, half].map(|face| face["score"].as_f64().expect("a number"));
    assert!((full - half).abs() < 1e-3, "{full} and {half}");
}
