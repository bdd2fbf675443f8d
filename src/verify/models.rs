//! Whole models on an adapter against the CPU engine.

use std::sync::Arc;

use super::stages::difference;
use super::{Check, Unit};
use crate::detections::{Detection, FeatureMap};
use crate::gpu::Gpu;
use crate::gpu::adapters::is_software;
use crate::models::{
    Architecture, ModelConfig, efpn_tiny, faster_rcnn, faster_rcnn_c4, fpn_resnet, nanodet,
    retinaface,
};
use crate::{BuildError, DetectError, Detector, weights};

/// What a map may be off by, relative to its largest value.
const MAP_TOLERANCE: f32 = 1e-4;

/// What one detection may be off by.
const BOX_TOLERANCE: f32 = 0.1;
const SCORE_TOLERANCE: f32 = 1e-3;

/// Seed of the weights and the picture: one with which every model finds something.
const SEED: u64 = 1;

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

/// Compare a model's pyramid and, where it finds any, its detections, with generated weights on a small
/// generated picture: maps, then boxes and scores.
pub fn model(gpu: &Arc<Gpu>, architecture: Architecture) -> Vec<Check> {
    let mut parts = vec![("maps", Unit::Relative, MAP_TOLERANCE)];
    if architecture.selection().is_some() {
        parts.push(("boxes", Unit::Pixels, BOX_TOLERANCE));
        parts.push(("scores", Unit::Score, SCORE_TOLERANCE));
    }
    let outcomes = compare(gpu, architecture)
        .unwrap_or_else(|error| [(); 3].map(|()| (f32::INFINITY, Some(error.to_string()))));
    let checks = parts.into_iter().zip(outcomes);
    checks
        .map(|((part, unit, tolerance), (difference, problem))| {
            let passed = difference <= tolerance;
            Check {
                name: format!("{architecture} {part}"),
                cases: 1,
                difference,
                unit,
                tolerance,
                passed,
                problem: problem.filter(|_| !passed),
            }
        })
        .collect()
}

/// The maps, boxes and scores of a model on both engines.
fn compare(gpu: &Arc<Gpu>, architecture: Architecture) -> Result<[Outcome; 3], Failure> {
    let config = ModelConfig {
        classes: architecture.default_classes().min(8),
        ftt: architecture.specification().ftts.first().copied(),
        ..ModelConfig::of(architecture)
    };
    let picture = weights::picture(SEED, 120, 97).into();
    let compute = |gpu: Option<&Arc<Gpu>>| -> Result<(Vec<Detection>, Vec<FeatureMap>), Failure> {
        let builder = Detector::builder(weights::seeded(&config, SEED)).min_size(96);
        let detector = builder.gpu(gpu.cloned()).build()?;
        Ok(match architecture.selection() {
            None => (Vec::new(), detector.maps(&picture)?),
            Some(_) => {
                let (found, maps) = detector.detect_with_maps(&picture)?;
                (found.items, maps)
            }
        })
    };
    let ((found, maps), (expected, expected_maps)) = (compute(Some(gpu))?, compute(None)?);
    let [boxes, scores] = match architecture.selection() {
        None => [(0.0, None), (0.0, None)],
        Some(_) => compare_detections(found, &expected),
    };
    Ok([compare_maps(&maps, &expected_maps), boxes, scores])
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

/// The largest differences of boxes and scores, and the first detection without a partner.
fn compare_detections(found: Vec<Detection>, expected: &[Detection]) -> [Outcome; 2] {
    let (differences, problem) = match expected.is_empty() || found.len() != expected.len() {
        true => {
            let problem = format!("{} detections instead of {}", found.len(), expected.len());
            ([f32::INFINITY; 2], Some(problem))
        }
        false => match_one_to_one(found, expected),
    };
    differences.map(|difference| (difference, problem.clone()))
}

fn match_one_to_one(
    mut found: Vec<Detection>,
    expected: &[Detection],
) -> ([f32; 2], Option<String>) {
    let mut largest = [0.0_f32; 2];
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
            return ([f32::INFINITY; 2], Some(format!("{expected:?} is missing")));
        };
        let partner = found.swap_remove(index);
        largest[0] = largest[0].max(distance);
        largest[1] = largest[1].max((partner.score - expected.score).abs());
    }
    (largest, None)
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
