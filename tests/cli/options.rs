//! What the options of `fpn detect` do, and what they do not take.

use serde_json::Value;

use crate::folder::{Folder, assert_fails, assert_misused};

fn score(detection: &Value) -> f64 {
    detection["score"].as_f64().expect("a number")
}

#[test]
fn score_and_max_keep_the_best() {
    let folder = Folder::new();
    folder.picture("a.png", 128, 96);
    let all = folder.detections("a.png");
    assert!(all.len() > 4, "{} found", all.len());

    assert_eq!(folder.detections("a.png --max 2"), all[..2]);
    // A box falls only to a better one, so the others stay as they are.
    let threshold = score(&all[3]);
    let kept = folder.detections(&format!("a.png --score {threshold}"));
    assert_eq!(kept, all[..3]);
    assert!(folder.detections("a.png --score 0.1").len() > all.len());
    assert!(folder.detections("a.png --score 1").is_empty());
}

#[test]
fn sizes_are_those_that_the_network_sees() {
    let folder = Folder::new();
    folder.picture("a.png", 128, 96);
    let unresized = folder.detections("a.png");
    for same in [
        "--min-size 96",
        "--max-size 128",
        "--min-size 200 --max-size 128",
    ] {
        assert_eq!(
            folder.detections(&format!("a.png {same}")),
            unresized,
            "{same}"
        );
    }
    // Halved by either option, it is seen otherwise, and told in its own pixels.
    let halved = folder.report("a.png --max-size 64");
    let image = &halved["images"][0];
    assert_eq!([&image["width"], &image["height"]], [128, 96]);
    assert_ne!(image["detections"], Value::from(unresized));
    assert_eq!(folder.report("a.png --min-size 48"), halved);
}

#[test]
fn labels_name_the_classes_with_or_without_the_background() {
    let folder = Folder::new();
    folder.picture("a.png", 96, 64);
    folder.write("one.txt", b"visage\n\n");
    folder.write("two.txt", b"fond\r\nvisage\r\n");
    folder.write("marked.txt", "\u{feff}visage\n".as_bytes());
    for labels in ["one.txt", "two.txt", "marked.txt"] {
        let found = folder.detections(&format!("a.png --labels {labels}"));
        assert!(!found.is_empty());
        assert!(found.iter().all(|d| d["name"] == "visage"), "{labels}");
    }
}

#[test]
fn labels_must_be_as_many_as_the_classes() {
    let folder = Folder::new();
    folder.picture("a.png", 48, 48);
    folder.write("three.txt", b"a\nb\nc\n");
    folder.write("none.txt", b"");
    folder.write("gap.txt", b"a\n\nb\n");
    folder.write("latin1.txt", b"caf\xE9\n");
    for (labels, sentence) in [
        (
            "three.txt",
            "three.txt names 3 classes: expected 2, or one less without the background",
        ),
        (
            "none.txt",
            "none.txt names 0 classes: expected 2, or one less without the background",
        ),
        ("gap.txt", "gap.txt has no name on line 2"),
        (
            "latin1.txt",
            "latin1.txt cannot be read: stream did not contain valid UTF-8",
        ),
    ] {
        assert_fails(folder.detect(&format!("a.png --labels {labels}")), sentence);
    }
    let reason = std::fs::read(folder.path("gone.txt")).expect_err("there is no such file");
    assert_fails(
        folder.detect("a.png --labels gone.txt"),
        &format!("gone.txt cannot be read: {reason}"),
    );
}

#[test]
fn values_out_of_range_are_misuse() {
    let folder = Folder::new();
    folder.picture("a.png", 48, 48);
    for (option, sentence) in [
        ("--score 1.5", "--score is 1.5: expected 0 to 1"),
        ("--score -0.1", "--score is -0.1: expected 0 to 1"),
        ("--score NaN", "--score is NaN: expected 0 to 1"),
        ("--score high", "invalid value 'high' for '--score <S>'"),
        ("--max 0", "--max is 0: expected at least 1"),
        ("--max -1", "invalid value '-1' for '--max <N>'"),
        ("--max 1.5", "invalid value '1.5' for '--max <N>'"),
        (
            "--min-size 0",
            "--min-size is 0: expected at least one pixel",
        ),
        (
            "--max-size 0",
            "--max-size is 0: expected at least one pixel",
        ),
        ("--min-size -5", "invalid value '-5' for '--min-size <N>'"),
        (
            "--bn-eps -1",
            "--bn-eps is -1: expected a finite number of 0 or more",
        ),
        (
            "--bn-eps inf",
            "--bn-eps is inf: expected a finite number of 0 or more",
        ),
        (
            "--stride-in 1x1",
            "--stride-in is 1x1: expected nothing, since this model has no bottlenecks",
        ),
        (
            "--stride-in 2x2",
            "invalid value '2x2' for '--stride-in <WHERE>'",
        ),
    ] {
        assert_misused(folder.detect(&format!("a.png {option}")), sentence);
    }
}

#[test]
fn unknown_names_are_misuse() {
    let folder = Folder::new();
    folder.picture("a.png", 48, 48);
    for (arguments, sentence) in [
        (
            "detect a.png --boxes",
            "unexpected argument '--boxes' found",
        ),
        ("find a.png", "unrecognized subcommand 'find'"),
        (
            "detect a.png --weights weights.safetensors --device tpu",
            "unknown device 'tpu': expected auto, ",
        ),
        (
            "detect a.png --model yolo",
            "invalid value 'yolo' for '--model <NAME>'\n  [possible values: pyramid_tiny, fasterrcnn_resnet18_fpn, ",
        ),
        (
            "detect a.png --model fasterrcnn_resnet50_fpn",
            "--weights FILE is missing: fasterrcnn_resnet50_fpn has no weights of its own",
        ),
        (
            "detect",
            "the following required arguments were not provided:\n  <INPUT>...",
        ),
        (
            "detect a.png a.png --weights weights.safetensors --out o.png",
            "--out names one file, o.png, for 2 pictures: expected a folder",
        ),
    ] {
        assert_misused(folder.fpn(arguments), sentence);
    }
}
