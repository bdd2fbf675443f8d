//! What the kernel is compared with its reference over.

use super::{KERNELS, Params, Source, reference};
use crate::kernels::checks::{Case, Checks, Random, bits, unwritten};
use crate::kernels::{Kernel, blocks};

pub(super) const CHECKS: Checks = Checks {
    reference: reference::run,
    cases,
    tolerance: 1e-6,
};

/// Scores of one level, or in lists.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoresShape {
    /// Cells, or lists.
    pub rows: usize,
    /// Classes of all anchors of a cell, or slots of a list.
    pub row: usize,
    /// Items of an invocation, a multiple of 4.
    pub share: usize,
    /// Slots of a list that is made.
    pub limit: usize,
    /// What is listed scores more.
    pub threshold: f32,
    /// Steps of logits: 0 where any may be, else there are ties.
    pub step: f32,
}

/// The kernel over random scores.
pub fn case(source: Source, shape: ScoresShape, random: &mut Random) -> Case {
    let pitch = match source {
        Source::Lists => shape.row,
        _ => 4 * blocks(shape.row),
    };
    let params = Params {
        items: (shape.rows * shape.row) as u32,
        share: shape.share as u32,
        row: shape.row as u32,
        pitch: pitch as u32,
        centre_pitch: 4,
        limit: shape.limit as u32,
        score_threshold: shape.threshold,
        unused: 0,
    };
    let mut logits = |count: usize| -> Vec<f32> {
        let logits = (0..count).map(|_| random.between(-6.0, 6.0));
        let stepped = logits.map(|logit| match shape.step > 0.0 {
            true => (logit / shape.step).round() * shape.step,
            false => logit,
        });
        stepped.collect()
    };
    let logits_of_cells = logits(shape.rows * pitch);
    let mut bindings = match source {
        Source::Plain => vec![bits(&logits_of_cells)],
        Source::Centred => vec![bits(&logits_of_cells), bits(&logits(shape.rows * 4))],
        Source::Lists => {
            let scores: Vec<f32> = logits_of_cells
                .iter()
                .map(|logit| 1.0 / (1.0 + (-logit).exp()))
                .collect();
            let items = (0..scores.len()).map(|item| 3 * item as u32 + 1);
            let counts = (0..shape.rows).map(|_| random.below(shape.row + 1) as u32);
            vec![bits(&scores), items.collect(), counts.collect()]
        }
    };
    let lists = params.lists() as usize;
    bindings.extend([lists * shape.limit, lists * shape.limit, lists].map(unwritten));
    Case::new(format!("{shape:?}"), params.dispatch(source), bindings)
}

fn cases(kernel: &'static Kernel, random: &mut Random) -> Vec<Case> {
    let index = KERNELS.iter().position(|own| own == kernel);
    let source = Source::ALL[index.expect("the kernel is one of them")];
    let shape = ScoresShape {
        rows: 130,
        row: 91,
        share: 16,
        limit: 1000,
        threshold: 0.05,
        step: 0.0,
    };
    [
        shape,
        // All that passes fits.
        ScoresShape {
            limit: 4096,
            ..shape
        },
        ScoresShape {
            threshold: 0.99,
            ..shape
        },
        // Of ties the earlier ones are taken.
        ScoresShape { step: 1.0, ..shape },
        ScoresShape {
            step: 100.0,
            limit: 37,
            ..shape
        },
        ScoresShape {
            rows: 1,
            row: 1,
            share: 4,
            limit: 1,
            threshold: 0.0,
            step: 0.0,
        },
        ScoresShape {
            rows: 7,
            row: 819,
            share: 32,
            limit: 50,
            ..shape
        },
        // Nothing passes.
        ScoresShape {
            threshold: 1.0,
            ..shape
        },
        ScoresShape {
            rows: 300,
            row: 80,
            share: 4,
            limit: 1024,
            threshold: 0.0,
            ..shape
        },
    ]
    .map(|shape| case(source, shape, random))
    .to_vec()
}
