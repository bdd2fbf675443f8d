//! `fpn train` with each system's models: what learns, what stays, and how long it takes.

use std::collections::BTreeSet;

use fpn_wgpu::models::efpn_tiny::EFPN_TINY;
use fpn_wgpu::models::{Architecture, ModelConfig};
use fpn_wgpu::weights::{self, Checkpoint};
use predicates::str::contains;
use serde_json::Value;

use crate::folder::{Folder, assert_misused};

/// Few of everything.
const FEW: &str = "--short-sides 64 --long-side 96 --anchors 32 --proposals 50 --rois 16";

fn log(folder: &Folder, run: &str) -> Vec<Value> {
    let log = String::from_utf8(folder.read(&format!("{run}/log.jsonl"))).expect("text");
    let report = |line| serde_json::from_str(line).expect("a line is JSON");
    log.lines().map(report).collect()
}

fn checkpoint(folder: &Folder, file: &str) -> Checkpoint {
    Checkpoint::open(&folder.path(file)).expect("it was written")
}

/// What the keys of tensors begin with that two checkpoints do not share.
fn changed(folder: &Folder, before: &str, after: &str) -> BTreeSet<String> {
    let [before, after] = [before, after].map(|file| checkpoint(folder, file).tensors);
    let is_changed = |(key, tensor): &(&String, &weights::StoredTensor)| {
        let values = |tensor: &weights::StoredTensor| tensor.read().expect("it is whole");
        let before = before.get(*key).map(values);
        before != Some(values(tensor))
    };
    let changed = after.iter().filter(is_changed);
    let part = |(key, _): (&String, _)| {
        let parts: Vec<&str> = key.split('.').take(2).collect();
        parts.join(".")
    };
    changed.map(part).collect()
}

#[test]
fn efpn_learns_in_three_steps() {
    let folder = Folder::new();
    let seeded = weights::seeded(&ModelConfig::of(EFPN_TINY), 1).to_safetensors(false);
    folder.write("seeded.safetensors", &seeded.expect("it can be written"));
    let train = format!("train --data small-scenes:3:16 --batch 2 --steps 2 --warm-up 0 {FEW}");
    let step = |options: &str, out: &str| {
        let train = folder
            .fpn(&format!("{train} {options} --out {out}"))
            .assert();
        train.success();
        let parts: Vec<BTreeSet<String>> = log(&folder, out)
            .iter()
            .map(|line| {
                line.as_object()
                    .expect("an object")
                    .keys()
                    .cloned()
                    .collect()
            })
            .collect();
        assert_eq!(parts.len(), 2);
        parts[0].contains("foreground")
    };
    // The detector, without feature texture transfer.
    assert!(!step("--init seeded.safetensors", "detector"));
    let model = "detector/model.safetensors";
    let learnt = changed(&folder, "seeded.safetensors", model);
    let learnt: Vec<&str> = learnt.iter().map(String::as_str).collect();
    let all = [
        "backbone.body",
        "backbone.fpn",
        "roi_heads.box_head",
        "roi_heads.box_predictor",
        "rpn.head",
    ];
    assert_eq!(learnt, all);
    // The transfer alone.
    assert!(step(
        &format!("--init {model} --ftt conv1x1 --ftt-loss --ftt-lambda 2"),
        "ftt"
    ));
    let textured = "ftt/model.safetensors";
    assert_eq!(
        changed(&folder, model, textured),
        BTreeSet::from(["backbone.ftt".to_owned()])
    );
    // The heads; the form is the checkpoint's.
    assert!(!step(&format!("--init {textured} --heads-only"), "heads"));
    let learnt = changed(&folder, textured, "heads/model.safetensors");
    assert!(
        learnt.iter().all(|key| !key.starts_with("backbone.")),
        "{learnt:?}"
    );
    assert_eq!(learnt.len(), 3);
    folder.picture("a.png", 96, 64);
    let detect = "detect a.png --weights heads/model.safetensors --device cpu";
    folder.fpn(detect).assert().success();

    // It can be taken up: that it is the transfer that learns, too.
    folder.fpn("train --resume ftt").assert().success();
}

#[test]
fn detectron2s_form_is_that_of_the_checkpoint() {
    let name = "detectron2_faster_rcnn_fpn";
    let folder = Folder::with_model("slim", name, [1, 1, 1, 1, 0], None);
    let train = "train --init slim.safetensors --model detectron2_faster_rcnn_fpn --data scenes:3:4 --steps 1";
    let told = folder
        .fpn(&format!("{train} --batch 1 {FEW} --out run"))
        .assert();
    // It has other classes.
    told.success().stdout(contains(
        "slim.safetensors: all but 4 tensors are taken over",
    ));
    let written = checkpoint(&folder, "run/model.safetensors");
    let conv2 = &written.tensors["backbone.bottom_up.res2.0.conv2.weight"];
    assert_eq!(conv2.shape, [8, 4, 3, 3]);
    assert_eq!(written.metadata.pixel_std, Some([57.375, 57.120, 58.395]));
    let training = checkpoint(&folder, "run/training.safetensors")
        .metadata
        .training;
    let training: Value = serde_json::from_str(&training.expect("a training")).expect("JSON");
    assert_eq!(training["options"]["batch_norms"], "frozen");
    assert_eq!(training["options"]["frozen_stages"], 2);
    folder.fpn("train --resume run").assert().success();

    // Where the checkpoint is another model's, it tells no form.
    let tiny = weights::seeded(&ModelConfig::of(EFPN_TINY), 1);
    let bytes = tiny.to_safetensors(false).expect("it can be written");
    folder.write("other.safetensors", &bytes);
    let other = train
        .replace("slim.safetensors", "other.safetensors")
        .replace(name, "pyramid_tiny");
    folder
        .fpn(&format!("{other} --batch 1 --freeze 1 {FEW} --out other"))
        .assert()
        .success()
        .stderr(contains(
            "other.safetensors says it is for efpn_tiny, not for --model pyramid_tiny: the model's form is the usual one",
        ));
}

/// A VOC folder of two pictures, one six times as wide as high.
fn voc(folder: &Folder) {
    for (name, width, height) in [("a", 96, 64), ("b", 384, 64)] {
        folder.picture(&format!("voc/JPEGImages/{name}.png"), width, height);
        let annotation = format!(
            "<annotation><filename>{name}.png</filename><size><width>{width}</width><height>{height}</height>\
             </size><object><name>thing</name><bndbox><xmin>5</xmin><ymin>5</ymin><xmax>60</xmax>\
             <ymax>50</ymax></bndbox></object></annotation>"
        );
        folder.write(
            &format!("voc/Annotations/{name}.xml"),
            annotation.as_bytes(),
        );
    }
}

#[test]
fn c4_models_count_epochs() {
    let folder = Folder::new();
    voc(&folder);
    let train = format!(
        "train --model fasterrcnn_c4_resnet50 --data voc:voc+voc:voc --epochs 2 --decay-epochs 1 --class-agnostic --cell-anchors 12 {FEW}"
    );
    folder
        .fpn(&format!("{train} --out run"))
        .assert()
        .success()
        // Two pictures of two sets, as they are and mirrored, twice.
        .stdout("16 steps: the weights are in run/model.safetensors\n");
    let log = log(&folder, "run");
    let rate = |step: usize| log[step]["learning_rate"].as_f64().expect("a number");
    // The second epoch is the first one that 1 + 1 divides.
    assert_eq!([rate(0), rate(7)], [1e-3; 2]);
    assert!((rate(8) - 1e-4).abs() < 1e-9);
    let written = checkpoint(&folder, "run/model.safetensors");
    assert_eq!(written.tensors["RCNN_bbox_pred.bias"].shape, [4]);
    assert_eq!(written.tensors["RCNN_cls_score.bias"].shape, [2]);
    assert_eq!(written.tensors["RCNN_rpn.RPN_cls_score.bias"].shape, [24]);
    let detect =
        "detect voc/JPEGImages/b.png --weights run/model.safetensors --device cpu --min-size 64";
    folder.fpn(detect).assert().success();
}

#[test]
fn what_a_model_has_not_is_refused() {
    let folder = Folder::new();
    for (options, sentence) in [
        (
            "--ftt-loss",
            "--ftt-loss: pyramid_tiny has no feature texture transfer, as EFPN has with --ftt",
        ),
        (
            "--ftt-loss --model efpn_tiny",
            "--ftt-loss: efpn_tiny has no feature texture transfer, as EFPN has with --ftt",
        ),
        (
            "--ftt conv1x1",
            "--ftt: pyramid_tiny has no feature texture transfer, as EFPN has",
        ),
        (
            "--class-agnostic",
            "--class-agnostic: pyramid_tiny leaves no such choice, as C4 models do",
        ),
        (
            "--cell-anchors 12",
            "--cell-anchors: pyramid_tiny leaves no such choice, as C4 models do",
        ),
        (
            "--strides true",
            "--strides is true: expected nothing, since this model knows one kind only",
        ),
        (
            "--ftt-loss --model efpn_tiny --ftt conv1x1 --ftt-lambda -1",
            "--ftt-lambda is -1.0: expected a finite number of 0 or more",
        ),
        ("--freeze 7", "invalid value '7' for '--freeze <0-6>'"),
        (
            "--epochs 2 --steps 3",
            "the argument '--epochs <N>' cannot be used with '--steps <N>'",
        ),
    ] {
        let train = format!("train --data scenes:1 --out run {options}");
        assert_misused(folder.fpn(&train), sentence);
    }
    let model: Architecture = "fpn_resnet50".parse().expect("it is known");
    assert_misused(
        folder.fpn(&format!("train --data scenes:1 --out run --model {model}")),
        "--model fpn_resnet50 cannot be trained: expected a two-stage model",
    );
    assert!(!folder.path("run").exists());
}
