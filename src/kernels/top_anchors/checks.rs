//! What the kernel is compared with its reference over.

use super::{Params, reference};
use crate::kernels::blocks;
use crate::kernels::checks::{Case, Checks, Random, bits, unwritten};

pub(super) const CHECKS: Checks = Checks {
    reference: reference::run,
    cases: |_, random| cases(random),
    tolerance: 0.0,
};

/// The kernel over the `logits` of all anchors, in the order of cell and of its `anchors`, of which
/// `limit` are chosen at most.
pub fn case(logits: &[f32], anchors: usize, limit: usize, about: &str) -> Case {
    let cells = logits.len() / anchors;
    let pitch = 4 * blocks(anchors);
    let params = Params {
        cells: cells as u32,
        anchors: anchors as u32,
        pitch: pitch as u32,
        limit: limit as u32,
    };
    let mut map = unwritten(cells * pitch);
    for (cell, own) in map
        .chunks_exact_mut(pitch)
        .zip(logits.chunks_exact(anchors))
    {
        cell[..anchors].copy_from_slice(&bits(own));
    }
    let about = format!("{about}: {limit} of {}", logits.len());
    let bindings = vec![map, unwritten(1 + limit)];
    Case::new(about, params.dispatch(), bindings)
}

fn cases(random: &mut Random) -> Vec<Case> {
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
        case(&distinct, 3, 1000, "distinct"),
        case(&ties, 3, 300, "ties"),
        case(&distinct[..600], 3, 1000, "fewer than asked for"),
        case(&distinct[..1000], 2, 1000, "as many as asked for"),
        case(&holes, 3, 1000, "NaN"),
        case(&[f32::NAN; 30], 3, 10, "nothing but NaN"),
        case(&[1.25; 3000], 3, 1000, "all equal"),
        case(&zeros, 3, 250, "zeros of both signs"),
        case(&extremes, 3, 120, "infinities"),
        case(&[-2.0, 3.0, 0.0], 3, 1, "one cell"),
    ]
}
