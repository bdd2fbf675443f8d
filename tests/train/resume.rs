//! A training that was taken up goes on as if it had never stopped.

use std::sync::Arc;

use burn::tensor::Device;
use fpn_wgpu::data::scenes::{SceneSet, class_names};
use fpn_wgpu::models::faster_rcnn::PYRAMID_TINY;
use fpn_wgpu::train::{
    BatchNorms, BatchOptions, Batches, Decay, Schedule, StepReport, TrainOptions, Trainer, resume,
};
use fpn_wgpu::weights::Checkpoint;

pub fn options(batch_norms: BatchNorms) -> TrainOptions {
    TrainOptions {
        model: PYRAMID_TINY.name().to_owned(),
        class_names: class_names(),
        bn_eps: 1e-5,
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
        proposals: 200,
        rois: 32,
        batch: 8,
        short_sides: vec![64, 96],
        long_side: 200,
        seed: 5,
        data: "scenes:2:20".to_owned(),
    }
}

/// Steps to `until`; the order of the pictures is that of the steps, whatever came before.
pub fn train(trainer: &mut Trainer, until: usize) -> Vec<StepReport> {
    let options = trainer.options();
    let batches = Batches::start(
        Arc::new(SceneSet::new(2, 20)),
        BatchOptions {
            size: options.batch,
            short_sides: options.short_sides.clone(),
            long_side: options.long_side,
            transform: PYRAMID_TINY.transform(),
            seed: options.seed,
        },
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
        let new = || Trainer::new(options(batch_norms), Device::flex()).expect("it can be trained");
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
    let mut trainer = Trainer::new(frozen, Device::flex()).expect("it can be trained");
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
