//! Tables for people.

use comfy_table::{CellAlignment, LineStyle, Table, presets};

/// An empty table under `header`; the columns from `numbers` on hold numbers.
pub fn new<const N: usize>(header: [&str; N], numbers: usize) -> Table {
    let mut table = Table::new();
    let rule = LineStyle::none().fill('─').junction('─');
    table
        .load_style(presets::NOTHING.header_separator(rule))
        .set_header(header);
    for column in numbers..N {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Seconds as milliseconds, three digits that mean something.
pub fn milliseconds(seconds: f64) -> String {
    let milliseconds = seconds * 1e3;
    match milliseconds {
        100.0.. => format!("{milliseconds:.0} ms"),
        10.0.. => format!("{milliseconds:.1} ms"),
        1.0.. => format!("{milliseconds:.2} ms"),
        _ => format!("{milliseconds:.3} ms"),
    }
}
