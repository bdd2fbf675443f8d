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
            selection: architecture.selection(),
        }
    }

    /// Maps of these kinds, and nothing else.
    pub fn maps(kinds: impl IntoIterator<Item = MapKind>) -> Self {
        Self {
            maps: kinds.into_iter().collect(),
            proposals: false,
            selection: None,
        }
    }

    /// Whether it takes the heads to answer.
    pub fn needs_heads(&self) -> bool {
        self.maps.contains(&MapKind::Heads) || self.selection.is_some()
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
            checked: Vec::new(),
        };
        if request.maps.contains(&MapKind::Input) {
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
            if kind != MapKind::Features && self.needs(kind) {
                self.checked.push(Checked::Map(map.clone()));
            }
            if self.request.maps.contains(&kind) {
                let info = MapInfo {
                    name: name(level),
                    kind,
                    level,
                    stride,
                };
                self.maps.push((info, map.clone()));
            }
        }
    }

    /// Whether what was asked for is made of maps of this kind.
    fn needs(&self, kind: MapKind) -> bool {
        self.request.maps.contains(&kind) || self.request.needs_heads()
    }

    /// Rows that detections are made of.
    pub fn rows(&mut self, rows: &Tensor<2>) {
        self.checked.push(Checked::Rows(rows.clone()));
    }

    /// The proposals.
    pub fn proposals(&mut self, proposals: &Proposals) {
        if self.request.proposals {
            self.proposals = Some(proposals.clone());
        }
    }
}
