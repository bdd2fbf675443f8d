//! Whole models on an adapter against the CPU engine.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::stages::difference;
use super::{Check, Unit};
use crate::detections::{Detection, FeatureMap};
use crate::gpu::Gpu;
use crate::gpu::adapters::is_software;
use crate::models::{
    Architecture, ModelConfig, dense_detector, efpn_tiny, faster_rcnn, faster_rcnn_c4, fpn_resnet,
    nanodet, retinaface,
};
use crate::{BuildError, DetectError, Detector, weights};

/// What a map may be off by, relative to its largest value.
const MAP_TOLERANCE: f32 = 1e-4;

/// What one detection may be off by.
const BOX_TOLERANCE: f32 = 0.1;
const SCORE_TOLERANCE: f32 = 1e-3;

/// What a mask may be off by: masks of seeded weights on a small picture have a hundred pixels or so, and a
/// probability of a half may fall to either side.
const MASK_TOLERANCE: f32 = 0.02;

/// Seeds of the weights and the picture that are tried: the first counts with which a model finds something.
const SEEDS: RangeInclusive<u64> = 1..=16;

/// The models worth comparing on an adapter: all, but on software, where the deeper ones take
/// minutes and use the same kernels, the smallest of each kind.
pub fn architectures(gpu: &Gpu) -> Vec<Architecture> {
    match is_software(gpu.info()) {
        true => vec![
            faster_rcnn::RESNET18_FPN,
            retinaface::MOBILENET025,
            nanodet::PLUS_M_320,
            nanodet::M_320,
            efpn_tiny::EFPN_TINY,
            faster_rcnn_c4::RESNET50,
            fpn_resnet::RESNET50,
            faster_rcnn::MOBILENET_320_FPN,
            faster_rcnn::MASK_RESNET50_FPN_V2,
            faster_rcnn::KEYPOINT_RESNET50_FPN,
            dense_detector::RETINANET_RESNET50_FPN_V2,
            dense_detector::FCOS_RESNET50_FPN,
        ],
        false => Architecture::all().collect(),
    }
}

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
enum Failure {
    Build(#[from] BuildError),
    Detect(#[from] DetectError),
}

/// What was compared of a model: how far it is off, and what else is wrong with it.
type Outcome = (f32, Option<String>);

/// What an engine finds, and the maps it makes.
type Computed = (Vec<Detection>, Vec<FeatureMap>);

/// Something that is compared of a model.
struct Part {
    name: &'static str,
    unit: Unit,
    tolerance: f32,
    outcome: Outcome,
}

/// Compare a model's pyramid and, where it finds any, its detections and what it finds in them, with generated
/// weights on a small generated picture.
pub fn model(gpu: &Arc<Gpu>, architecture: Architecture) -> Vec<Check> {
    let parts = compare(gpu, architecture).unwrap_or_else(|error| {
        vec![Part {
            name: "maps",
            unit: Unit::Relative,
            tolerance: MAP_TOLERANCE,
            outcome: (f32::INFINITY, Some(error.to_string())),
        }]
    });
    let checks = parts.into_iter().map(|part| {
        let (difference, problem) = part.outcome;
        let passed = difference <= part.tolerance;
        Check {
            name: format!("{architecture} {}", part.name),
            cases: 1,
            difference,
            unit: part.unit,
            tolerance: part.tolerance,
            passed,
            problem: problem.filter(|_| !passed),
        }
    });
    checks.collect()
}

/// The parts of a model on both engines.
fn compare(gpu: &Arc<Gpu>, architecture: Architecture) -> Result<Vec<Part>, Failure> {
    let config = ModelConfig {
        classes: architecture.default_classes().min(8),
        ftt: architecture.specification().ftts.first().copied(),
        ..ModelConfig::of(architecture)
    };
    let compute = |seed: u64, gpu: Option<&Arc<Gpu>>| -> Result<Computed, Failure> {
        let picture = weights::picture(seed, 120, 97).into();
        let builder = Detector::builder(weights::seeded(&config, seed)).min_size(96);
        let detector = builder.gpu(gpu.cloned()).build()?;
        Ok(match architecture.selection() {
            None => (Vec::new(), detector.maps(&picture)?),
            Some(_) => {
                let (found, maps) = detector.detect_with_maps(&picture)?;
                (found.items, maps)
            }
        })
    };
    let mut seeds = SEEDS;
    let (seed, (expected, expected_maps)) = loop {
        let seed = seeds.next().expect("one is left");
        let computed = compute(seed, None)?;
        if seeds.is_empty() || architecture.selection().is_none() || !computed.0.is_empty() {
            break (seed, computed);
        }
    };
    let (found, maps) = compute(seed, Some(gpu))?;
    let mut parts = vec![Part {
        name: "maps",
        unit: Unit::Relative,
        tolerance: MAP_TOLERANCE,
        outcome: compare_maps(&maps, &expected_maps),
    }];
    if architecture.selection().is_some() {
        parts.extend(compare_detections(found, &expected));
    }
    Ok(parts)
}

/// The largest difference of the same maps, in the same order.
fn compare_maps(found: &[FeatureMap], expected: &[FeatureMap]) -> Outcome {
    let described = |maps: &[FeatureMap]| -> Vec<String> {
        let described = maps.iter();
        described
            .map(|map| format!("{} {:?}", map.info.name, map.shape))
            .collect()
    };
    let (names, expected_names) = (described(found), described(expected));
    if expected.is_empty() || names != expected_names {
        let problem = format!("the maps {names:?} instead of {expected_names:?}");
        return (f32::INFINITY, Some(problem));
    }
    let pairs = found.iter().zip(expected);
    let differences = pairs.map(|(found, expected)| difference(&found.values, &expected.values));
    (differences.fold(0.0, f32::max), None)
}

/// The largest differences of boxes, scores, and masks or keypoints where there are any; and the first detection
/// without a partner.
fn compare_detections(found: Vec<Detection>, expected: &[Detection]) -> Vec<Part> {
    let (differences, problem) = match expected.is_empty() || found.len() != expected.len() {
        true => {
            let problem = format!("{} detections instead of {}", found.len(), expected.len());
            ([f32::INFINITY; 4], Some(problem))
        }
        false => match_one_to_one(found, expected),
    };
    let first = expected.first();
    let has = |part: fn(&Detection) -> bool| first.is_some_and(part);
    let parts = [
        ("boxes", Unit::Pixels, BOX_TOLERANCE, true),
        ("scores", Unit::Score, SCORE_TOLERANCE, true),
        (
            "masks",
            Unit::Relative,
            MASK_TOLERANCE,
            has(|found| found.mask.is_some()),
        ),
        (
            "keypoints",
            Unit::Pixels,
            BOX_TOLERANCE,
            has(|found| found.keypoints.is_some()),
        ),
    ];
    let parts = parts.into_iter().zip(differences);
    parts
        .filter(|((.., is_there), _)| *is_there)
        .map(|((name, unit, tolerance, _), difference)| Part {
            name,
            unit,
            tolerance,
            outcome: (difference, problem.clone()),
        })
        .collect()
}

fn match_one_to_one(
    mut found: Vec<Detection>,
    expected: &[Detection],
) -> ([f32; 4], Option<String>) {
    let mut largest = [0.0_f32; 4];
    for expected in expected {
        let distance = |found: &Detection| {
            let sides = found.bbox.iter().zip(expected.bbox);
            sides.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
        };
        let nearest = (0..found.len())
            .filter(|&index| found[index].label == expected.label)
            .map(|index| (index, distance(&found[index])))
            .min_by(|a, b| a.1.total_cmp(&b.1));
        let Some((index, distance)) = nearest.filter(|(_, distance)| *distance <= BOX_TOLERANCE)
        else {
            return ([f32::INFINITY; 4], Some(format!("{expected:?} is missing")));
        };
        let partner = found.swap_remove(index);
        let differences = [
            distance,
            (partner.score - expected.score).abs(),
            between_masks(&partner, expected),
            between_keypoints(&partner, expected),
        ];
        for (largest, difference) in largest.iter_mut().zip(differences) {
            *largest = largest.max(difference);
        }
    }
    (largest, None)
}

/// The share of both masks' pixels that is not in both.
fn between_masks(found: &Detection, expected: &Detection) -> f32 {
    match (&found.mask, &expected.mask) {
        (None, None) => 0.0,
        (Some(found), Some(expected)) if found.area() + expected.area() == 0 => 0.0,
        (Some(found), Some(expected)) => match found.iou(expected) {
            Ok(iou) => 1.0 - iou as f32,
            Err(_) => f32::INFINITY,
        },
        _ => f32::INFINITY,
    }
}

/// Pixels between the keypoints that are farthest apart.
fn between_keypoints(found: &Detection, expected: &Detection) -> f32 {
    match (&found.keypoints, &expected.keypoints) {
        (None, None) => 0.0,
        (Some(found), Some(expected)) => {
            let pairs = found.iter().zip(expected);
            let distances = pairs.map(|(a, b)| (a[0] - b[0]).abs().max((a[1] - b[1]).abs()));
            distances.fold(0.0, f32::max)
        }
        _ => f32::INFINITY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{MapInfo, MapKind};

    fn map(level: usize, values: [f32; 2]) -> FeatureMap {
        FeatureMap {
            info: MapInfo {
                name: format!("P{level}"),
                kind: MapKind::Pyramid,
                level,
                stride: 1 << level,
            },
            shape: [1, 1, 2],
            coverage: [1.0, 1.0],
            values: values.to_vec(),
        }
    }

    #[test]
    fn the_largest_difference_of_all_maps_counts() {
        let expected = [map(2, [1.0, 2.0]), map(3, [1.0, 4.0])];
        let found = [map(2, [1.5, 2.0]), map(3, [1.0, 3.0])];
        assert_eq!(compare_maps(&expected, &expected), (0.0, None));
        assert_eq!(compare_maps(&found, &expected), (0.25, None));
    }

    #[test]
    fn maps_that_are_missing_or_others_are_wrong() {
        let expected = [map(2, [1.0, 2.0]), map(3, [1.0, 4.0])];
        let other = [expected[1].clone(), expected[0].clone()];
        let cases: [(&[FeatureMap], &[FeatureMap]); 4] = [
            (&expected[..1], &expected),
            (&expected, &expected[..1]),
            (&other, &expected),
            (&[], &[]),
        ];
        for (found, expected) in cases {
            let (difference, problem) = compare_maps(found, expected);
            assert_eq!(difference, f32::INFINITY);
            assert!(problem.is_some());
        }
        let (_, problem) = compare_maps(&expected[..1], &expected);
        let sentence = r#"the maps ["P2 [1, 1, 2]"] instead of ["P2 [1, 1, 2]", "P3 [1, 1, 2]"]"#;
        assert_eq!(problem.as_deref(), Some(sentence));
    }
}
