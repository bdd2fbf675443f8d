//! The weights that come with the crate: what they find in scenes that they were not trained on, and
//! that a GPU finds the same.
#![cfg(feature = "train")]

mod adapter;

use std::sync::Arc;

use fpn_wgpu::data::ImageSet;
use fpn_wgpu::data::scenes::SceneSet;
use fpn_wgpu::eval::{Evaluation, Found, Metrics};
use fpn_wgpu::gpu::Gpu;
use fpn_wgpu::models::faster_rcnn::PYRAMID_TINY;
use fpn_wgpu::weights::{self, Checkpoint};
use fpn_wgpu::{Detector, DetectorBuilder};

/// Scenes of a seed that nothing was trained on.
const HELD_OUT: u64 = 1000;

fn builtin() -> Checkpoint {
    weights::builtin(PYRAMID_TINY).expect("it has weights of its own")
}

fn evaluate(builder: DetectorBuilder, scenes: usize) -> Metrics {
    let detector = builder.build().expect("the weights fit");
    let set = SceneSet::new(HELD_OUT, scenes);
    assert_eq!(detector.class_names(), set.class_names());
    let mut evaluation = Evaluation::new(set.class_names());
    for index in 0..scenes {
        let example = set.example(index).expect("scenes are drawn");
        let found = detector.start(&example.picture).expect("sent").wait();
        let found = found
            .expect("computed")
            .items
            .into_iter()
            .map(|item| Found {
                bbox: item.bbox,
                score: item.score,
                label: item.label,
            });
        evaluation.add(example.objects, found.collect());
    }
    evaluation.metrics()
}

#[test]
fn they_find_shapes_of_all_sizes() {
    let metrics = evaluate(Detector::builder(builtin()), 40);
    println!("{metrics:?}");
    assert!(metrics.ap > Some(0.6), "{metrics:?}");
    assert!(metrics.ap50 > Some(0.85), "{metrics:?}");
    assert!(metrics.ap_small > Some(0.6), "{metrics:?}");
}

#[test]
fn a_gpu_finds_the_same() {
    let gpu: Arc<Gpu> = adapter::gpu();
    let [cpu, gpu] =
        [None, Some(gpu)].map(|gpu| evaluate(Detector::builder(builtin()).gpu(gpu), 12));
    for (cpu, gpu) in [(cpu.ap, gpu.ap), (cpu.ap50, gpu.ap50)] {
        let difference = cpu.zip(gpu).map(|(cpu, gpu)| (cpu - gpu).abs());
        assert!(difference < Some(0.002), "{cpu:?} {gpu:?}");
    }
}

#[test]
fn they_are_small() {
    let bytes = builtin().to_safetensors(true);
    assert!(bytes.expect("they are written").len() <= 4_000_000);
    let values = |checkpoint: &Checkpoint| -> usize {
        let tensors = checkpoint.tensors.values();
        tensors
            .map(|tensor| tensor.shape.iter().product::<usize>())
            .sum()
    };
    assert!(values(&builtin()) <= 3_000_000);
}
