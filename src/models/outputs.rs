//! What is asked of a forward pass, and what it gives back.

use std::collections::BTreeSet;

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use super::{Architecture, Selection};
use crate::ops::candidates::Candidates;
use crate::ops::proposals::Proposals;
use crate::plan::{InstanceKind, MapInfo, MapKind};

/// What is asked of a forward pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The maps to give back.
    pub maps: BTreeSet<MapKind>,
    /// Whether to give back the proposals, too, if the model makes any on the way to its detections;
    /// without a [`selection`](Self::selection) there is no such way.
    pub proposals: bool,
    /// Whether to give back the rows that detections are made of, if the model makes any: what a two-stage one's
    /// box head says of each proposal.
    pub rows: bool,
    /// Which detections to keep; none to find no detections, but maps alone.
    pub selection: Option<Selection>,
}

impl Request {
    /// What a model gives unless asked for something else: its pyramid, and its detections if it finds
    /// any.
    pub fn of(architecture: Architecture) -> Self {
        Self {
            maps: BTreeSet::from([MapKind::Pyramid]),
            proposals: false,
            rows: false,
            selection: architecture.selection(),
        }
    }

    /// Maps of these kinds, and nothing else.
    pub fn maps(kinds: impl IntoIterator<Item = MapKind>) -> Self {
        Self {
            maps: kinds.into_iter().collect(),
            proposals: false,
            rows: false,
            selection: None,
        }
    }

    /// Select detections by another overlap, if any are to be found.
    pub fn set_nms_threshold(&mut self, threshold: f32) {
        if let Some(selection) = &mut self.selection {
            selection.nms_threshold = threshold;
        }
    }

    /// Whether maps of this kind are asked for.
    pub fn asks_for(&self, kind: MapKind) -> bool {
        self.maps.contains(&kind)
    }

    /// Whether it takes the heads to answer.
    pub fn needs_heads(&self) -> bool {
        self.asks_for(MapKind::Heads)
            || self.asks_for(MapKind::Objectness)
            || self.selection.is_some()
    }

    /// Whether it takes maps of this kind to answer, which are not made of others that it takes.
    fn needs(&self, kind: MapKind) -> bool {
        let is_needed = self.asks_for(kind) || self.needs_heads();
        match kind {
            MapKind::Input | MapKind::Heads => is_needed,
            MapKind::Pyramid => is_needed || self.asks_for(MapKind::Strength),
            MapKind::Alone => self.asks_for(kind),
            MapKind::Features | MapKind::Strength | MapKind::Objectness => false,
        }
    }
}

/// What a forward pass gives back: what was asked for, and what must be finite for it to mean
/// something.
pub struct Outputs {
    request: Request,
    /// Maps `[1, C, H, W]`, finest first within a kind.
    pub maps: Vec<(MapInfo, Tensor<4>)>,
    /// In pixels of the resized picture.
    pub proposals: Option<Proposals>,
    /// Best first, in pixels of the original picture.
    pub detections: Option<Candidates<Dispatch>>,
    /// What was found in them, a row each.
    pub instances: Option<(InstanceKind, Tensor<2>)>,
    /// Rows `[R, C]` that detections are made of, by name.
    pub rows: Vec<(&'static str, Tensor<2>)>,
    /// In these NaN and infinities are looked for.
    pub checked: Vec<Checked>,
}

/// Values that detections are made of.
#[derive(Clone)]
pub enum Checked {
    /// A map `[1, C, H, W]`.
    Map(Tensor<4>),
    /// Rows `[R, C]`.
    Rows(Tensor<2>),
}

impl Outputs {
    /// Nothing yet but the network's input `[1, 3, H, W]`, where that is asked for.
    pub fn new(request: &Request, image: &Tensor<4>) -> Self {
        let mut outputs = Self {
            request: request.clone(),
            maps: Vec::new(),
            proposals: None,
            detections: None,
            instances: None,
            rows: Vec::new(),
            checked: Vec::new(),
        };
        if request.asks_for(MapKind::Input) {
            let info = MapInfo {
                name: "input".to_owned(),
                kind: MapKind::Input,
                level: 0,
                stride: 1,
            };
            outputs.maps.push((info, image.clone()));
        }
        outputs
    }

    /// The maps of neighbouring levels, the finest's number first, which detections are made of; `name`
    /// tells that of a level. Cells of level n are 2ⁿ pixels of the network's input apart.
    pub fn levels(
        &mut self,
        kind: MapKind,
        finest: usize,
        maps: &[Tensor<4>],
        name: impl Fn(usize) -> String,
    ) {
        let strides: Vec<usize> = (finest..).take(maps.len()).map(|n| 1 << n).collect();
        self.levels_at(kind, finest, &strides, maps, name);
    }

    /// The same where cells are as many pixels of the network's input apart as `strides` says.
    pub fn levels_at(
        &mut self,
        kind: MapKind,
        finest: usize,
        strides: &[usize],
        maps: &[Tensor<4>],
        name: impl Fn(usize) -> String,
    ) {
        for ((map, &stride), level) in maps.iter().zip(strides).zip(finest..) {
            if self.request.needs(kind) {
                self.checked.push(Checked::Map(map.clone()));
            }
            let info = |kind, name| MapInfo {
                name,
                kind,
                level,
                stride,
            };
            if self.request.asks_for(kind) {
                self.maps.push((info(kind, name(level)), map.clone()));
            }
            if kind == MapKind::Pyramid && self.request.asks_for(MapKind::Strength) {
                let name = format!("{} strength", name(level));
                let info = info(MapKind::Strength, name);
                self.maps.push((info, strength(map.clone())));
            }
        }
    }

    /// Rows that detections are made of.
    pub fn rows(&mut self, name: &'static str, rows: &Tensor<2>) {
        self.checked.push(Checked::Rows(rows.clone()));
        if self.request.rows {
            self.rows.push((name, rows.clone()));
        }
    }

    /// The proposals.
    pub fn proposals(&mut self, proposals: &Proposals) {
        if self.request.proposals {
            self.proposals = Some(proposals.clone());
        }
    }
}

/// The Euclidean norm over a map's channels, `[1, 1, H, W]`.
fn strength(map: Tensor<4>) -> Tensor<4> {
    let [_, channels, _, _] = map.dims();
    // Of the mean, which 16 bits hold where they would not hold the sum.
    (map.clone() * map).mean_dim(1).sqrt() * (channels as f32).sqrt()
}
