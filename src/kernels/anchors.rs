//! The anchors of a cell, as a uniform buffer has them.

/// Most anchors of a cell.
pub const MAX_ANCHORS: usize = 16;

/// Those of one cell, and zeros behind them.
///
/// # Panics
/// If there are more than [`MAX_ANCHORS`].
pub(crate) fn of_cell(anchors: &[[f32; 4]]) -> [[f32; 4]; MAX_ANCHORS] {
    let mut all = [[0.0; 4]; MAX_ANCHORS];
    all[..anchors.len()].copy_from_slice(anchors);
    all
}
