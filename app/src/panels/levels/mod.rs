//! The pyramid's levels side by side, as heat maps, with what came from each.

mod tiles;

use std::hash::{DefaultHasher, Hash, Hasher};

use eframe::egui::{
    Align2, Color32, FontId, Painter, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui, Vec2,
    WidgetInfo, pos2, vec2,
};
use fpn_wgpu::plan::MapKind;

use self::tiles::Tile;
pub use self::tiles::Tiles;
use super::picture::{Place, draw_faint};
use crate::engine::Seen;
use crate::paint::{Heat, Range, Values, heat_colour, level_colour, outline};
use crate::state::{Beside, Cell, MapChoice, RangeChoice, Settings, State};

/// A tile's title takes no more than this, in points, but for its last word.
const NARROW: f32 = 115.0;

/// Height of a level's title, in points.
const TITLE: f32 = 18.0;

/// The levels of what is shown.
pub fn show(ui: &mut Ui, state: &mut State, made: &mut Option<Tiles>) {
    header(ui, state);
    let Some(seen) = state.shown.clone() else {
        return;
    };
    let tiles = tiles::of(state, made, &seen);
    if tiles.is_empty() {
        ui.weak("No maps yet");
        return;
    }
    let ranges = ranges(state, &tiles);
    legend(ui, state, &ranges);
    let bounds = ui.available_rect_before_wrap();
    let aspect = seen.detections.height.max(1) as f32 / seen.detections.width.max(1) as f32;
    let columns_of_two = tiles.iter().any(|tile| !tile.is_level);
    let [columns, width] = arrange(tiles.len(), bounds.size(), aspect, columns_of_two);
    let columns = columns as usize;
    let size = vec2(width, width * aspect + TITLE);
    let place = |index: usize| {
        let place = vec2((index % columns) as f32, (index / columns) as f32);
        Rect::from_min_size(bounds.min + place * (size + Vec2::splat(4.0)), size)
    };
    let rects = (0..tiles.len()).map(place);
    let responses: Vec<Response> = rects
        .map(|rect| ui.allocate_rect(rect, Sense::hover()))
        .collect();
    // Where the pointer is comes before anything that shows it.
    state.cell = None;
    for (tile, response) in tiles.iter().zip(&responses) {
        point(state, &seen, tile, response);
    }
    for ((tile, range), response) in tiles.iter().zip(&ranges).zip(&responses) {
        draw(ui, state, &seen, tile, *range, response);
    }
}

/// What of the levels is shown.
fn header(ui: &mut Ui, state: &mut State) {
    let settings = &mut state.settings;
    ui.horizontal_wrapped(|ui| {
        let choices = [
            (
                MapChoice::Strength,
                "Strength",
                "How strong a cell's features are: the Euclidean norm over all channels",
            ),
            (
                MapChoice::Objectness,
                "Objectness",
                "How likely it is that a box that starts from the cell holds an object",
            ),
            (
                MapChoice::Mean,
                "Mean",
                "The mean over all channels (pauses)",
            ),
            (
                MapChoice::Maximum,
                "Max",
                "The highest of all channels (pauses)",
            ),
        ];
        for (choice, name, told) in choices {
            ui.selectable_value(&mut settings.map, choice, name)
                .on_hover_text(told);
        }
        let mut channel = match settings.map {
            MapChoice::Channel(channel) => channel,
            _ => 0,
        };
        let is_channel = matches!(settings.map, MapChoice::Channel(_));
        if ui
            .selectable_label(is_channel, "Channel")
            .on_hover_text("One channel alone (pauses)")
            .clicked()
        {
            settings.map = MapChoice::Channel(channel);
        }
        if is_channel {
            let value = eframe::egui::DragValue::new(&mut channel).range(0..=4095);
            if ui
                .add(value)
                .on_hover_text("Its number; drag to go through them")
                .changed()
            {
                settings.map = MapChoice::Channel(channel);
            }
        }
        let choices = [
            (Beside::BottomUp, "C beside P", "The bottom-up maps beside the pyramid's (pauses)"),
            (
                Beside::Alone,
                "Without the way down",
                "What the levels would be if nothing were handed down, beside what they are (pauses)",
            ),
        ];
        for (choice, name, told) in choices {
            let mut is_chosen = settings.beside == choice;
            if ui.checkbox(&mut is_chosen, name).on_hover_text(told).changed() {
                settings.beside = if is_chosen { choice } else { Beside::Nothing };
            }
        }
    });
}

/// Which strength has which colour.
fn legend(ui: &mut Ui, state: &mut State, ranges: &[Option<Range>]) {
    ui.horizontal(|ui| {
        let (rect, _) = ui.allocate_exact_size(vec2(70.0, 10.0), Sense::hover());
        let painter = ui.painter();
        for step in 0..35 {
            let share = step as f32 / 34.0;
            let left = rect.left() + rect.width() * step as f32 / 35.0;
            let bar = Rect::from_min_size(
                pos2(left, rect.top()),
                vec2(rect.width() / 35.0 + 0.5, 10.0),
            );
            painter.rect_filled(bar, 0.0, heat_colour(share));
        }
        let before = state.settings.range;
        eframe::egui::ComboBox::from_id_salt("range")
            .width(96.0)
            .selected_text(match before {
                RangeChoice::Own => "own range".to_owned(),
                RangeChoice::Shared | RangeChoice::Fixed => match ranges.first().copied().flatten()
                {
                    Some(range) => format!("{:.2} to {:.2}", range.low, range.high),
                    None => "shared".to_owned(),
                },
            })
            .show_ui(ui, |ui| {
                let range = &mut state.settings.range;
                ui.selectable_value(range, RangeChoice::Own, "own: each level's");
                ui.selectable_value(range, RangeChoice::Shared, "shared: of all levels");
                ui.selectable_value(range, RangeChoice::Fixed, "fixed: as it is now");
            })
            .response
            .on_hover_text("Which values become the darkest and the brightest colour")
            .widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, "Range of colours"));
        let Settings { map, beside, .. } = state.settings;
        let is_fixed = state.settings.range == RangeChoice::Fixed;
        // What was fixed of another kind of map says nothing of this one.
        let is_of_it =
            |fixed: &(MapChoice, Beside, Range)| is_fixed && (fixed.0, fixed.1) == (map, beside);
        state.fixed_range = state.fixed_range.filter(is_of_it);
        if is_fixed && state.fixed_range.is_none() {
            state.fixed_range = together(ranges).map(|range| (map, beside, range));
        }
    });
}

/// Columns, and how wide a tile is, so that all are as large as there is room for.
fn arrange(tiles: usize, room: Vec2, aspect: f32, in_pairs: bool) -> [f32; 2] {
    let width = |columns: usize| {
        let rows = tiles.div_ceil(columns);
        let across = room.x / columns as f32 - 4.0;
        let down = (room.y / rows as f32 - TITLE - 4.0) / aspect;
        across.min(down)
    };
    let mut choices = (1..=tiles)
        .filter(|columns| !in_pairs || *columns == 2)
        .map(|columns| [columns as f32, width(columns)]);
    let first = choices.next().unwrap_or([1.0, 40.0]);
    let best = choices.fold(
        first,
        |best, next| if next[1] > best[1] { next } else { best },
    );
    [best[0], best[1].max(40.0)]
}

/// What becomes which colour in each tile; none for a range that is found where the values are.
fn ranges(state: &State, tiles: &[Tile]) -> Vec<Option<Range>> {
    const PROBABILITIES: Range = Range {
        low: 0.0,
        high: 1.0,
    };
    if state.settings.map == MapChoice::Objectness && state.settings.beside == Beside::Nothing {
        return vec![Some(PROBABILITIES); tiles.len()];
    }
    let own: Vec<Option<Range>> = tiles.iter().map(|tile| tile.range).collect();
    let shared = match state.settings.range {
        RangeChoice::Own => None,
        RangeChoice::Shared => together(&own),
        RangeChoice::Fixed => match state.fixed_range {
            Some((.., range)) => Some(range),
            None => together(&own),
        },
    };
    match shared {
        Some(shared) => vec![Some(shared); tiles.len()],
        None => own,
    }
}

/// What holds all ranges that are known.
fn together(ranges: &[Option<Range>]) -> Option<Range> {
    ranges.iter().flatten().copied().reduce(|a, b| Range {
        low: a.low.min(b.low),
        high: a.high.max(b.high),
    })
}

fn draw(
    ui: &Ui,
    state: &mut State,
    seen: &Seen,
    tile: &Tile,
    range: Option<Range>,
    response: &Response,
) {
    let painter = ui.painter();
    let (title, map) = parts(response.rect);
    let colour = match tile.is_level {
        true => level_colour(tile.level),
        false => Color32::GRAY,
    };
    let came = state
        .visible(seen)
        .filter(|(_, found)| tile.is_level && found.level == tile.level);
    let boxes: Vec<(usize, [f32; 4])> = came.map(|(index, found)| (index, found.bbox)).collect();
    let told = match (tile.values.is_none(), tile.is_level) {
        (true, _) => "no such map".to_owned(),
        (_, false) => format!("{}  1/{}", tile.title, tile.stride),
        (_, true) => format!("{}  1/{}  {} found", tile.title, tile.stride, boxes.len()),
    };
    let ink = ui.visuals().text_color();
    painter.rect_filled(
        Rect::from_min_size(title.min + vec2(0.0, 4.0), Vec2::splat(9.0)),
        2.0,
        colour,
    );
    painter.text(
        title.min + vec2(13.0, 1.0),
        Align2::LEFT_TOP,
        match title.width() < NARROW {
            true => told.trim_end_matches(" found"),
            false => &told,
        },
        FontId::proportional(12.5),
        ink,
    );
    let named = told.clone();
    response.widget_info(move || WidgetInfo::labeled(Role::Image, true, format!("Level {named}")));
    let Some(values) = tile.values.clone() else {
        return;
    };
    let place = Place::new(
        map,
        [seen.detections.width, seen.detections.height],
        state.view,
    );
    let clipped = ui.painter_at(map);
    let part = place.part();
    let [down, across] = tile.coverage;
    let part = Rect::from_min_max(
        pos2(part.left() * across, part.top() * down),
        pos2(part.right() * across, part.bottom() * down),
    );
    let heat = Heat {
        place: slot(&tile.title, tile.is_level),
        values,
        size: tile.size,
        part,
        range,
    };
    clipped.add(heat.shape(map));
    painter.rect_stroke(map, 0.0, Stroke::new(1.0, colour), StrokeKind::Inside);
    for (index, bbox) in boxes {
        let is_emphasized = state.hovered.or(state.selected) == Some(index);
        let width = if is_emphasized { 2.5 } else { 1.2 };
        outline(&clipped, place.rect_of(bbox), colour, width);
    }
    if tile.is_level
        && state.settings.ghosts
        && let Some(inspected) = state.inspection()
    {
        for proposal in &inspected.inspection.proposals {
            if proposal.level == tile.level {
                draw_faint(
                    &clipped,
                    &place,
                    proposal.bbox,
                    Color32::from_white_alpha(60),
                );
            }
        }
    }
    let size = [seen.detections.width as f32, seen.detections.height as f32];
    let cursor = state.cursor;
    if let Some([y, x]) = cursor.and_then(|cursor| cell_at(tile.size, tile.coverage, size, cursor))
    {
        let bbox = cell_box(tile.size, tile.coverage, size, [y, x]);
        let rect = place.rect_of(bbox).expand(1.0);
        let stroke = Stroke::new(1.5, Color32::WHITE);
        clipped.rect_stroke(rect, 0.0, stroke, StrokeKind::Outside);
    }
}

/// A tile's title and map.
fn parts(rect: Rect) -> (Rect, Rect) {
    rect.split_top_bottom_at_y(rect.top() + TITLE)
}

/// The pointer of all levels and the picture is one: where it is, if it is over this tile.
fn point(state: &mut State, seen: &Seen, tile: &Tile, response: &Response) {
    let size = [seen.detections.width, seen.detections.height];
    let (_, map) = parts(response.rect);
    let place = Place::new(map, size, state.view);
    let Some(point) = response.hover_pos().filter(|point| map.contains(*point)) else {
        return;
    };
    let pixel = place.pixel(point);
    state.cursor = Some(pixel);
    let size = size.map(|side| side as f32);
    let Some([y, x]) = cell_at(tile.size, tile.coverage, size, pixel) else {
        return;
    };
    if tile.is_level {
        let level = tile.level;
        state.cell = Some(Cell { level, y, x });
    }
    let told = cell_text(state, tile, [y, x]);
    response.clone().on_hover_ui_at_pointer(|ui| {
        ui.label(told);
    });
}

/// What is said of a cell.
fn cell_text(state: &State, tile: &Tile, [y, x]: [usize; 2]) -> String {
    let mut told = format!("{} cell {x}, {y}", tile.title);
    // What is on the device stays there.
    if let Some(Values::Host(values)) = &tile.values {
        told += &format!(": {:.3}", values[y * tile.size[1] + x]);
    }
    let alone = state.alone().unwrap_or_default().iter();
    let inspected = state
        .inspection()
        .map(|inspected| &inspected.inspection.maps);
    let all = alone.chain(inspected.into_iter().flatten());
    let kind = match (tile.is_level, state.settings.beside) {
        (true, _) => MapKind::Pyramid,
        (false, Beside::Alone) => MapKind::Alone,
        (false, _) => MapKind::Features,
    };
    let mut maps = all.filter(|map| map.info.kind == kind);
    let map = maps.find(|map| map.info.name.split(' ').next() == Some(&tile.title));
    if let Some(map) = map {
        let cells = map.shape[1] * map.shape[2];
        let at = y * map.shape[2] + x;
        let mut channels: Vec<(usize, f32)> = (0..map.shape[0])
            .map(|channel| (channel, map.values[channel * cells + at]))
            .collect();
        channels.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
        let strongest: Vec<String> = channels
            .iter()
            .take(3)
            .map(|(channel, value)| format!("{channel} ({value:+.2})"))
            .collect();
        told += &format!("\nstrongest channels: {}", strongest.join(", "));
    }
    told
}

/// The cell over a place of the picture.
fn cell_at(
    [height, width]: [usize; 2],
    [down, across]: [f32; 2],
    [w, h]: [f32; 2],
    [x, y]: [f32; 2],
) -> Option<[usize; 2]> {
    let (across, down) = (x / w * across * width as f32, y / h * down * height as f32);
    let is_inside =
        across >= 0.0 && down >= 0.0 && (across as usize) < width && (down as usize) < height;
    is_inside.then_some([down as usize, across as usize])
}

/// What a cell covers of the picture.
fn cell_box(
    [height, width]: [usize; 2],
    [down, across]: [f32; 2],
    [w, h]: [f32; 2],
    [y, x]: [usize; 2],
) -> [f32; 4] {
    let at_x = |x: usize| x as f32 / width as f32 / across * w;
    let at_y = |y: usize| y as f32 / height as f32 / down * h;
    [at_x(x), at_y(y), at_x(x + 1), at_y(y + 1)]
}

/// The cell that the pointer is over in a level, on the picture: its square, and its own anchors.
pub fn draw_cell(painter: &Painter, state: &State, seen: &Seen, place: &Place) {
    let Some(cell) = state.cell else {
        return;
    };
    let size = [seen.detections.width as f32, seen.detections.height as f32];
    let levels = seen.views.outlines(MapKind::Strength);
    let level = levels.iter().find(|(info, ..)| info.level == cell.level);
    let Some(&(_, cells, coverage)) = level else {
        return;
    };
    let colour = level_colour(cell.level);
    let square = cell_box(cells, coverage, size, [cell.y, cell.x]);
    let anchors = crate::anchors::of_cell(seen, cell);
    for anchor in anchors {
        draw_faint(painter, place, anchor, colour);
    }
    painter.rect_filled(place.rect_of(square), 0.0, colour.gamma_multiply(0.55));
    outline(painter, place.rect_of(square), Color32::WHITE, 1.0);
}

/// Tells a map from others that are drawn in the same frame.
fn slot(title: &str, is_level: bool) -> u64 {
    let mut hasher = DefaultHasher::new();
    (title, is_level).hash(&mut hasher);
    hasher.finish()
}
