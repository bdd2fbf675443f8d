//! The command on a GPU: this machine's best adapter.

use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;

use crate::folder::{Folder, assert_fails, assert_misused};

const DETECT: &str = "detect a.png --weights weights.safetensors --json -";

#[test]
fn a_gpu_finds_what_the_cpu_finds() {
    let folder = Folder::new();
    folder.picture("a.png", 128, 96);
    let ran = folder
        .fpn(&format!("{DETECT} --device gpu"))
        .assert()
        .success();
    let report: Value = serde_json::from_slice(&ran.get_output().stdout).expect("JSON");
    assert_ne!(report["device"], "cpu");
    let found = report["images"][0]["detections"]
        .as_array()
        .expect("a list");
    let expected = folder.detections("a.png");
    assert_eq!(found.len(), expected.len());

    // By a part of its name it is the same adapter.
    let name = report["device"].as_str().expect("a name").to_uppercase();
    let part = name.split_whitespace().next().expect("a word");
    let named = folder
        .fpn(&format!("{DETECT} --device {part}"))
        .assert()
        .success();
    let named: Value = serde_json::from_slice(&named.get_output().stdout).expect("JSON");
    assert_eq!(named, report);
}

#[test]
fn an_unknown_adapter_is_a_misuse_that_lists_the_known() {
    let folder = Folder::new();
    folder.picture("a.png", 32, 32);
    let sentence =
        "unknown device 'voodoo': expected auto, gpu, cpu or a part of the name of one of: ";
    assert_misused(folder.fpn(&format!("{DETECT} --device voodoo")), sentence);
}

/// Only Vulkan can be told that it has no driver.
#[cfg(target_os = "linux")]
#[test]
fn without_a_driver_gpu_says_what_to_install_and_auto_takes_the_cpu() {
    let folder = Folder::new();
    folder.picture("a.png", 32, 32);
    let without_driver = |arguments: &str| {
        let mut command = folder.fpn(arguments);
        command
            .env("VK_ICD_FILENAMES", "/dev/null")
            .env("VK_DRIVER_FILES", "/dev/null");
        command
    };
    let sentence = "no GPU adapter found: install a driver (on Debian and Ubuntu: apt install \
                    mesa-vulkan-drivers libvulkan1), or use the CPU engine";
    assert_fails(without_driver(&format!("{DETECT} --device gpu")), sentence);
    assert_fails(without_driver("adapters"), sentence);
    let auto = without_driver(&format!("{DETECT} --device auto"));
    { auto }
        .assert()
        .success()
        .stdout(contains(r#""device": "cpu""#));
}

#[test]
fn adapters_are_listed_and_the_choice_of_auto_is_explained() {
    let folder = Folder::new();
    let listed = contains("backend").and(contains("--device auto takes"));
    folder.fpn("adapters").assert().success().stdout(listed);
}

#[test]
fn a_plan_is_a_table_or_json() {
    let folder = Folder::new();
    let plan = "plan --model retinaface_mobilenet025 --size 97x64";
    let table = contains("decode_anchors")
        .and(contains("Input: 97 × 64."))
        .and(contains("alive at once"));
    folder.fpn(plan).assert().success().stdout(table);
    let ran = folder.fpn(&format!("{plan} --json")).assert().success();
    let json: Value = serde_json::from_slice(&ran.get_output().stdout).expect("JSON");
    assert_eq!(json["padded"], serde_json::json!([64, 97]));
    assert!(
        json["steps"]
            .as_array()
            .is_some_and(|steps| steps.len() > 50)
    );
}

/// As a program writes it of a module of its own, too.
#[test]
fn a_plan_in_a_file_is_shown_as_that_of_a_model() {
    let folder = Folder::new();
    let plan = "plan --model retinaface_mobilenet025 --size 97x64";
    let shown = folder.fpn(plan).unwrap().stdout;
    let json = folder.fpn(&format!("{plan} --json")).unwrap().stdout;
    folder.write("plan.json", &json);
    folder
        .fpn("plan plan.json")
        .assert()
        .success()
        .stdout(shown);
    folder.write("none.json", b"[]");
    for (file, told) in [
        ("none.json", "none.json is no plan"),
        ("nowhere.json", "nowhere.json cannot be read"),
    ] {
        let ran = folder.fpn(&format!("plan {file}")).assert();
        ran.failure().code(1).stderr(contains(told));
    }
}

#[test]
fn a_plan_of_more_than_can_be_dispatched_is_refused() {
    let folder = Folder::new();
    assert_fails(
        folder.fpn("plan --model retinaface_mobilenet025 --size 16384"),
        "body.stage1.0.conv makes 67108864 pixels: expected at most 33553920, as many as a dispatch makes",
    );
}
