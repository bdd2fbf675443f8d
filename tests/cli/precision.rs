//! `--precision`.

use fpn_wgpu::compile::Precision;
use serde_json::Value;

use crate::adapter::gpu;
use crate::folder::{Folder, assert_fails, assert_misused};

const DETECT: &str = "detect a.png --weights weights.safetensors --json -";

/// By which a score may be off in 16 bits; `tests/parity` has the bounds of every model.
const SCORE_TOLERANCE: f64 = 0.05;

#[test]
fn a_gpu_finds_in_16_bits_what_it_finds_in_32() {
    let folder = Folder::new();
    folder.picture("a.png", 128, 96);
    let detect = |precision: &str| {
        let mut ran = folder.fpn(&format!("{DETECT} --device gpu --max 1 {precision}"));
        let output = ran.assert().success().get_output().clone();
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        report["images"][0]["detections"][0].clone()
    };
    let best = detect("");
    assert_eq!(detect("--precision f32"), best);
    let half = detect("--precision f16s");
    assert_ne!(half, best);
    let scores = [&half, &best].map(|found| found["score"].as_f64().expect("a number"));
    assert!(
        (scores[0] - scores[1]).abs() <= SCORE_TOLERANCE,
        "{scores:?}"
    );
}

#[test]
fn products_in_16_bits_need_an_adapter_that_has_them() {
    let folder = Folder::new();
    folder.picture("a.png", 64, 64);
    let mut detect = folder.fpn(&format!("{DETECT} --device gpu --precision f16"));
    match gpu().target(None, Precision::F16) {
        Ok(_) => {
            detect.assert().success();
        }
        Err(_) => {
            let sentence = format!(
                "adapter {} does not compute in 16 bits, which precision f16 needs: f16s only stores \
                 in them, and every adapter can",
                gpu().info().name
            );
            assert_fails(detect, &sentence);
        }
    }
}

#[test]
fn a_precision_must_be_one_that_the_device_can_have() {
    let folder = Folder::new();
    folder.picture("a.png", 64, 64);
    for precision in ["f16s", "f16"] {
        let sentence =
            format!("--precision {precision} is for GPUs: the CPU engine computes in f32");
        let option = format!("--precision {precision}");
        assert_misused(folder.detect(&format!("a.png {option}")), &sentence);
        let bench = "bench --model retinaface_mobilenet025 --size 64x64 --device cpu";
        assert_misused(folder.fpn(&format!("{bench} {option}")), &sentence);
    }
    assert_misused(
        folder.detect("a.png --precision f8"),
        "invalid value 'f8' for '--precision <NAME>'\n  [possible values: f32, f16s, f16]",
    );
    folder.detect("a.png --precision f32").assert().success();
}
