//! A training that was taken up goes on as if it had never stopped.

use std::sync::Arc;

use burn::tensor::Device;
use fpn_wgpu::data::scenes::{SceneSet, class_names};
use fpn_wgpu::models::ModelConfig;
use fpn_wgpu::models::faster_rcnn::PYRAMID_TINY;
use fpn_wgpu::train::{
    BatchNorms, BatchOptions, Batches, Decay, Learns, Schedule, StepReport, TrainError,
    TrainOptions, Trainer, resume,
};
use fpn_wgpu::weights::{Checkpoint, StoredTensor};
use serde_json::{Value, json};

/// The usual one: it has the classes of scenes.
pub fn config() -> ModelConfig {
    ModelConfig::of(PYRAMID_TINY)
}

pub fn options(batch_norms: BatchNorms) -> TrainOptions {
    TrainOptions {
        class_names: class_names(),
        learns: Learns::Detector,
        schedule: Schedule {
            steps: 7,
            learning_rate: 0.01,
            warm_up: 2,
            decay: Decay::Steps(vec![5]),
        },
        momentum: 0.9,
        weight_decay: 1e-4,
        batch_norms,
        frozen_stages: 0,
        anchors: 256,
        proposals: 200,
        rois: 32,
        batch: 8,
        short_sides: vec![64, 96],
        long_side: 200,
        most_objects: None,
        seed: 5,
        data: "scenes:2:20".to_owned(),
    }
}

/// Steps to `until`; the order of the pictures is that of the steps, whatever came before.
pub fn train(trainer: &mut Trainer, until: usize) -> Vec<StepReport> {
    let batches = Batches::start(
        Arc::new(SceneSet::new(2, 20)),
        trainer.batch_options(),
        trainer.steps_done(),
    );
    let batches = batches.expect("there are objects");
    let mut reports = Vec::new();
    while trainer.steps_done() < until {
        let batch = batches.next(trainer.device()).expect("scenes are drawn");
        reports.push(trainer.step(&batch).expect("it does not diverge"));
    }
    reports
}

#[test]
fn losses_are_those_of_an_unbroken_run() {
    for batch_norms in [BatchNorms::Live, BatchNorms::Frozen] {
        let new = || {
            Trainer::new(config(), options(batch_norms), Device::flex()).expect("it can be trained")
        };
        let unbroken = train(&mut new(), 7);
        let mut first = new();
        let mut broken = train(&mut first, 3);
        let file = first.checkpoint().to_safetensors(false);
        let file = Checkpoint::from_safetensors(file.expect("it is written"));
        let second = resume(&file.expect("it is read"), None, Device::flex());
        let mut second = second.expect("it fits");
        assert_eq!(second.options(), first.options());
        broken.extend(train(&mut second, 7));
        for (broken, unbroken) in broken.iter().zip(&unbroken) {
            assert_eq!(broken.step, unbroken.step);
            assert_eq!(broken.learning_rate, unbroken.learning_rate);
            let difference = (broken.loss - unbroken.loss).abs();
            assert!(difference < 1e-4, "{broken:?} {unbroken:?}");
        }
        // It learns: the losses are not those of the first weights.
        assert!(unbroken[0].loss != unbroken[6].loss);
    }
}

#[test]
fn frozen_parts_stay_as_they_were() {
    let frozen = TrainOptions {
        frozen_stages: 2,
        ..options(BatchNorms::Frozen)
    };
    let mut trainer = Trainer::new(config(), frozen, Device::flex()).expect("it can be trained");
    let before = trainer.weights();
    train(&mut trainer, 3);
    let after = trainer.weights();
    for (key, tensor) in &before.tensors {
        let is_norm = [".bn", ".downsample.1.", "running_"];
        let is_frozen = key.starts_with("backbone.body.conv1.")
            || key.starts_with("backbone.body.layer1.")
            || is_norm.iter().any(|part| key.contains(part));
        let [before, after] = [tensor, &after.tensors[key]].map(|t| t.read().expect("in memory"));
        assert_eq!(before == after, is_frozen, "{key}");
    }
}

/// Why no training goes on from a checkpoint.
fn refusal(checkpoint: &Checkpoint) -> String {
    match resume(checkpoint, None, Device::flex()) {
        Ok(_) => panic!("it goes on"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_a_checkpoint_says_of_its_training_is_checked() {
    let whole = Trainer::new(config(), options(BatchNorms::Frozen), Device::flex())
        .expect("it can be trained")
        .checkpoint();
    let training = whole.metadata.training.clone().expect("it is a training");
    let training: Value = serde_json::from_str(&training).expect("JSON");
    let many = u64::MAX;
    for (place, value, sentence) in [
        (
            "/step",
            json!(8),
            "step is 8: expected 0 to the training's 7",
        ),
        (
            "/step",
            json!(many),
            "step is 18446744073709551615: expected 0 to",
        ),
        (
            "/options/schedule/steps",
            json!(0),
            "steps is 0: expected 1 to 1000000000",
        ),
        (
            "/options/schedule/steps",
            json!(many),
            "steps is 18446744073709551615: ",
        ),
        (
            "/options/schedule/learning_rate",
            json!(-0.1),
            "learning_rate is -0.1: expected a finite number of 0 or more",
        ),
        (
            "/options/momentum",
            json!(1.5),
            "momentum is 1.5: expected 0 to 1",
        ),
        (
            "/options/momentum",
            json!(-0.5),
            "momentum is -0.5: expected 0 to 1",
        ),
        (
            "/options/weight_decay",
            json!(1e300),
            "weight_decay is 1e300: expected a finite number of 0 or more",
        ),
        (
            "/options/frozen_stages",
            json!(7),
            "frozen_stages is 7: expected 0 to 6",
        ),
        (
            "/options/frozen_stages",
            json!(many),
            "frozen_stages is 18446744073709551615: ",
        ),
        (
            "/options/proposals",
            json!(0),
            "proposals is 0: expected 1 to 100000",
        ),
        ("/options/rois", json!(0), "rois is 0: expected 1 to 100000"),
        (
            "/options/rois",
            json!(many),
            "rois is 18446744073709551615: ",
        ),
        ("/options/batch", json!(0), "batch is 0: expected 1 to 4096"),
        (
            "/options/batch",
            json!(many),
            "batch is 18446744073709551615: ",
        ),
        (
            "/options/short_sides",
            json!([]),
            "short_sides is empty: expected at least one",
        ),
        (
            "/options/short_sides",
            json!([64, 0]),
            "short_sides is 0: expected 1 to 16384 pixels",
        ),
        (
            "/options/long_side",
            json!(0),
            "long_side is 0: expected 1 to 16384 pixels",
        ),
        (
            "/options/long_side",
            json!(1_u64 << 40),
            "long_side is 1099511627776: ",
        ),
        (
            "/options/class_names",
            json!([]),
            "class_names is of 0 names: expected 2 to 10000",
        ),
        (
            "/options/class_names",
            json!(["background"]),
            "class_names is of 1 names: ",
        ),
        (
            "/options/class_names",
            json!(["background", "a"]),
            "class_names is of 2 names: expected as many as the model has classes, 9",
        ),
        (
            "/options/most_objects",
            json!(0),
            "most_objects is 0: expected 1 to 100000",
        ),
        (
            "/options/learns",
            json!({"ftt": {"lambda": 1.0}}),
            "pyramid_tiny has no feature texture transfer that could learn",
        ),
        // NaN and infinities are null in JSON.
        (
            "/options/schedule/learning_rate",
            json!(null),
            "the checkpoint's training cannot be read: invalid type: null, expected f64",
        ),
        (
            "/options/batch",
            json!(-1),
            "the checkpoint's training cannot be read: invalid value: integer `-1`, expected usize",
        ),
        (
            "/options",
            json!({}),
            "the checkpoint's training cannot be read: missing field `class_names`",
        ),
    ] {
        let mut training = training.clone();
        *training.pointer_mut(place).expect("it is there") = value.clone();
        let mut damaged = whole.clone();
        damaged.metadata.training = Some(training.to_string());
        let told = refusal(&damaged);
        assert!(told.starts_with(sentence), "{place} {value}: {told}");
    }

    // Each alone is possible, all together no memory holds.
    let mut large = training.clone();
    for (place, value) in [("batch", 4096), ("long_side", 16384)] {
        large["options"][place] = json!(value);
    }
    large["options"]["short_sides"] = json!([64, 16384]);
    let mut damaged = whole.clone();
    damaged.metadata.training = Some(large.to_string());
    assert_eq!(
        refusal(&damaged),
        "batch is 4096 pictures of up to 16384×16384 pixels: expected at most 268435456 pixels in all"
    );
}

#[test]
fn velocities_that_are_not_finite_are_refused() {
    let mut trainer = Trainer::new(config(), options(BatchNorms::Frozen), Device::flex())
        .expect("it can be trained");
    train(&mut trainer, 1);
    let mut checkpoint = trainer.checkpoint();
    let (key, velocity) = checkpoint
        .tensors
        .iter()
        .find(|(key, _)| key.starts_with("optimizer."))
        .expect("a step was made");
    let (key, shape) = (key.clone(), velocity.shape.clone());
    let values = vec![f32::NAN; shape.iter().product()];
    let spoilt = StoredTensor::of(shape, values);
    checkpoint.tensors.insert(key.clone(), spoilt);
    assert_eq!(
        refusal(&checkpoint),
        format!("the checkpoint holds NaN in tensor '{key}': expected finite numbers")
    );
}

#[test]
fn what_cannot_be_trained_does_not_begin() {
    let wrong = TrainOptions {
        frozen_stages: 7,
        ..options(BatchNorms::Frozen)
    };
    let refused = Trainer::new(config(), wrong, Device::flex());
    assert!(matches!(
        refused.err(),
        Some(TrainError::Option {
            option: "frozen_stages",
            ..
        })
    ));
    for (size, short_sides) in [(0, vec![64]), (8, Vec::new())] {
        let options = BatchOptions {
            size,
            short_sides,
            long_side: 64,
            transform: PYRAMID_TINY.transform(),
            rules: PYRAMID_TINY.rules(),
            most_objects: None,
            seed: 1,
        };
        let refused = Batches::start(Arc::new(SceneSet::new(2, 20)), options, 0);
        assert!(refused.is_err());
    }
}
