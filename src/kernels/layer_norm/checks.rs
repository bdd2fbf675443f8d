//! What the kernel is compared with its reference over.

use super::{dispatch, reference};
use crate::kernels::checks::{Case, Checks, Random, UNWRITTEN, unwritten};
use crate::kernels::{Dtypes, Layout};

pub(super) const CHECKS: Checks = Checks {
    reference: reference::run,
    cases: |_, random| cases(random),
    tolerance: 1e-5,
};

/// The kernel over a random tensor that lies so, of values around `mean`.
pub fn case(layout: &Layout, mean: f32, epsilon: f32, random: &mut Random) -> Case {
    let words = layout.all_blocks() * 4;
    let mut tensor = vec![UNWRITTEN; words];
    for place in layout.places() {
        tensor[place] = (mean + random.between(-1.0, 1.0)).to_bits();
    }
    let channels = Layout {
        shape: vec![layout.channels()],
        inner: 0,
    };
    let factors = [(); 2].map(|()| random.tensor(&channels, 0));
    let [gamma, beta] = factors;
    Case::new(
        format!("{layout:?} around {mean}, {epsilon:e} added"),
        dispatch(layout, epsilon, Dtypes::F32),
        vec![tensor, gamma, beta, unwritten(words)],
    )
}

fn cases(random: &mut Random) -> Vec<Case> {
    let shapes: [(&[usize], usize); 10] = [
        (&[1], 0),
        (&[7], 0),
        (&[5, 96], 1),
        (&[9, 3], 0),
        (&[2, 6, 5], 2),
        (&[3, 1, 4], 1),
        (&[1, 10, 3, 7], 1),
        (&[2, 3, 3, 130], 3),
        (&[2, 3, 2, 5, 3], 0),
        (&[1, 4, 2, 3, 21], 4),
    ];
    let layouts = shapes.map(|(shape, inner)| Layout {
        shape: shape.to_vec(),
        inner,
    });
    let mut cases: Vec<Case> = layouts
        .iter()
        .map(|layout| case(layout, 0.5, 1e-5, random))
        .collect();
    // Far from 0, where a variance that is a difference of squares would be nothing.
    cases.push(case(&layouts[2], 300.0, 1e-5, random));
    cases.push(case(&layouts[2], 0.0, 0.5, random));
    cases
}
