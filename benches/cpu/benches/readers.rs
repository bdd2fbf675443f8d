//! Opening a checkpoint of each format, and reading all its tensors.

use std::fs;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fpn_wgpu::models::ModelConfig;
use fpn_wgpu::models::faster_rcnn::RESNET18_FPN;
use fpn_wgpu::weights::{Checkpoint, seeded};

#[path = "../../../tests/checkpoints/pytorch.rs"]
mod pytorch;

fn readers(criterion: &mut Criterion) {
    let config = ModelConfig::of(RESNET18_FPN);
    let checkpoint = seeded(&config, 1);
    let tensors = checkpoint.tensors.iter().map(|(key, tensor)| {
        let values = tensor.read().expect("seeded weights can be read");
        (key.clone(), (tensor.shape.clone(), values))
    });
    let tensors: pytorch::StateDict = tensors.collect();
    let safetensors = |f16| checkpoint.to_safetensors(f16).expect("it can be written");
    let files = [
        ("safetensors, f32", safetensors(false)),
        ("safetensors, f16", safetensors(true)),
        ("PyTorch, zip", pytorch::zipped(&tensors, None)),
        ("PyTorch, legacy", pytorch::legacy(&tensors)),
    ];

    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut group = criterion.benchmark_group("read fasterrcnn_resnet18_fpn");
    group.sample_size(10);
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::write(&path, &bytes).expect("it can be written");
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                let checkpoint = Checkpoint::open(&path).expect("it can be opened");
                for tensor in checkpoint.tensors.values() {
                    tensor.read().expect("it can be read");
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, readers);
criterion_main!(benches);
