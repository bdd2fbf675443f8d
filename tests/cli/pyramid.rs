//! `fpn pyramid`, on the CPU engine, and models that find no objects.

use fpn_wgpu::models::ModelConfig;
use fpn_wgpu::weights;
use predicates::prelude::*;
use predicates::str::contains;

use crate::files::Parts;
use crate::folder::{Folder, assert_fails, assert_misused};

impl Folder {
    /// With seeded weights of a pyramid that has no detector: `fpn.safetensors`.
    fn with_pyramid() -> Self {
        let folder = Self::new();
        let architecture = "fpn_resnet50".parse().expect("the name is known");
        let checkpoint = weights::seeded(&ModelConfig::of(architecture), 1);
        let bytes = checkpoint.to_safetensors(false).expect("it can be written");
        folder.write("fpn.safetensors", &bytes);
        folder
    }

    fn pyramid(&self, arguments: &str) -> assert_cmd::Command {
        self.fpn(&format!("pyramid --device cpu {arguments}"))
    }
}

/// Names and shapes of a file's tensors.
fn shapes(folder: &Folder, name: &str) -> Vec<(String, Vec<usize>)> {
    let parts = Parts::of(&folder.read(name));
    let tensors = parts.tensors.into_iter();
    tensors.map(|(name, (shape, _))| (name, shape)).collect()
}

fn levels<const N: usize>(expected: [(&str, [usize; 3]); N]) -> Vec<(String, Vec<usize>)> {
    expected
        .map(|(name, [channels, height, width])| {
            (name.to_owned(), vec![1, channels, height, width])
        })
        .to_vec()
}

#[test]
fn every_kind_of_model_gives_its_levels_and_its_input() {
    let folder = Folder::with_pyramid();
    folder.picture("a.png", 97, 131);
    for (arguments, expected) in [
        (
            "--model fpn_resnet50 --weights fpn.safetensors",
            levels([
                ("P2", [256, 33, 25]),
                ("P3", [256, 17, 13]),
                ("P4", [256, 9, 7]),
                ("P5", [256, 5, 4]),
                ("input", [3, 131, 97]),
            ]),
        ),
        (
            "--weights weights.safetensors",
            levels([
                ("P3", [64, 17, 13]),
                ("P4", [64, 9, 7]),
                ("P5", [64, 5, 4]),
                ("input", [3, 131, 97]),
            ]),
        ),
        (
            "--min-size 64",
            levels([
                ("P2", [48, 24, 16]),
                ("P3", [48, 12, 8]),
                ("P4", [48, 6, 4]),
                ("P5", [48, 3, 2]),
                ("P6", [48, 2, 1]),
                ("input", [3, 96, 64]),
            ]),
        ),
    ] {
        let mut ran = folder.pyramid(&format!("a.png --out levels {arguments}"));
        ran.assert()
            .success()
            .stdout(contains("levels/a.safetensors: P"));
        assert_eq!(
            shapes(&folder, "levels/a.safetensors"),
            expected,
            "{arguments}"
        );
        let sheet = folder.decode("levels/a.png");
        assert!(sheet.width() > 400 && sheet.height() > 400, "{arguments}");
    }
}

#[test]
fn the_way_down_is_asked_for() {
    let folder = Folder::with_pyramid();
    folder.picture("a.png", 64, 48);
    let fpn = "a.png --model fpn_resnet50 --weights fpn.safetensors";
    let tensors = |arguments: &str, out: &str| {
        let mut ran = folder.pyramid(&format!("{fpn} --out {out} {arguments}"));
        ran.assert().success();
        Parts::of(&folder.read(&format!("{out}/a.safetensors"))).tensors
    };
    let usual = tensors("", "usual");
    assert_eq!(tensors("--top-down nearest", "nearest"), usual);
    let bilinear = tensors("--top-down bilinear", "bilinear");
    for (name, same) in [("input", true), ("P5", true), ("P4", false), ("P2", false)] {
        assert_eq!(bilinear[name] == usual[name], same, "{name}");
    }
    assert_misused(
        folder.pyramid("a.png --out o --top-down bilinear"),
        "--top-down is bilinear: expected nearest",
    );
    assert_misused(
        folder.pyramid(&format!("{fpn} --out o --top-down bicubic")),
        "invalid value 'bicubic' for '--top-down <HOW>'",
    );
    assert!(!folder.path("o").exists());
}

#[test]
fn a_bad_picture_does_not_stop_the_others() {
    let folder = Folder::new();
    folder.picture("in/a.png", 64, 48);
    folder.write("in/b.png", b"no picture");
    folder.picture("in/c.png", 48, 64);
    folder
        .pyramid("in --weights weights.safetensors --out o")
        .assert()
        .code(1)
        .stderr(contains("error: in/b.png").and(contains("1 failed, 2 done")));
    let written: Vec<String> = folder
        .files()
        .into_iter()
        .filter(|file| file.starts_with("o/"))
        .collect();
    let expected = ["o/a.png", "o/a.safetensors", "o/c.png", "o/c.safetensors"];
    assert_eq!(written, expected);

    // A file where a folder is expected, and no picture at all.
    folder.write("file", b"");
    folder
        .pyramid("in/a.png --weights weights.safetensors --out file")
        .assert()
        .code(1)
        .stderr(contains("error: folder file cannot be made"));
    folder
        .pyramid("gone.png --weights weights.safetensors --out o")
        .assert()
        .code(1)
        .stderr(contains("gone.png"));
}

/// The sheet of a picture must not take the picture's place.
#[test]
fn no_input_is_overwritten() {
    let folder = Folder::new();
    folder.picture("a.png", 64, 48);
    let before = folder.read("a.png");
    assert_misused(
        folder.pyramid("a.png --weights weights.safetensors --out ."),
        "./a.png would be overwritten",
    );
    assert_eq!(folder.read("a.png"), before);
}

#[test]
fn nothing_is_detected_without_a_detector() {
    let folder = Folder::with_pyramid();
    folder.picture("a.png", 64, 48);
    assert_misused(
        folder.fpn("detect a.png --model fpn_resnet50 --weights fpn.safetensors --device cpu"),
        "fpn_resnet50 gives feature maps and finds no objects: see `fpn pyramid`",
    );
    assert_fails(
        folder.fpn(
            "detect a.png --model retinaface_mobilenet025 --weights fpn.safetensors --device cpu",
        ),
        "fpn.safetensors says it is for fpn_resnet50, not for --model retinaface_mobilenet025",
    );
}
