//! What the engines hand to a detector.

use std::collections::BTreeSet;

use crate::ops::candidates::Candidate;
use crate::plan::{InstanceKind, MapInfo, MapKind};
use crate::stage::Stage;

/// What an engine hands over besides detections and what was found in them, of all that a model was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Nothing.
    Detections,
    /// The maps of these kinds.
    Maps(BTreeSet<MapKind>),
    /// All of it.
    Everything,
}

impl Reading {
    /// Whether maps of a kind are handed over.
    pub fn has_map(&self, kind: MapKind) -> bool {
        match self {
            Self::Detections => false,
            Self::Maps(kinds) => kinds.contains(&kind),
            Self::Everything => true,
        }
    }

    /// Whether what is no map is handed over.
    pub fn has_tensors(&self) -> bool {
        *self == Self::Everything
    }
}

/// A tensor in the host's memory.
#[derive(Clone, Debug, PartialEq)]
pub struct HostTensor {
    /// Extents of its dimensions.
    pub shape: Vec<usize>,
    /// Row-major, as many as the shape has.
    pub values: Vec<f32>,
}

/// A map in the host's memory.
#[derive(Clone, Debug, PartialEq)]
pub struct HostMap {
    /// What it is a map of.
    pub info: MapInfo,
    /// Channels, height, width.
    pub shape: [usize; 3],
    /// Row-major, `[C, H, W]`.
    pub values: Vec<f32>,
}

/// A box that may hold an object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proposal {
    /// `[x1, y1, x2, y2]` in pixels of the resized picture.
    pub bbox: [f32; 4],
    /// The level (2 for P2) whose anchor it started from.
    pub level: usize,
}

/// What an engine gives for one picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Computed {
    /// In pixels of the original picture, best first; none of a model that finds none.
    pub detections: Vec<Candidate>,
    /// What was found in them, a row each.
    pub instances: Option<(InstanceKind, HostTensor)>,
    /// The maps that were asked for, finest first within a kind.
    pub maps: Vec<HostMap>,
    /// Best first; none where they were not asked for.
    pub proposals: Vec<Proposal>,
    /// Other tensors by name, in the order in which the module gives them back.
    pub tensors: Vec<(String, HostTensor)>,
    /// Seconds that each part took by the device's clock, in the order of the work; none where they were not timed.
    pub parts: Vec<(Stage, f64)>,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::compile::Precision;
    use crate::cpu::CpuEngine;
    use crate::gpu::{self, Gpu, GpuEngine};
    use crate::models::faster_rcnn::PYRAMID_TINY;
    use crate::models::{ModelConfig, Request};
    use crate::transform::{ResizeBounds, Transform};
    use crate::weights;

    /// Pixels of the resized picture by which a proposal's side may be off.
    const TOLERANCE: f32 = 0.01;

    /// What the CPU engine and a GPU compute with seeded weights, where proposals are asked for and where
    /// not; they are read with everything or not at all.
    fn computed(gpu: &Arc<Gpu>, proposals: bool, reading: &Reading) -> [Computed; 2] {
        let config = ModelConfig::of(PYRAMID_TINY);
        let checkpoint = weights::seeded(&config, 1);
        let transform = Transform {
            resize: Some(ResizeBounds {
                min_size: 64,
                max_size: 96,
            }),
            ..PYRAMID_TINY.transform()
        };
        let request = Request {
            proposals,
            ..Request::of(PYRAMID_TINY)
        };
        let picture = weights::picture(1, 144, 96);
        let frame = transform.frame([96, 144]);
        let model = weights::load(&config, &checkpoint).expect("seeded weights fit");
        let cpu = CpuEngine::new(model, transform, request.clone());
        let gpu = pollster::block_on(GpuEngine::new(
            gpu.clone(),
            config,
            transform,
            request,
            &checkpoint,
            (None, Precision::F32),
            &async || {},
        ));
        let gpu = gpu.expect("seeded weights fit");
        let sent = gpu.start(&picture, reading).expect("sent");
        let expected = cpu.compute(&picture, &frame, reading);
        [expected.expect("computed"), sent.wait().expect("computed")]
    }

    #[test]
    fn both_engines_give_the_same_proposals_where_they_are_asked_for() {
        let gpu = gpu::open_best();
        let maps_alone = Reading::Maps([MapKind::Pyramid].into());
        for (asks, reading, levels) in [
            (false, Reading::Everything, 5),
            (true, maps_alone, 5),
            (true, Reading::Maps([MapKind::Heads].into()), 0),
            (true, Reading::Detections, 0),
        ] {
            for computed in computed(&gpu, asks, &reading) {
                assert_eq!(computed.proposals, []);
                assert_eq!(computed.maps.len(), levels);
            }
        }
        let [expected, found] = computed(&gpu, true, &Reading::Everything);
        let (expected, found) = (expected.proposals, found.proposals);
        assert_eq!(found.len(), expected.len());
        let selection = PYRAMID_TINY.selection().expect("it is a detector");
        assert_eq!(expected.len(), selection.proposals);
        for (index, expected) in expected.iter().enumerate() {
            let is_same = |found: &Proposal| {
                let mut sides = found.bbox.iter().zip(expected.bbox);
                found.level == expected.level && sides.all(|(a, b)| (a - b).abs() <= TOLERANCE)
            };
            // Neighbours whose scores are alike but for rounding may have changed places.
            let near = index.saturating_sub(1)..found.len().min(index + 2);
            let found = &found[near];
            assert!(
                found.iter().any(is_same),
                "{index}: {expected:?}, not of {found:?}"
            );
        }
    }
}
