//! The boxes that start from a cell.

use fpn_wgpu::inspection::LevelAnchors;
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
    let levels = LevelAnchors::of(&grid, &sizes, &seen.sizes);
    let level = levels.iter().find(|level| level.level == cell.level);
    level.map_or_else(Vec::new, |level| level.of_cell([cell.y, cell.x]))
}
