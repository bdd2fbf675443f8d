//! What it takes to compile a model, pass by pass.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use fpn_wgpu::compile::{Target, capture, compile, lower, optimize, schedule};
use fpn_wgpu::models::resnet::Depth;
use fpn_wgpu::models::{Architecture, ModelConfig};

const PADDED: [usize; 2] = [800, 1088];

fn passes(criterion: &mut Criterion) {
    let architecture = Architecture::FasterRcnnFpn(Depth::R50);
    let config = ModelConfig::of(architecture);
    let (transform, selection) = (architecture.transform(), architecture.selection());
    let target = Target::webgpu();
    let captured = capture(&config, PADDED, selection).expect("the model can be captured");
    let lowered = lower(&captured).expect("all operations are known");
    let optimized = optimize(lowered.clone());

    let mut group = criterion.benchmark_group("compile fasterrcnn_resnet50_fpn");
    group.bench_function("capture", |b| {
        b.iter(|| capture(&config, PADDED, selection));
    });
    group.bench_function("lower", |b| b.iter(|| lower(&captured)));
    group.bench_function("optimize", |b| {
        b.iter_batched(|| lowered.clone(), optimize, BatchSize::SmallInput);
    });
    group.bench_function("schedule", |b| {
        b.iter(|| schedule(&optimized, architecture, &transform, &target));
    });
    group.bench_function("all", |b| {
        b.iter(|| compile(&config, &transform, selection, PADDED, &target));
    });
    group.finish();
}

criterion_group!(benches, passes);
criterion_main!(benches);
