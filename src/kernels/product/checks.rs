//! What the kernel is compared with its reference over.

use super::{dispatch, output, reference};
use crate::kernels::checks::{Case, Checks, Random, UNWRITTEN, unwritten};
use crate::kernels::{Dtypes, Kernel, Layout};

pub(super) const CHECKS: Checks = Checks {
    reference: reference::run,
    cases,
    tolerance: 1e-5,
};

/// Products of matrices of `[rows, depth]` and `[depth, columns]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductShape {
    /// Dimensions that count the products.
    pub batches: Vec<usize>,
    /// Rows of a left matrix.
    pub rows: usize,
    /// Columns of a left matrix, rows of a right one.
    pub depth: usize,
    /// Columns of a right matrix.
    pub columns: usize,
    /// Whether one right matrix serves all.
    pub is_shared: bool,
}

impl ProductShape {
    fn layouts(&self) -> [Layout; 2] {
        let tensor = |batches: &[usize], matrix: [usize; 2]| {
            let shape = [batches, &matrix].concat();
            let inner = shape.len() - 1;
            Layout { shape, inner }
        };
        let rights = match self.is_shared {
            true => vec![1; self.batches.len()],
            false => self.batches.clone(),
        };
        [
            tensor(&self.batches, [self.rows, self.depth]),
            tensor(&rights, [self.depth, self.columns]),
        ]
    }
}

/// The kernel over random matrices.
pub fn case(shape: &ProductShape, random: &mut Random) -> Case {
    let [left, right] = shape.layouts();
    Case::new(
        format!("{shape:?}"),
        dispatch(&left, &right, Dtypes::F32),
        vec![
            random.tensor(&left, 0),
            // A right matrix's columns are made apart from each other.
            random.tensor(&right, UNWRITTEN),
            unwritten(output(&left, &right).all_blocks() * 4),
        ],
    )
}

fn cases(own: &'static Kernel, random: &mut Random) -> Vec<Case> {
    let shape = |batches: &[usize], [rows, depth, columns]: [usize; 3], is_shared| ProductShape {
        batches: batches.to_vec(),
        rows,
        depth,
        columns,
        is_shared,
    };
    let shapes = [
        shape(&[], [1, 1, 1], false),
        shape(&[], [300, 20, 33], false),
        shape(&[1], [7, 3, 5], false),
        shape(&[8], [49, 32, 49], false),
        shape(&[3], [5, 6, 18], true),
        shape(&[2, 3], [17, 9, 16], false),
        shape(&[2, 3], [257, 2, 70], true),
        shape(&[2, 1, 3], [1, 65, 4], false),
        shape(&[4, 1], [3, 1, 7], false),
        shape(&[2], [32, 8, 31], true),
        shape(&[1, 2], [33, 11, 12], false),
    ];
    let mut cases: Vec<Case> = shapes.iter().map(|shape| case(shape, random)).collect();
    cases.extend([3, 40].map(|rows| beside_nan(rows, random)));
    cases.retain(|case| case.dispatch.shader.kernel == own);
    cases
}

/// The second of two right matrices begins with NaN: it is no row of the first one.
fn beside_nan(rows: usize, random: &mut Random) -> Case {
    let shape = ProductShape {
        batches: vec![2],
        rows,
        depth: 5,
        columns: 8,
        is_shared: false,
    };
    let mut case = case(&shape, random);
    case.bindings[1][shape.depth * shape.columns] = f32::NAN.to_bits();
    case
}
