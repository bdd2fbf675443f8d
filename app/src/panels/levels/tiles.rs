//! The maps that are drawn of the levels, made once for each picture and choice.

use std::sync::Arc;

use fpn_wgpu::FeatureMap;
use fpn_wgpu::gpu::{KeptMap, KeptMaps};
use fpn_wgpu::kernels::Dtype;
use fpn_wgpu::plan::MapKind;

use crate::engine::{Inspected, Outline, Seen, Views};
use crate::paint::{Range, Values};
use crate::state::{Beside, MapChoice, State};

/// One map that is drawn.
#[derive(Debug)]
pub struct Tile {
    /// Its name: `P2`.
    pub title: String,
    /// 2 for P2.
    pub level: usize,
    /// Pixels of the network's input between its cells.
    pub stride: usize,
    /// Rows and columns.
    pub size: [usize; 2],
    /// The part of it that lies over the picture, down and across.
    pub coverage: [f32; 2],
    /// A value a cell; none where there is no such map.
    pub values: Option<Values>,
    /// Its own weakest and strongest values, where they are in memory.
    pub range: Option<Range>,
    /// Whether its cells are those that boxes start from.
    pub is_level: bool,
}

impl Tile {
    fn new((info, size, coverage): Outline<'_>, is_level: bool) -> Self {
        Self {
            title: info.name.split(' ').next().unwrap_or_default().to_owned(),
            level: info.level,
            stride: info.stride,
            size,
            coverage,
            range: None,
            values: None,
            is_level,
        }
    }

    /// Of a map in memory.
    fn of(map: &FeatureMap, values: Vec<f32>, is_level: bool) -> Self {
        let [_, height, width] = map.shape;
        Self {
            range: Some(Range::of(&values)),
            values: Some(Values::Host(values.into())),
            ..Self::new((&map.info, [height, width], map.coverage), is_level)
        }
    }

    /// Of a level's map on the window's device.
    fn on_device(kept: &KeptMaps, map: &KeptMap) -> Self {
        let [_, height, width] = map.shape;
        Self {
            values: Some(Values::Device {
                buffer: kept.buffer.clone(),
                offset: map.offset,
                is_half: map.dtype == Dtype::F16,
            }),
            ..Self::new((&map.info, [height, width], map.coverage), true)
        }
    }

    /// What is beside a level that there is no other map for.
    fn none(level: &Self) -> Self {
        Self {
            title: String::new(),
            values: None,
            range: None,
            is_level: false,
            ..*level
        }
    }
}

/// Tiles, and what they were made of.
#[derive(Debug)]
pub struct Tiles {
    seen: Arc<Seen>,
    inspected: Option<Arc<Inspected>>,
    has_alone: bool,
    choice: MapChoice,
    beside: Beside,
    tiles: Arc<[Tile]>,
}

/// The tiles of what is shown, finest level first; where something is beside the levels, by turns with that. Those that
/// were made last are taken again as long as they are the same.
pub fn of(state: &State, last: &mut Option<Tiles>, seen: &Arc<Seen>) -> Arc<[Tile]> {
    let inspected = state
        .inspection()
        .is_some()
        .then(|| state.inspected.clone())
        .flatten();
    let has_alone = state.alone().is_some();
    let (choice, beside) = (state.settings.map, state.settings.beside);
    let is_same = |made: &&Tiles| {
        let is_inspected = match (&made.inspected, &inspected) {
            (Some(made), Some(now)) => Arc::ptr_eq(made, now),
            (made, now) => made.is_none() && now.is_none(),
        };
        Arc::ptr_eq(&made.seen, seen)
            && is_inspected
            && (made.has_alone, made.choice, made.beside) == (has_alone, choice, beside)
    };
    if let Some(made) = last.as_ref().filter(is_same) {
        return made.tiles.clone();
    }
    let tiles: Arc<[Tile]> = with_others(levels(state, seen), &others(state), choice).into();
    *last = Some(Tiles {
        seen: seen.clone(),
        inspected,
        has_alone,
        choice,
        beside,
        tiles: tiles.clone(),
    });
    tiles
}

/// The levels, finest first. All their channels are there only where it was found out how boxes came to be.
fn levels(state: &State, seen: &Seen) -> Vec<Tile> {
    let live = |kind: MapKind| match &seen.views {
        Views::Host(maps) => {
            let maps = maps.iter().filter(|map| map.info.kind == kind);
            maps.map(|map| Tile::of(map, map.values.clone(), true))
                .collect()
        }
        Views::Device(kept, _) => {
            let maps = kept.maps.iter().filter(|map| map.info.kind == kind);
            maps.map(|map| Tile::on_device(kept, map)).collect()
        }
    };
    match (state.settings.map, state.inspection()) {
        (MapChoice::Objectness, _) => live(MapKind::Objectness),
        (MapChoice::Strength, _) | (_, None) => live(MapKind::Strength),
        (choice, Some(inspected)) => {
            let maps = inspected.inspection.maps.iter();
            let maps = maps.filter(|map| map.info.kind == MapKind::Pyramid);
            maps.map(|map| Tile::of(map, reduced(map, choice), true))
                .collect()
        }
    }
}

/// What is to be beside the levels, as far as it is known.
fn others(state: &State) -> Vec<&FeatureMap> {
    match (state.settings.beside, state.inspection()) {
        (Beside::BottomUp, Some(inspected)) => {
            let maps = inspected.inspection.maps.iter();
            maps.filter(|map| map.info.kind == MapKind::Features)
                .collect()
        }
        (Beside::Alone, _) => state.alone().unwrap_or_default().iter().collect(),
        _ => Vec::new(),
    }
}

/// Each level behind the other map of its stride.
fn with_others(levels: Vec<Tile>, others: &[&FeatureMap], choice: MapChoice) -> Vec<Tile> {
    if others.is_empty() {
        return levels;
    }
    let pair = |level: Tile| {
        let other = others.iter().find(|map| map.info.stride == level.stride);
        let other = match other {
            Some(map) => Tile::of(map, reduced(map, choice), false),
            None => Tile::none(&level),
        };
        [other, level]
    };
    levels.into_iter().flat_map(pair).collect()
}

/// A map's channels as one value a cell: where they have none of that name, their strength.
fn reduced(map: &FeatureMap, choice: MapChoice) -> Vec<f32> {
    let [channels, height, width] = map.shape;
    let cells = height * width;
    let planes = || map.values.chunks_exact(cells.max(1));
    let folded = |start: f32, fold: fn(f32, f32) -> f32| {
        let mut values = vec![start; cells];
        for plane in planes() {
            for (value, next) in values.iter_mut().zip(plane) {
                *value = fold(*value, *next);
            }
        }
        values
    };
    match choice {
        MapChoice::Strength | MapChoice::Objectness => map.strength(),
        MapChoice::Channel(channel) => {
            let plane = planes().nth(channel.min(channels.saturating_sub(1)));
            plane.unwrap_or_default().to_vec()
        }
        MapChoice::Mean => {
            let sums = folded(0.0, |sum, next| sum + next);
            sums.iter()
                .map(|sum| sum / channels.max(1) as f32)
                .collect()
        }
        MapChoice::Maximum => folded(f32::MIN, f32::max),
    }
}
