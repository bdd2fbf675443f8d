//! Kernels' CPU references. They are written to be read, not to be fast: what matters is how long checks
//! against them take.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use fpn_wgpu::boxes::Edges;
use fpn_wgpu::kernels::checks::{Case, Random};
use fpn_wgpu::kernels::conv::{self, ConvForm, ConvShape};
use fpn_wgpu::kernels::roi_align::{self, RoiAlignShape};
use fpn_wgpu::kernels::{Dispatch, nms_levels};

fn reference(criterion: &mut Criterion, name: &str, case: &Case) {
    let Dispatch {
        shader,
        params,
        workgroups,
    } = &case.dispatch;
    criterion.bench_function(name, |b| {
        b.iter_batched_ref(
            || case.bindings.clone(),
            |bindings| shader.run_reference(params, *workgroups, bindings),
            BatchSize::LargeInput,
        );
    });
}

fn all(criterion: &mut Criterion) {
    let random = &mut Random::new(1);
    let shape = ConvShape::same([32, 32], 64, 64);
    reference(
        criterion,
        "conv 3x3/1 64-64 32x32",
        &conv::case(ConvForm::Registers(8), shape, random),
    );

    let shape = RoiAlignShape {
        finest: [80, 80],
        levels: 4,
        bound: [0, 4],
        channels: 64,
        capacity: 100,
        cells: [7, 7],
        sampling_ratio: 2,
        aligned: false,
        canonical_level: 4,
        canonical_size: 224.0,
        epsilons: [0.0, 1e-6],
    };
    let boxes: Vec<[f32; 4]> = (0..shape.capacity)
        .map(|_| random.bbox([320, 320], 200.0))
        .collect();
    let case = roi_align::case(shape, &boxes, random);
    reference(criterion, "roi_align, 100 boxes, 64 channels", &case);

    let case = nms_levels::case(5, 1000, 1000, 0.7, Edges::Exclusive, random);
    reference(criterion, "nms_levels, five levels of 1000", &case);
}

criterion_group!(benches, all);
criterion_main!(benches);
