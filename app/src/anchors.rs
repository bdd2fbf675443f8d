//! The boxes that start from a cell.

use fpn_wgpu::plan::MapKind;

use crate::engine::Seen;
use crate::state::Cell;

/// The anchors of a cell, `[x1, y1, x2, y2]` in the picture's pixels; none of a level that no boxes start from.
pub fn of_cell(seen: &Seen, cell: Cell) -> Vec<[f32; 4]> {
    let config = &seen.model.config;
    let maps = seen.views.outlines(MapKind::Strength);
    let sizes: Vec<[usize; 2]> = maps.iter().map(|(_, size, _)| *size).collect();
    let first = config.architecture.first_level();
    let grid = config.anchors().grid(first, seen.sizes.padded, &sizes);
    let Some(level) = cell.level.checked_sub(grid.first_level) else {
        return Vec::new();
    };
    let Some(anchors) = grid.levels.get(level) else {
        return Vec::new();
    };
    let [down, across] = seen.sizes.ratio;
    let [y, x] = seen.sizes.shift;
    let all = (0..anchors.cell.len()).map(|a| grid.anchor(level, a, [cell.y, cell.x]));
    all.map(|[x1, y1, x2, y2]| {
        [
            x1 * across + x,
            y1 * down + y,
            x2 * across + x,
            y2 * down + y,
        ]
    })
    .collect()
}
