//! What the kernels are compared with their references over.

use super::{Reduction, dispatch, output, reference, variant};
use crate::kernels::axis::{Along, layouts};
use crate::kernels::checks::{Case, Checks, Random, UNWRITTEN, unwritten};
use crate::kernels::{Dtypes, Kernel, Layout};

pub(super) fn checks(reduction: Reduction) -> Checks {
    Checks {
        reference: reference::run,
        cases,
        tolerance: match reduction {
            Reduction::Max | Reduction::Min | Reduction::MaxAbs => 0.0,
            Reduction::Sum | Reduction::Mean | Reduction::Product => 1e-6,
        },
    }
}

/// The kernel over a random tensor that lies so.
pub fn case(reduction: Reduction, layout: &Layout, dimension: usize, random: &mut Random) -> Case {
    let made = output(layout, dimension).all_blocks();
    Case::new(
        format!("dimension {dimension} of {layout:?}"),
        dispatch(reduction, layout, dimension, Dtypes::F32),
        vec![random.tensor(layout, UNWRITTEN), unwritten(made * 4)],
    )
}

fn cases(own: &'static Kernel, random: &mut Random) -> Vec<Case> {
    let (reduction, along) = variant(own);
    let layouts = layouts(along).into_iter();
    let mut cases: Vec<Case> = layouts
        .map(|(layout, dimension)| case(reduction, &layout, dimension, random))
        .collect();
    cases.extend([-1.0, 1.0].map(|sign| of_sign(sign, reduction, along, random)));
    cases
}

/// Numbers of one sign: channels that only fill a block up must not be taken for the largest or the smallest.
fn of_sign(sign: f32, reduction: Reduction, along: Along, random: &mut Random) -> Case {
    let inner = match along {
        Along::Pixels => 0,
        Along::Channels => 1,
    };
    let shape = vec![6, 5];
    let layout = Layout { shape, inner };
    let mut case = case(reduction, &layout, 1, random);
    for place in layout.places() {
        case.bindings[0][place] = (sign * random.between(0.5, 2.0)).to_bits();
    }
    case
}
