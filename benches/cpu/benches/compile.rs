//! What it takes to compile a model, pass by pass.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use fpn_wgpu::compile::{Source, Target, capture, compile, lower, optimize, schedule};
use fpn_wgpu::models::faster_rcnn::RESNET50_FPN;
use fpn_wgpu::models::{ModelConfig, Request};

const PADDED: [usize; 2] = [800, 1088];

fn passes(criterion: &mut Criterion) {
    let config = ModelConfig::of(RESNET50_FPN);
    let transform = RESNET50_FPN.transform();
    let request = Request::of(RESNET50_FPN);
    let target = Target::webgpu();
    let captured = capture(&config, PADDED, &request).expect("the model can be captured");
    let lowered = lower(&captured).expect("all operations are known");
    let optimized = optimize(lowered.clone()).expect("the graph is sound");

    let mut group = criterion.benchmark_group("compile fasterrcnn_resnet50_fpn");
    group.bench_function("capture", |b| {
        b.iter(|| capture(&config, PADDED, &request));
    });
    group.bench_function("lower", |b| b.iter(|| lower(&captured)));
    group.bench_function("optimize", |b| {
        b.iter_batched(|| lowered.clone(), optimize, BatchSize::SmallInput);
    });
    group.bench_function("schedule", |b| {
        let stage = |weight: &str| RESNET50_FPN.stage(weight);
        b.iter(|| schedule(&optimized, &stage, Source::Picture(&transform), &target));
    });
    group.bench_function("all", |b| {
        b.iter(|| compile(&config, &transform, &request, PADDED, &target));
    });
    group.finish();
}

criterion_group!(benches, passes);
criterion_main!(benches);
