//! `fpn verify` on this machine's best adapter.

use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;

use crate::folder::{Folder, assert_misused};

#[test]
fn an_adapter_is_verified_in_a_table_and_in_json() {
    let folder = Folder::new();
    let table = contains("top_anchors")
        .and(contains("retinaface_mobilenet025 boxes"))
        .and(contains("FAILED").not());
    let ran = folder.fpn("verify --json report.json").assert();
    ran.success().stdout(table);

    let report: Value = serde_json::from_slice(&folder.read("report.json")).expect("JSON");
    assert_eq!(report["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(report["passed"], true);
    for field in ["adapter", "device_type", "backend"] {
        let value = report[field].as_str();
        assert!(value.is_some_and(|value| !value.is_empty()), "{field}");
    }
    assert!(report["driver"].is_string() && report["driver_info"].is_string());
    assert!(report["features"].is_array());
    let binding = &report["limits"]["max_storage_buffer_binding_size"];
    assert!(binding.as_u64().is_some_and(|bytes| bytes >= 128 << 20));
    let checks = report["checks"].as_array().expect("a list");
    for check in checks {
        let (difference, tolerance) = (&check["difference"], &check["tolerance"]);
        assert!(difference.as_f64() <= tolerance.as_f64(), "{check}");
        assert!(
            check["cases"].as_u64().is_some_and(|cases| cases > 0),
            "{check}"
        );
    }
    // All kernels, and boxes and scores of a model of either kind at least.
    assert!(checks.len() >= 16 + 4);
}

#[test]
fn the_cpu_engine_is_not_verified() {
    let folder = Folder::new();
    assert_misused(
        folder.fpn("verify --device cpu"),
        "--device cpu: the CPU engine is what GPUs are checked against",
    );
}

/// Without any GPU.
#[test]
fn a_model_is_verified_step_by_step() {
    let folder = Folder::new();
    let arguments = "--stages --model retinaface_mobilenet025 --size 33x21 --json o.json";
    let table = contains("backbone").and(contains("FAILED").not());
    let ran = folder.fpn(&format!("verify {arguments}")).assert();
    ran.success().stdout(table);
    let steps: Value = serde_json::from_slice(&folder.read("o.json")).expect("JSON");
    let steps = steps.as_array().expect("a list");
    assert!(steps.len() > 40, "{}", steps.len());
    for step in steps {
        assert_eq!(step["passed"], true, "{step}");
        assert!(
            step["kernel"].is_string() && step["stage"].is_string(),
            "{step}"
        );
    }
    for (arguments, sentence) in [
        (
            "--stages --model yolo",
            "invalid value 'yolo' for '--model <NAME>'",
        ),
        ("--stages --size 0", "invalid value '0' for '--size <SIZE>'"),
        (
            "--stages --device gpu",
            "the argument '--stages' cannot be used with '--device <NAME>'",
        ),
    ] {
        assert_misused(folder.fpn(&format!("verify {arguments}")), sentence);
    }
}
