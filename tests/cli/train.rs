//! `fpn train`: what it writes, that it can be stopped and taken up, and what it refuses.

use std::fs;
use std::path::Path;
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use fpn_wgpu::models::ModelConfig;
use fpn_wgpu::models::faster_rcnn::PYRAMID_TINY;
use fpn_wgpu::train::{BatchNorms, Decay, Learns, Schedule, TrainOptions, Trainer};
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::{Value, json};

use crate::folder::{Folder, assert_fails, assert_misused};

/// A training of seconds.
const SMALL: &str = "train --data scenes:3:16 --short-sides 64 --warm-up 1";

/// The steps that a log has.
fn logged(folder: &Folder, run: &str) -> Vec<u64> {
    let log = String::from_utf8(folder.read(&format!("{run}/log.jsonl"))).expect("text");
    let step = |line: &str| {
        let report: Value = serde_json::from_str(line).expect("a line is JSON");
        assert!(report["loss"].as_f64() > Some(0.0), "{line}");
        report["step"].as_u64().expect("a number")
    };
    log.lines().map(step).collect()
}

#[test]
fn a_training_leaves_weights_that_detect() {
    let folder = Folder::new();
    let train = folder.fpn(&format!("{SMALL} --steps 2 --out run")).assert();
    train
        .success()
        .stdout("2 steps: the weights are in run/model.safetensors\n");
    let files: Vec<String> = folder.files();
    for name in [
        "log.jsonl",
        "losses.svg",
        "model.safetensors",
        "samples.png",
        "training.safetensors",
    ] {
        assert!(files.contains(&format!("run/{name}")), "{files:?}");
    }
    assert_eq!(logged(&folder, "run"), [1, 2]);
    folder.picture("a.png", 96, 64);
    let detect = "detect a.png --weights run/model.safetensors --device cpu";
    folder
        .fpn(detect)
        .assert()
        .success()
        .stderr(contains("pyramid_tiny, 9 classes"));
    let drawn = String::from_utf8(folder.read("run/losses.svg")).expect("text");
    assert!(drawn.contains("box head, classes"));

    // Weights of other classes are a start, too: all fit but the predictor's.
    folder.picture("voc/JPEGImages/a.png", 96, 64);
    folder.write("voc/Annotations/a.xml", VOC.as_bytes());
    let train = "train --data voc:voc --short-sides 64 --steps 1 --batch 1 --out tuned";
    let tune = format!("{train} --init run/model.safetensors");
    folder
        .fpn(&tune)
        .assert()
        .success()
        .stdout(contains("all but 4 tensors are taken over"));
    assert_fails(
        folder.fpn(&tune),
        "tuned holds a training already: go on with --resume, or choose another --out",
    );
}

/// One thing in a picture of 96 by 64.
const VOC: &str = "<annotation><filename>a.png</filename><size><width>96</width><height>64</height>\
    </size><object><name>thing</name><bndbox><xmin>5</xmin><ymin>5</ymin><xmax>60</xmax>\
    <ymax>50</ymax></bndbox></object></annotation>";

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_a_training_to_go_on_with() {
    let folder = Folder::new();
    let mut train = process::Command::new(env!("CARGO_BIN_EXE_fpn"));
    train.current_dir(folder.path("")).args(SMALL.split(' '));
    train.args("--steps 1000 --out run".split(' '));
    train.stdout(process::Stdio::piped());
    let child = train.spawn().expect("it can be started");
    let deadline = Instant::now() + Duration::from_secs(60);
    let log = folder.path("run/log.jsonl");
    while fs::metadata(&log).map_or(0, |log| log.len()) == 0 {
        assert!(Instant::now() < deadline, "no step was made");
        thread::sleep(Duration::from_millis(20));
    }
    let interrupt = process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(interrupt.expect("there is a kill").success());
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8(output.stdout).expect("text");
    assert!(told.contains("go on with fpn train --resume run"), "{told}");
    let steps = logged(&folder, "run");
    let checkpoint = fpn_wgpu::weights::Checkpoint::open(&folder.path("run/training.safetensors"));
    let progress = checkpoint.expect("it was written").metadata.training;
    let progress: Value = serde_json::from_str(&progress.expect("it is a training")).expect("JSON");
    assert_eq!(progress["step"].as_u64(), steps.last().copied());
}

/// A training of three steps of which one is done.
fn begun(run: &Path) {
    let options = TrainOptions {
        class_names: fpn_wgpu::data::scenes::class_names(),
        learns: Learns::Detector,
        schedule: Schedule {
            steps: 3,
            learning_rate: 0.01,
            warm_up: 0,
            decay: Decay::Cosine,
        },
        momentum: 0.9,
        weight_decay: 1e-4,
        batch_norms: BatchNorms::Live,
        frozen_stages: 0,
        anchors: 256,
        proposals: 100,
        rois: 32,
        batch: 8,
        short_sides: vec![64],
        long_side: 128,
        most_objects: None,
        seed: 1,
        data: "scenes:3:16".to_owned(),
    };
    let config = ModelConfig::of(PYRAMID_TINY);
    let trainer = Trainer::new(config, options, burn::tensor::Device::flex());
    let trainer = trainer.expect("it can be trained");
    let bytes = trainer.checkpoint().to_safetensors(false);
    fs::create_dir_all(run).expect("a folder can be made");
    let path = run.join("training.safetensors");
    fs::write(path, bytes.expect("weights are written")).expect("it can be written");
}

#[test]
fn a_resumed_training_goes_on() {
    let folder = Folder::new();
    begun(&folder.path("run"));
    // A line of a step that the checkpoint has not seen.
    folder.write(
        "run/log.jsonl",
        b"{\"step\":1,\"learning_rate\":0.1,\"loss\":1.0,\"objectness\":1.0,\"rpn_box\":1.0,\"classifier\":1.0,\"box_reg\":1.0}\n",
    );
    let resume = "train --resume run";
    assert_fails(
        folder.fpn(&format!("{resume} --model fasterrcnn_resnet50_fpn")),
        "run/training.safetensors: the checkpoint is of a training of pyramid_tiny, not of fasterrcnn_resnet50_fpn",
    );
    folder.fpn(resume).assert().success();
    assert_eq!(logged(&folder, "run"), [1, 2, 3]);

    fs::rename(
        folder.path("run/model.safetensors"),
        folder.path("run/training.safetensors"),
    )
    .expect("it is there");
    assert_fails(
        folder.fpn(resume),
        "run/training.safetensors: the checkpoint does not hold a training to go on with",
    );
}

/// What a file says of its training, altered at a place in its JSON.
fn altered(bytes: Vec<u8>, place: &str, value: Value) -> Vec<u8> {
    let file = fpn_wgpu::weights::Checkpoint::from_safetensors(bytes);
    let mut file = file.expect("it was written");
    let training = file.metadata.training.expect("it is a training");
    let mut training: Value = serde_json::from_str(&training).expect("JSON");
    *training.pointer_mut(place).expect("it is there") = value;
    file.metadata.training = Some(training.to_string());
    file.to_safetensors(false).expect("weights are written")
}

#[test]
fn a_training_that_cannot_go_on_says_what_its_file_has_and_should_have() {
    let folder = Folder::new();
    begun(&folder.path("run"));
    let whole = folder.read("run/training.safetensors");
    for (place, value, sentence) in [
        ("/options/batch", json!(0), "batch is 0: expected 1 to 4096"),
        (
            "/options/frozen_stages",
            json!(9),
            "frozen_stages is 9: expected 0 to 6",
        ),
        (
            "/options/schedule/steps",
            json!(0),
            "steps is 0: expected 1 to 1000000000",
        ),
        (
            "/options/schedule/learning_rate",
            json!(-1.0),
            "learning_rate is -1.0: expected a finite number of 0 or more",
        ),
        (
            "/options/long_side",
            json!(1_000_000),
            "long_side is 1000000: expected 1 to 16384 pixels",
        ),
        (
            "/step",
            json!("two"),
            "the checkpoint's training cannot be read: invalid type: string \"two\", expected usize",
        ),
    ] {
        let wrong = altered(whole.clone(), place, value);
        folder.write("run/training.safetensors", &wrong);
        let mut resume = folder.fpn("train --resume run");
        let told = resume.assert().code(1).stdout("");
        let told = String::from_utf8(told.get_output().stderr.clone()).expect("text");
        let sentence = format!("error: run/training.safetensors: {sentence}");
        assert!(
            told.starts_with(&sentence) && told.lines().count() == 1,
            "{told}"
        );
    }
    assert_eq!(folder.files().len(), 2, "{:?}", folder.files());
}

/// What stands in for a full disk is a limit on files.
#[cfg(unix)]
#[test]
fn a_checkpoint_stays_whole_on_a_full_disk() {
    let folder = Folder::new();
    begun(&folder.path("run"));
    let before = folder.read("run/training.safetensors");
    let script = format!(
        "trap '' XFSZ; ulimit -f 1000; exec {} train --resume run",
        env!("CARGO_BIN_EXE_fpn")
    );
    let output = process::Command::new("sh")
        .args(["-c", &script])
        .current_dir(folder.path(""))
        .output()
        .expect("there is a shell");
    let told = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1), "{told}");
    let sentence = "run/training.safetensors cannot be written: File too large";
    assert!(
        told.contains(sentence) && !told.contains("panicked"),
        "{told}"
    );
    assert_eq!(folder.read("run/training.safetensors"), before);
    let files = folder.files();
    assert!(
        !files.iter().any(|name| name.contains(".fpn-")),
        "{files:?}"
    );
}

#[test]
fn a_training_that_diverges_says_so() {
    let folder = Folder::new();
    let train = format!("{SMALL} --steps 60 --learning-rate 1e12 --save-every 1 --out run");
    let sentence = contains(": try a smaller learning rate; there is no checkpoint yet");
    folder.fpn(&train).assert().code(1).stderr(sentence);
}

/// What is wrong with weights is an error within another's sentence.
#[test]
fn weights_that_are_not_finite_are_told_once() {
    let folder = Folder::new();
    let train = "train --data scenes:3:16 --short-sides 64 --warm-up 0 --steps 1 --out run";
    let told = contains("error: the checkpoint holds ")
        .and(contains("expected finite numbers").count(1))
        .and(contains("panicked").not());
    folder
        .fpn(&format!("{train} --learning-rate 1e30 --weight-decay 1e38"))
        .assert()
        .code(1)
        .stderr(told);
}

#[test]
fn what_cannot_be_trained_is_refused() {
    let folder = Folder::new();
    let out = "--steps 1 --out run";
    assert_misused(
        folder.fpn(&format!("train --data scenes:1 --batch 4 {out}")),
        "--batch is 4: expected at least 8 where batch norms learn",
    );
    assert_misused(
        folder.fpn(&format!(
            "train --data scenes:1 --model retinaface_mobilenet025 {out}"
        )),
        "--model retinaface_mobilenet025 cannot be trained: expected a two-stage model",
    );
    for option in ["--batch", "--save-every", "--rois", "--short-sides"] {
        assert_misused(
            folder.fpn(&format!("train --data scenes:1 --out run {option} 0")),
            &format!("invalid value '0' for '{option} <"),
        );
    }
    for (option, value, expected) in [
        ("--learning-rate", "NaN", "a finite number of 0 or more"),
        ("--momentum", "2.5", "0 to 1"),
        ("--weight-decay", "inf", "a finite number of 0 or more"),
        ("--long-side", "100000", "1 to 16384 pixels"),
        ("--batch", "100000", "1 to 4096"),
    ] {
        assert_misused(
            folder.fpn(&format!("train --data scenes:1 {out} {option} {value}")),
            &format!("{option} is {value}: expected {expected}"),
        );
    }
    #[cfg(not(feature = "train-gpu"))]
    assert_misused(
        folder.fpn(&format!("train --data scenes:1 --device gpu {out}")),
        "--device gpu: this fpn trains on the CPU; one that trains on GPUs is built by cargo build --release \
         --features train-gpu",
    );
    assert_fails(
        folder.fpn(&format!("train --data shapes:1 {out}")),
        "'shapes:1' is no data set: expected voc:DIR[:SPLIT], coco:JSON:IMAGES, scenes:SEED[:COUNT] or small-scenes:SEED[:COUNT]",
    );
    assert_fails(
        folder.fpn("train --resume nowhere"),
        "nowhere/training.safetensors cannot be read: No such file or directory (os error 2)",
    );
    // Nothing to learn from.
    folder.picture("voc/JPEGImages/a.png", 96, 64);
    folder.write("voc/Annotations/a.xml", b"<annotation></annotation>");
    assert_fails(
        folder.fpn(&format!("train --data voc:voc {out}")),
        "voc:voc has no classes",
    );
    assert!(!folder.path("run").exists());
}

#[test]
fn a_check_lists_every_problem() {
    let folder = Folder::new();
    folder.picture("voc/JPEGImages/a.png", 96, 64);
    folder.write("voc/Annotations/a.xml", VOC.as_bytes());
    folder
        .fpn("train --check --data voc:voc")
        .assert()
        .success()
        .stdout("voc:voc: 1 pictures, no problems\n");
    let outside = VOC.replace("<xmax>60", "<xmax>160");
    folder.write("voc/Annotations/a.xml", outside.as_bytes());
    folder.write(
        "voc/Annotations/b.xml",
        VOC.replace("a.png", "b.png").as_bytes(),
    );
    let check = folder.fpn("train --check --data voc:voc").assert().code(1);
    check
        .stdout(contains(
            "voc/Annotations/a.xml: object 1 (thing) has the box 5, 5 to 160, 50",
        ))
        .stdout(contains("voc/JPEGImages/b.jpg is missing"))
        .stderr(contains("error: voc:voc has 2 problems"));
}

#[test]
fn classes_are_in_the_order_of_a_list() {
    let folder = Folder::new();
    let shapes = "heart ring cross hexagon star triangle square circle".replace(' ', "\n");
    folder.write("shapes.txt", shapes.as_bytes());
    let small = SMALL.replace("--data", "--labels shapes.txt --data");
    let train = format!("{small} --steps 1 --save-every 1 --out run");
    folder.fpn(&train).assert().success();
    let model = fpn_wgpu::weights::Checkpoint::open(&folder.path("run/model.safetensors"));
    let names = model.expect("it was written").metadata.class_names;
    let names = names.expect("it is a model's");
    assert_eq!(names.join("\n"), format!("background\n{shapes}"));
    folder.fpn("train --resume run").assert().success();

    folder.write("few.txt", b"heart\nring\n");
    assert_fails(
        folder.fpn(&format!("{SMALL} --labels few.txt --out other")),
        "scenes:3:16: a class is 'circle', expected one of heart, ring (and 5 more: fpn train --check \
         lists all)",
    );
    folder
        .fpn("train --check --data scenes:3:16 --labels few.txt")
        .assert()
        .code(1)
        .stdout(contains("a class is 'circle'"))
        .stderr(contains("error: scenes:3:16 has 6 problems"));
}
