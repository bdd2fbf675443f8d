//! Storing in 16 bits, and multiplying in them too, against PyTorch's 32. Rounding moves decisions, so
//! that some detections come and go: bounded is how many keep a partner, and how far those are off.

use std::sync::Arc;

use fpn_wgpu::boxes::iou;
use fpn_wgpu::compile::Precision;
use fpn_wgpu::gpu::Gpu;

use crate::case::Case;
use crate::matching::{Object, largest_difference};
use crate::support::TensorFile;
use crate::{adapter, retinaface};

/// How far detections may be off. Each is about twice what was seen on llvmpipe.
#[derive(Clone, Copy)]
struct Bound {
    /// Part of the detections, found and expected, that may be without partner.
    alone: f32,
    /// Pixels by which a side may be off.
    pixels: f32,
    /// By which a score may be off.
    score: f32,
}

/// Least overlap of partners.
const OVERLAP: f32 = 0.9;

/// This machine's adapter, if it computes so.
fn gpu(precision: Precision) -> Option<Arc<Gpu>> {
    let gpu = adapter::gpu();
    let suits = gpu.target(None, precision);
    suits
        .map_err(|error| eprintln!("not run: {error}"))
        .is_ok()
        .then_some(gpu)
}

fn compare(case: &str, found: &[Object], expected: &[Object], bound: Bound) {
    let mut free = expected.to_vec();
    let (mut pixels, mut score) = (0.0_f32, 0.0_f32);
    for object in found {
        let overlap = |other: &Object| iou(object.bbox, other.bbox);
        let same = free
            .iter()
            .enumerate()
            .filter(|(_, other)| other.label == object.label && overlap(other) >= OVERLAP);
        let nearest = same.max_by(|a, b| overlap(a.1).total_cmp(&overlap(b.1)));
        if let Some((index, _)) = nearest {
            let partner = free.remove(index);
            pixels = pixels.max(largest_difference(&object.bbox, &partner.bbox));
            score = score.max((object.score - partner.score).abs());
        }
    }
    let paired = expected.len() - free.len();
    let all = found.len() + expected.len();
    let alone = 1.0 - 2.0 * paired as f32 / all as f32;
    println!(
        "{case}: {paired} of {} and {}, alone {alone:.3}, box {pixels:.2e} px, score {score:.1e}",
        found.len(),
        expected.len(),
    );
    assert!(alone <= bound.alone, "{case}: {alone} alone");
    assert!(pixels <= bound.pixels, "{case}: {pixels} px");
    assert!(score <= bound.score, "{case}: score {score}");
}

#[test]
fn nothing_is_computed_in_16_bits_unless_asked() {
    assert_eq!(Precision::default(), Precision::F32);
}

fn faster_rcnn(precision: Precision, bound: Bound) {
    let Some(gpu) = gpu(precision) else { return };
    for name in ["frcnn_resnet18_s1", "frcnn_resnet34_s8"] {
        let case = Case::open(name);
        let found = case.detect(Some(gpu.clone()), precision);
        let found: Vec<Object> = found.iter().map(Object::from).collect();
        let name = format!("{name} {}", precision.name());
        compare(&name, &found, &case.expected(), bound);
    }
}

fn faces(precision: Precision, bound: Bound) {
    let Some(gpu) = gpu(precision) else { return };
    for name in ["retinaface_s1", "retinaface_s2", "retinaface_s3"] {
        let golden = TensorFile::golden(name);
        let found = retinaface::detections(&golden, Some(gpu.clone()), precision);
        let found: Vec<Object> = found.iter().map(Object::from).collect();
        let name = format!("{name} {}", precision.name());
        compare(&name, &found, &retinaface::expected(&golden), bound);
    }
}

#[test]
fn gpu_faster_rcnn_in_f16s() {
    let bound = Bound {
        alone: 0.06,
        pixels: 0.25,
        score: 0.014,
    };
    faster_rcnn(Precision::F16Storage, bound);
}

#[test]
fn gpu_faster_rcnn_in_f16() {
    let bound = Bound {
        alone: 0.08,
        pixels: 0.4,
        score: 0.014,
    };
    faster_rcnn(Precision::F16, bound);
}

#[test]
fn gpu_retinaface_in_f16s() {
    let bound = Bound {
        alone: 0.09,
        pixels: 0.9,
        score: 0.011,
    };
    faces(Precision::F16Storage, bound);
}

#[test]
fn gpu_retinaface_in_f16() {
    let bound = Bound {
        alone: 0.06,
        pixels: 1.0,
        score: 0.024,
    };
    faces(Precision::F16, bound);
}
