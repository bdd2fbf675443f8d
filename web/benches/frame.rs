//! How long a frame takes in a browser, beside the same library outside on the same driver. A frame
//! is measured from the picture's upload to the detections.

#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;

use comfy_table::{CellAlignment, Table, presets};
use serde::Deserialize;

use support::chromium::Chromium;
use support::native;

/// The models, and the sides of their pictures.
const MODELS: [(&str, usize); 2] = [
    ("retinaface_mobilenet025", 320),
    ("nanodet_plus_m_416", 416),
];

/// Each side runs so often, taking turns, so that both meet the same weather.
const ROUNDS: usize = 3;

/// Frames of a round; the first few warm up.
const FRAMES: usize = 30;
const WARM_UP: usize = 10;

/// The page's timings, in milliseconds.
#[derive(Deserialize)]
struct Timings {
    frames: Vec<f64>,
}

fn main() {
    let chromium = Chromium::new(BTreeMap::new());
    for (model, side) in MODELS {
        measure(&chromium, model, side);
    }
}

fn measure(chromium: &Chromium, model: &str, side: usize) {
    let (mut page, mut native) = (Vec::new(), Vec::new());
    let mut devices = [String::new(), String::new()];
    let mut longest_task = 0.0_f64;
    for _ in 0..ROUNDS {
        let state = chromium.open(&format!("model={model}&minSize={side}&bench={FRAMES}"));
        assert_eq!(state, "ready", "{}", chromium.message());
        page.extend_from_slice(&chromium.json::<Timings>("timings").frames[WARM_UP..]);
        longest_task = longest_task.max(chromium.longest_task());
        let outside = native::page(&[
            &format!("--model={model}"),
            &format!("--min-size={side}"),
            &format!("--bench={FRAMES}"),
        ]);
        native.extend_from_slice(&outside.frames[WARM_UP..]);
        let inside: support::report::Report = chromium.json("detections");
        devices = [inside.device, outside.report.device];
    }

    let [inside, outside] = devices;
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["", "adapter", "median ms", "min", "max"]);
    let page = row(&mut table, "Chromium", inside, page);
    let native = row(&mut table, "native", outside, native);
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!(
        "{model} at {side}×{side}, {ROUNDS} × {} frames",
        FRAMES - WARM_UP
    );
    println!("{table}");
    println!(
        "Chromium / native: {:.2} (median), {:.2} (min)",
        page[0] / native[0],
        page[1] / native[1]
    );
    match longest_task {
        0.0 => println!("no task of the page took longer than 50 ms"),
        longest => println!("the page's longest task took {longest} ms"),
    }
}

/// Add a row to the table; the median and the least of the times.
fn row(table: &mut Table, side: &str, adapter: String, mut times: Vec<f64>) -> [f64; 2] {
    times.sort_by(f64::total_cmp);
    let (median, least) = (times[times.len() / 2], times[0]);
    let numbers = [median, least, times[times.len() - 1]].map(|time| format!("{time:.2}"));
    let cells = [side.to_owned(), adapter].into_iter().chain(numbers);
    table.add_row(cells.collect::<Vec<_>>());
    [median, least]
}
