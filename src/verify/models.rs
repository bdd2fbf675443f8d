//! Whole models on an adapter against the CPU engine.

use std::sync::Arc;

use super::stages::difference;
use super::{Check, Unit};
use crate::detections::{Detection, FeatureMap};
use crate::gpu::Gpu;
use crate::gpu::adapters::is_software;
use crate::models::{Architecture, ModelConfig, faster_rcnn, retinaface};
use crate::{BuildError, DetectError, Detector, weights};

/// What a map may be off by, relative to its largest value.
const MAP_TOLERANCE: f32 = 1e-4;

/// What one detection may be off by.
const BOX_TOLERANCE: f32 = 0.1;
const SCORE_TOLERANCE: f32 = 1e-3;

/// Seed of the weights and the picture: one with which every model finds something.
const SEED: u64 = 1;

/// The models worth comparing on an adapter: all, but on software, where the deeper ones take
/// minutes and use the same kernels, the smallest of either kind.
pub fn architectures(gpu: &Gpu) -> Vec<Architecture> {
    match is_software(gpu.info()) {
        true => vec![faster_rcnn::RESNET18_FPN, retinaface::MOBILENET025],
        false => Architecture::all().collect(),
    }
}

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
enum Failure {
    Build(#[from] BuildError),
    Detect(#[from] DetectError),
}

/// Compare a model's pyramid and, where it finds any, its detections, with generated weights on a small
/// generated picture: maps, then boxes and scores.
pub fn model(gpu: &Arc<Gpu>, architecture: Architecture) -> Vec<Check> {
    let mut parts = vec![("maps", Unit::Relative, MAP_TOLERANCE)];
    if architecture.selection().is_some() {
        parts.push(("boxes", Unit::Pixels, BOX_TOLERANCE));
        parts.push(("scores", Unit::Score, SCORE_TOLERANCE));
    }
    let (differences, problem) = match compare(gpu, architecture) {
        Ok((differences, problem)) => (differences, problem),
        Err(error) => ([f32::INFINITY; 3], Some(error.to_string())),
    };
    let checks = parts.into_iter().zip(differences);
    checks
        .map(|((part, unit, tolerance), difference)| {
            let passed = difference <= tolerance;
            Check {
                name: format!("{architecture} {part}"),
                cases: 1,
                difference,
                unit,
                tolerance,
                passed,
                problem: problem.clone().filter(|_| !passed),
            }
        })
        .collect()
}

/// The largest differences of maps, boxes and scores, and the first detection without a partner.
fn compare(
    gpu: &Arc<Gpu>,
    architecture: Architecture,
) -> Result<([f32; 3], Option<String>), Failure> {
    let config = ModelConfig {
        classes: architecture.default_classes().min(8),
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
    let pairs = maps.iter().zip(&expected_maps);
    let differences = pairs.map(|(found, expected)| difference(&found.values, &expected.values));
    let of_maps = differences.fold(0.0, f32::max);
    if architecture.selection().is_none() {
        return Ok(([of_maps, 0.0, 0.0], None));
    }
    if expected.is_empty() || found.len() != expected.len() {
        let problem = format!("{} detections instead of {}", found.len(), expected.len());
        return Ok(([of_maps, f32::INFINITY, f32::INFINITY], Some(problem)));
    }
    let ([boxes, scores], problem) = match_one_to_one(found, &expected);
    Ok(([of_maps, boxes, scores], problem))
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
