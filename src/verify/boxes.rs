//! Cases of the kernels that choose, decode and suppress boxes.

use super::Random;
use super::case::{Case, UNWRITTEN};
use super::maps::frame;
use crate::compile::{Params, groups, quads};
use crate::ops::anchors::AnchorGrid;
use crate::plan::{Kernel, Numbers};
use crate::twins;

/// Height and width of the picture that boxes lie in, before and after it was resized.
const ORIGINAL: [usize; 2] = [333, 500];
const RESIZED: [usize; 2] = [199, 300];

/// An empty slot, and one of its key.
const EMPTY: u32 = 0;

fn unwritten(words: usize) -> Vec<u32> {
    vec![UNWRITTEN; words]
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Boxes of which some repeat earlier ones.
fn boxes(count: usize, random: &mut Random) -> Vec<[f32; 4]> {
    let mut boxes: Vec<[f32; 4]> = Vec::with_capacity(count);
    for index in 0..count {
        let repeats = index > 0 && random.below(6) == 0;
        boxes.push(match repeats {
            true => boxes[random.below(index)],
            false => random.bbox(RESIZED, 120.0),
        });
    }
    boxes
}

/// [`Kernel::TopAnchors`]: `logits` are those of all anchors, in the order of cell and anchor.
pub fn top_anchors(logits: &[f32], anchors: usize, limit: usize, about: &str) -> Case {
    let cells = logits.len() / anchors;
    let pitch = 4 * quads(anchors);
    let params = Params::new().u(cells).u(anchors).u(pitch).u(limit);
    let mut map = unwritten(cells * pitch);
    for (cell, own) in map
        .chunks_exact_mut(pitch)
        .zip(logits.chunks_exact(anchors))
    {
        cell[..anchors].copy_from_slice(&bits(own));
    }
    Case {
        about: format!("{about}: {limit} of {}", logits.len()),
        kernel: Kernel::TopAnchors,
        numbers: Numbers::F32,
        params: params.0,
        groups: [1, 1, 1],
        bindings: vec![map, unwritten(1 + limit)],
    }
}

/// Proposals of one level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProposalsShape {
    /// Height and width of the map.
    pub size: [usize; 2],
    /// Anchors that were chosen, at most three a cell.
    pub chosen: usize,
    /// Slots of the level, at least as many.
    pub limit: usize,
    /// First slot.
    pub first_slot: usize,
}

/// [`Kernel::DecodeProposals`].
pub fn decode_proposals(shape: ProposalsShape, random: &mut Random) -> Case {
    let grid = AnchorGrid::pyramid(32.0);
    let cells = shape.size[0] * shape.size[1];
    let params = (0..3)
        .map(|a| grid.anchor(1, a, [0, 0], [8, 8]))
        .fold(Params::new(), Params::vec4)
        .pair(shape.size)
        .pair([8, 9])
        .u(4)
        .u(12)
        .u(shape.limit)
        .u(shape.first_slot)
        .f(1e-3)
        .unused(3);
    let mut anchors: Vec<u32> = (0..3 * cells as u32).collect();
    let chosen = shape.chosen.min(anchors.len());
    for index in 0..chosen {
        let other = index + random.below(anchors.len() - index);
        anchors.swap(index, other);
    }
    let mut list = vec![chosen as u32];
    list.extend(&anchors[..chosen]);
    list.resize(1 + shape.limit, UNWRITTEN);
    // Few different logits, so that there are ties.
    let logits = (0..cells * 4).map(|_| (random.below(40) as f32 - 20.0).to_bits());
    let slots = shape.first_slot + shape.limit;
    Case {
        about: format!("{shape:?}"),
        kernel: Kernel::DecodeProposals,
        numbers: Numbers::F32,
        params: params.0,
        groups: groups(shape.limit),
        bindings: vec![
            frame(ORIGINAL, RESIZED),
            logits.collect(),
            random.floats(cells * 12),
            list,
            unwritten(slots * 4),
            unwritten(slots),
        ],
    }
}

/// Keys of slots that hold boxes in order, some of which are empty; all from `filled` on.
fn keys(slots: usize, filled: usize, random: &mut Random) -> Vec<u32> {
    let key = |slot: usize| 0x9000_0000 - slot as u32;
    (0..slots)
        .map(|slot| match slot < filled && random.below(8) > 0 {
            true => key(slot),
            false => EMPTY,
        })
        .collect()
}

/// [`Kernel::NmsLevels`]: `filled` of `slots` in each of `levels`, at most 1024.
pub fn nms_levels(
    levels: usize,
    slots: usize,
    filled: usize,
    threshold: f32,
    random: &mut Random,
) -> Case {
    let params = Params::new().u(slots).f(threshold).unused(2);
    let boxes = boxes(levels * slots, random);
    Case {
        about: format!("{levels} levels, {filled} of {slots} slots, threshold {threshold}"),
        kernel: Kernel::NmsLevels,
        numbers: Numbers::F32,
        params: params.0,
        groups: [levels as u32, 1, 1],
        bindings: vec![
            bits(boxes.as_flattened()),
            (0..levels)
                .flat_map(|_| keys(slots, filled, random))
                .collect(),
        ],
    }
}

/// [`Kernel::MergeProposals`]: `filled` of `slots` in each of five levels.
pub fn merge_proposals(slots: usize, filled: usize, limit: usize, random: &mut Random) -> Case {
    let all = 5 * slots;
    let params = Params::new().u(all).u(slots).u(limit).u(0);
    let boxes = boxes(all, random);
    Case {
        about: format!("{limit} of five levels with {filled} in {slots} slots"),
        kernel: Kernel::MergeProposals,
        numbers: Numbers::F32,
        params: params.0,
        groups: groups(all),
        bindings: vec![
            bits(boxes.as_flattened()),
            (0..5).flat_map(|_| keys(slots, filled, random)).collect(),
            unwritten(limit * 4),
            unwritten(limit),
            unwritten(1),
        ],
    }
}

/// What the box head says of some RoIs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoisShape {
    /// RoIs that are meant.
    pub rois: usize,
    /// RoIs that fit.
    pub slots: usize,
    /// Classes, background included.
    pub classes: usize,
    /// Candidates that fit.
    pub capacity: usize,
    /// A (RoI, class) must score more.
    pub threshold: f32,
}

/// [`Kernel::DecodeRois`].
pub fn decode_rois(shape: RoisShape, random: &mut Random) -> Case {
    let (logit_pitch, delta_pitch) = (4 * quads(shape.classes), 4 * shape.classes);
    let params = Params::new()
        .vec4([10.0, 10.0, 5.0, 5.0])
        .u(shape.classes)
        .u(logit_pitch)
        .u(delta_pitch)
        .u(shape.capacity)
        .f(shape.threshold)
        .f(1e-2)
        .unused(2);
    let logits = (0..shape.slots * logit_pitch).map(|_| random.between(-6.0, 6.0).to_bits());
    let logits = logits.collect();
    let deltas = (0..shape.slots * delta_pitch).map(|_| random.between(-4.0, 4.0).to_bits());
    let deltas = deltas.collect();
    let boxes = boxes(shape.slots, random);
    Case {
        about: format!("{shape:?}"),
        kernel: Kernel::DecodeRois,
        numbers: Numbers::F32,
        params: params.0,
        groups: [1, 1, 1],
        bindings: vec![
            frame(ORIGINAL, RESIZED),
            logits,
            deltas,
            bits(boxes.as_flattened()),
            (0..shape.slots)
                .map(|_| 2 + random.below(5) as u32)
                .collect(),
            vec![shape.rois as u32],
            unwritten(shape.capacity * 8),
            unwritten(1),
        ],
    }
}

/// One level of a one-stage detector's heads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AnchorsShape {
    /// Height and width of the map.
    pub size: [usize; 2],
    /// Candidates that fit.
    pub capacity: usize,
    /// Candidates of the levels before; none for the first level.
    pub before: Option<usize>,
    /// An anchor must score more.
    pub threshold: f32,
}

/// [`Kernel::DecodeAnchors`].
pub fn decode_anchors(shape: AnchorsShape, random: &mut Random) -> Case {
    let params = Params::new()
        .vec4([8.0, 8.0, 64.0, 64.0])
        .vec4([8.0, 8.0, 128.0, 128.0])
        .pair(shape.size)
        .u(16)
        .u(4)
        .pair([4, 8])
        .u(20)
        .u(shape.before.is_none().into())
        .f(shape.threshold)
        .f(0.1)
        .f(0.2)
        .u(shape.capacity);
    let cells = shape.size[0] * shape.size[1];
    let classes = (0..cells * 4).map(|_| random.between(-4.0, 4.0).to_bits());
    Case {
        about: format!("{shape:?}"),
        kernel: Kernel::DecodeAnchors,
        numbers: Numbers::F32,
        params: params.0,
        groups: [1, 1, 1],
        bindings: vec![
            classes.collect(),
            random.floats(cells * 8),
            random.floats(cells * 20),
            unwritten(shape.capacity * 20),
            vec![shape.before.map_or(UNWRITTEN, |count| count as u32)],
        ],
    }
}

/// Candidates before the final selection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CandidatesShape {
    /// How many were found.
    pub found: usize,
    /// How many fit.
    pub capacity: usize,
    /// vec4 of each: 2, or 5 with landmarks.
    pub quads: usize,
    /// Classes, the background not among them.
    pub classes: usize,
    /// Most that are kept.
    pub limit: usize,
    /// Overlap above which the weaker falls.
    pub threshold: f32,
}

fn candidates(shape: CandidatesShape, random: &mut Random) -> Vec<u32> {
    let boxes = boxes(shape.capacity, random);
    let rows = boxes.iter().flat_map(|bbox| {
        let mut row = bits(bbox);
        row.extend(random.floats(4 * (shape.quads - 2)));
        // Few different scores, so that there are ties.
        let score = random.below(30) as f32 / 32.0;
        let label = 1.0 + random.below(shape.classes) as f32;
        let level = 2.0 + random.below(5) as f32;
        row.extend(bits(&[score, label, level, 0.0]));
        row
    });
    rows.collect()
}

/// [`Kernel::RankCandidates`].
pub fn rank_candidates(shape: CandidatesShape, random: &mut Random) -> Case {
    let params = Params::new().u(shape.capacity).u(shape.quads).unused(2);
    Case {
        about: format!("{shape:?}"),
        kernel: Kernel::RankCandidates,
        numbers: Numbers::F32,
        params: params.0,
        groups: groups(shape.capacity),
        bindings: vec![
            candidates(shape, random),
            vec![shape.found as u32],
            unwritten(shape.capacity),
        ],
    }
}

/// [`Kernel::SelectDetections`].
pub fn select_detections(shape: CandidatesShape, random: &mut Random) -> Case {
    let ranking = rank_candidates(shape, random);
    let mut ranked = ranking.bindings;
    twins::run(ranking.kernel, &ranking.params, ranking.groups, &mut ranked);
    let params = Params::new()
        .u(shape.capacity)
        .u(shape.quads)
        .u(shape.limit)
        .f(shape.threshold);
    let mut bindings = vec![frame(ORIGINAL, RESIZED)];
    bindings.append(&mut ranked);
    bindings.push(unwritten(shape.capacity));
    let mut results = vec![0; 4];
    results.resize(4 + shape.limit * shape.quads * 4, UNWRITTEN);
    bindings.push(results);
    Case {
        about: format!("{shape:?}"),
        kernel: Kernel::SelectDetections,
        numbers: Numbers::F32,
        params: params.0,
        groups: [1, 1, 1],
        bindings,
    }
}

/// [`Kernel::CheckFinite`] over a map of these values.
pub fn check_finite(map: &[f32]) -> Case {
    let quads = map.len() / 4;
    Case {
        about: format!("{quads} times four values"),
        kernel: Kernel::CheckFinite,
        numbers: Numbers::F32,
        params: Params::new().u(quads).unused(3).0,
        groups: [64, 1, 1],
        bindings: vec![bits(map), vec![0; 4]],
    }
}

pub(super) fn top_anchors_cases(random: &mut Random) -> Vec<Case> {
    let mut values =
        |count: usize| -> Vec<f32> { (0..count).map(|_| random.between(-9.0, 9.0)).collect() };
    let distinct = values(3 * 1400);
    let ties: Vec<f32> = values(3 * 500).iter().map(|value| value.round()).collect();
    let mut holes = values(3 * 400);
    for value in holes.iter_mut().step_by(5) {
        *value = f32::NAN;
    }
    let zeros: Vec<f32> = [0.0, -0.0, -0.0, 0.0, -1e-30, 1e-30].repeat(100);
    let extremes: Vec<f32> = [
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MAX,
        f32::MIN,
        0.5,
        -0.5,
    ]
    .repeat(50);
    vec![
        top_anchors(&distinct, 3, 1000, "distinct"),
        top_anchors(&ties, 3, 300, "ties"),
        top_anchors(&distinct[..600], 3, 1000, "fewer than asked for"),
        top_anchors(&distinct[..1000], 2, 1000, "as many as asked for"),
        top_anchors(&holes, 3, 1000, "NaN"),
        top_anchors(&[f32::NAN; 30], 3, 10, "nothing but NaN"),
        top_anchors(&[1.25; 3000], 3, 1000, "all equal"),
        top_anchors(&zeros, 3, 250, "zeros of both signs"),
        top_anchors(&extremes, 3, 120, "infinities"),
        top_anchors(&[-2.0, 3.0, 0.0], 3, 1, "one cell"),
    ]
}

pub(super) fn decode_proposals_cases(random: &mut Random) -> Vec<Case> {
    [
        ([19, 23], 900, 1000, 0),
        ([19, 23], 1000, 1000, 1000),
        ([1, 1], 3, 50, 7),
        ([4, 5], 0, 100, 0),
    ]
    .map(|(size, chosen, limit, first_slot)| {
        decode_proposals(
            ProposalsShape {
                size,
                chosen,
                limit,
                first_slot,
            },
            random,
        )
    })
    .to_vec()
}

pub(super) fn nms_levels_cases(random: &mut Random) -> Vec<Case> {
    vec![
        nms_levels(5, 300, 280, 0.7, random),
        nms_levels(1, 1024, 1024, 0.3, random),
        nms_levels(2, 100, 0, 0.7, random),
        nms_levels(3, 1, 1, 0.0, random),
    ]
}

pub(super) fn merge_proposals_cases(random: &mut Random) -> Vec<Case> {
    vec![
        merge_proposals(300, 280, 1000, random),
        merge_proposals(1000, 1000, 1000, random),
        merge_proposals(100, 40, 400, random),
        merge_proposals(20, 0, 100, random),
    ]
}

pub(super) fn decode_rois_cases(random: &mut Random) -> Vec<Case> {
    let shape = RoisShape {
        rois: 300,
        slots: 320,
        classes: 91,
        capacity: 6400,
        threshold: 0.05,
    };
    [
        shape,
        RoisShape { rois: 0, ..shape },
        RoisShape {
            rois: 10,
            slots: 10,
            classes: 2,
            capacity: 20,
            threshold: 0.0,
        },
        RoisShape {
            rois: 1,
            slots: 1,
            classes: 5,
            ..shape
        },
        // More than fit.
        RoisShape {
            rois: 300,
            classes: 11,
            capacity: 100,
            threshold: 0.01,
            ..shape
        },
        RoisShape {
            threshold: 0.9999,
            ..shape
        },
    ]
    .map(|shape| decode_rois(shape, random))
    .to_vec()
}

pub(super) fn decode_anchors_cases(random: &mut Random) -> Vec<Case> {
    let shape = AnchorsShape {
        size: [20, 17],
        capacity: 1000,
        before: None,
        threshold: 0.5,
    };
    [
        shape,
        AnchorsShape {
            before: Some(37),
            ..shape
        },
        AnchorsShape {
            size: [1, 1],
            threshold: 0.0,
            ..shape
        },
        AnchorsShape {
            capacity: 50,
            before: Some(10),
            ..shape
        },
        AnchorsShape {
            threshold: 1.0,
            before: Some(0),
            ..shape
        },
    ]
    .map(|shape| decode_anchors(shape, random))
    .to_vec()
}

fn candidates_shapes() -> [CandidatesShape; 6] {
    let shape = CandidatesShape {
        found: 500,
        capacity: 600,
        quads: 2,
        classes: 20,
        limit: 100,
        threshold: 0.5,
    };
    [
        shape,
        CandidatesShape {
            classes: 1,
            limit: 750,
            threshold: 0.4,
            quads: 5,
            ..shape
        },
        CandidatesShape { found: 0, ..shape },
        CandidatesShape {
            found: 1,
            limit: 1,
            ..shape
        },
        // More than fit.
        CandidatesShape {
            found: 900,
            limit: 30,
            ..shape
        },
        CandidatesShape {
            threshold: 0.0,
            limit: 600,
            ..shape
        },
    ]
}

pub(super) fn rank_candidates_cases(random: &mut Random) -> Vec<Case> {
    candidates_shapes()
        .map(|shape| rank_candidates(shape, random))
        .to_vec()
}

pub(super) fn select_detections_cases(random: &mut Random) -> Vec<Case> {
    candidates_shapes()
        .map(|shape| select_detections(shape, random))
        .to_vec()
}

pub(super) fn check_finite_cases(random: &mut Random) -> Vec<Case> {
    let finite: Vec<f32> = (0..4 * 5000).map(|_| random.between(-1.0, 1.0)).collect();
    let with = |index: usize, value: f32| {
        let mut map = finite.clone();
        map[index] = value;
        check_finite(&map)
    };
    vec![
        check_finite(&finite),
        check_finite(&[f32::MAX, f32::MIN, -0.0, 1e-40]),
        with(0, f32::NAN),
        with(19_999, f32::INFINITY),
        with(7777, f32::NEG_INFINITY),
        with(4098, f32::from_bits(0xff80_0001)),
    ]
}
