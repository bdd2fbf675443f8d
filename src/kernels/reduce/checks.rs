//! What the kernels are compared with their references over.

use super::{KERNELS, Reduction, dispatch, output, reference};
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
    of(
        reduction,
        layout,
        dimension,
        random.tensor(layout, UNWRITTEN),
    )
}

fn of(reduction: Reduction, layout: &Layout, dimension: usize, tensor: Vec<u32>) -> Case {
    Case::new(
        format!("dimension {dimension} of {layout:?}"),
        dispatch(reduction, layout, dimension, Dtypes::F32),
        vec![
            tensor,
            unwritten(output(layout, dimension).all_blocks() * 4),
        ],
    )
}

fn cases(own: &'static Kernel, random: &mut Random) -> Vec<Case> {
    let mut all = KERNELS.iter();
    let variant = all.find(|(_, kernel)| *kernel == own);
    let (&(reduction, along), _) = variant.expect("the kernel is one of them");
    let layouts = layouts(along).into_iter();
    let mut cases: Vec<Case> = layouts
        .map(|(layout, dimension)| case(reduction, &layout, dimension, random))
        .collect();
    cases.extend(of_special_values(reduction, along, random));
    cases
}

/// Rows of negative numbers only, of positive ones only, with NaN at the beginning, in the middle and at the end,
/// and with infinities.
fn of_special_values(reduction: Reduction, along: Along, random: &mut Random) -> Vec<Case> {
    let rows: [[f32; 5]; 8] = [
        [-3.0, -1.0, -2.0, -5.0, -0.5],
        [3.0, 1.0, 2.0, 5.0, 0.5],
        [f32::NAN, 1.0, -2.0, 0.25, 7.0],
        [1.0, -2.0, f32::NAN, 0.25, 7.0],
        [1.0, -2.0, 0.25, 7.0, f32::NAN],
        [f32::INFINITY, 1.0, -1.0, 2.0, 0.5],
        [1.0, 2.0, f32::NEG_INFINITY, 0.5, -1.0],
        [f32::NEG_INFINITY; 5],
    ];
    let inner = match along {
        Along::Pixels => 0,
        Along::Channels => 1,
    };
    let shape = vec![rows.len(), rows[0].len()];
    let layout = Layout { shape, inner };
    let mut tensor = random.tensor(&layout, UNWRITTEN);
    for (place, value) in layout.places().zip(rows.as_flattened()) {
        tensor[place] = value.to_bits();
    }
    vec![of(reduction, &layout, 1, tensor)]
}
