//! `fpn bench`: what it measures, not how fast anything is.

use predicates::prelude::*;
use predicates::str::contains;
use serde_json::{Value, json};

use crate::folder::{Folder, assert_misused};

const BENCH: &str = "bench --model retinaface_mobilenet025 --size 64x96";

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{value}: a number"))
}

/// The sum of `field` over a list.
fn sum(list: &Value, field: &str) -> f64 {
    let list = list.as_array().expect("a list");
    list.iter().map(|item| number(&item[field])).sum()
}

fn is_near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}

#[test]
fn a_gpu_is_timed_step_by_step() {
    let folder = Folder::new();
    let bench = format!("{BENCH} --iterations 2 --device gpu --json bench.json --plot steps.svg");
    let table = contains("frame, median of 2")
        .and(contains("1 submission, "))
        .and(contains("% of the median frame"));
    folder.fpn(&bench).assert().success().stdout(table);

    let report: Value = serde_json::from_slice(&folder.read("bench.json")).expect("JSON");
    assert_eq!(report["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(report["model"], "retinaface_mobilenet025");
    assert_eq!(report["weights"], Value::Null);
    assert_eq!(
        (&report["size"], &report["padded"]),
        (&json!([64, 96]), &json!([64, 96]))
    );
    assert!(report["device"]["driver"].is_string());
    for time in ["load_ms", "compile_ms", "first_frame_ms"] {
        assert!(number(&report[time]) > 0.0, "{time}");
    }
    let [min, median, max] = ["min", "median", "max"].map(|name| number(&report["frame_ms"][name]));
    assert!(0.0 < min && min <= median && median <= max);
    let rate = number(&report["gflop"]) / median * 1e3;
    assert!(is_near(number(&report["gflop_per_s"]), rate));

    let frame = &report["per_frame"];
    assert_eq!(
        (&frame["submissions"], &frame["read_backs"]),
        (&json!(1.0), &json!(1.0))
    );
    for made in ["buffers_made", "bind_groups_made", "pipelines_made"] {
        assert_eq!(frame[made], 0.0, "{made}");
    }
    let memory = &report["memory"];
    let bytes = |name: &str| memory[name].as_u64().expect("bytes");
    assert_eq!(
        bytes("peak_bytes"),
        bytes("constants_bytes") + bytes("activations_bytes")
    );
    assert!(bytes("constants_bytes") < bytes("lower_bound_bytes"));
    assert!(bytes("lower_bound_bytes") <= bytes("peak_bytes"));

    if report["profile"].is_null() {
        assert!(
            report["limits"].is_null(),
            "there are timestamps for both, or for none"
        );
        return;
    }
    assert!(number(&report["limits"]["gflop_per_s"]) > 0.0);
    assert!(number(&report["limits"]["gb_per_s"]) > 0.0);
    let profile = &report["profile"];
    let steps = profile["steps"].as_array().expect("a list");
    assert_eq!(frame["dispatches"], steps.len());
    let total = number(&profile["total_ms"]);
    for part in ["stages", "steps"] {
        assert!(is_near(sum(&profile[part], "ms"), total), "{part}");
        assert!(is_near(sum(&profile[part], "share"), 1.0), "{part}");
        // Winograd's convolutions take fewer operations than the model has.
        let gflop = sum(&profile[part], "flop") / 1e9;
        let model = number(&report["gflop"]);
        assert!(
            (0.2 * model..1.001 * model).contains(&gflop),
            "{part}: {gflop}"
        );
    }
    assert!(steps.is_sorted_by(|a, b| number(&a["ms"]) >= number(&b["ms"])));
    let stages = profile["stages"].as_array().expect("a list");
    let names: Vec<&Value> = stages.iter().map(|stage| &stage["stage"]).collect();
    assert_eq!(
        names,
        ["preprocess", "backbone", "pyramid", "heads", "selection"]
    );

    let plot = String::from_utf8(folder.read("steps.svg")).expect("text");
    assert!(plot.starts_with("<svg") && plot.trim_end().ends_with("</svg>"));
    assert!(plot.contains("GFLOP/s") && plot.contains("selection"));
}

#[test]
fn the_cpu_engine_has_totals_only() {
    let folder = Folder::new();
    let bench =
        format!("{BENCH} --iterations 2 --weights weights.safetensors --device cpu --json -");
    let ran = folder.fpn(&bench).assert().success();
    let report: Value = serde_json::from_slice(&ran.get_output().stdout).expect("JSON");
    assert_eq!(report["device"]["name"], "cpu");
    assert_eq!(report["weights"], "weights.safetensors");
    assert!(number(&report["frame_ms"]["median"]) > 0.0);
    for gpus in ["compile_ms", "per_frame", "memory", "limits", "profile"] {
        assert!(report[gpus].is_null(), "{gpus}");
    }
}

#[test]
fn a_picture_enters_the_network_in_its_own_size() {
    let folder = Folder::new();
    let bench = "bench --model fasterrcnn_resnet18_fpn --size 33x70 --iterations 1 --device cpu";
    let size = contains("a picture of 33 × 70 (height first), padded to 64 × 96");
    folder.fpn(bench).assert().success().stdout(size);
}

#[test]
fn wrong_options_are_misuse() {
    let folder = Folder::new();
    for size in [
        "0x64", "64x0", "64", "64x", "64x64x64", "-1x64", "64×64", "8193x1",
    ] {
        let bench = format!("bench --model retinaface_mobilenet025 --size={size}");
        let sentence = format!("invalid value '{size}' for '--size <HxW>': expected HEIGHTxWIDTH");
        assert_misused(folder.fpn(&bench), &sentence);
    }
    for (options, sentence) in [
        (
            "--device voodoo",
            "unknown device 'voodoo': expected auto, ",
        ),
        ("--iterations 0", "invalid value '0' for '--iterations <N>'"),
        (
            "--device cpu --plot a.svg",
            "--plot draws a GPU's steps, and the CPU engine has none",
        ),
        (
            "--device cpu --weights weights.safetensors --json weights.safetensors",
            "weights.safetensors would be overwritten",
        ),
    ] {
        assert_misused(folder.fpn(&format!("{BENCH} {options}")), sentence);
    }
}
