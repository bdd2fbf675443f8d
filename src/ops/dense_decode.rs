//! Decoding the dense heads of one-stage detectors: every class of every anchor that scores enough, by the
//! sigmoid of its logit, with its box. RetinaNet (Lin et al., 2017, <https://arxiv.org/abs/1708.02002>) and
//! FCOS (Tian et al., 2019, <https://arxiv.org/abs/1904.01355>) as in torchvision, and generalized focal loss's
//! distributions (Li et al., 2020, <https://arxiv.org/abs/2006.04388>) as in NanoDet.

use std::array::from_fn;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Capture, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{Tensor, activation};
use burn_ir::ScalarIr;

use super::anchors::{AnchorGrid, AnchorPlace};
use super::candidates::{Candidate, Candidates, captured_shapes};
use super::capture::{record, size};
use super::flex::{self, Map};
use super::levels::{self, Levels};
use super::operation::Operation;
use super::roi_decode::{sigmoid, softmax};
use crate::boxes::{BBox, clip, decode};
use crate::kernels::decode_dense;

mod schedule;

pub(crate) use schedule::DecodeDense;

/// What the heads say of each level, finest first, with A anchors a cell and K classes.
pub struct DenseMaps {
    /// `[1, A · K, H, W]` a level: the logits of all classes of anchor 0, then of anchor 1, …
    pub classes: Vec<Tensor<4>>,
    /// `[1, 4A, H, W]` a level, of distributions over B bins `[1, 4A · B, H, W]`; none where the classes' maps
    /// have these channels behind their own.
    pub boxes: Vec<Tensor<4>>,
    /// `[1, 1, H, W]` a level, where a cell has a centreness.
    pub centreness: Vec<Tensor<4>>,
}

impl DenseMaps {
    /// Height and width of each level's maps.
    pub fn sizes(&self) -> Vec<[usize; 2]> {
        levels::sizes(&self.classes)
    }

    /// How likely the likeliest class of any of a cell's anchors is, the background left out, `[1, 1, H, W]` a
    /// level. A cell has so many anchors, and an anchor so many classes, the first of which has that label.
    pub fn objectness(&self, anchors: usize, classes: usize, first_label: usize) -> Vec<Tensor<4>> {
        let background = usize::from(first_label == 0);
        let likeliest = self.classes.iter().enumerate().map(|(level, map)| {
            let [_, _, height, width] = map.dims();
            let own = map.clone().narrow(1, 0, anchors * classes);
            let own = own.reshape([anchors, classes, height, width]);
            let own = own.narrow(1, background, classes - background);
            let best = own.max_dim(1).reshape([1, anchors, height, width]);
            let own = activation::sigmoid(best.max_dim(1));
            match self.centreness.get(level) {
                Some(centreness) => (own * activation::sigmoid(centreness.clone())).sqrt(),
                None => own,
            }
        });
        likeliest.collect()
    }
}

/// What the floats of a box mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoxCode {
    /// Shifts of the anchor's centre and logarithms of its sizes, as of proposals.
    Deltas,
    /// How far left, top, right and bottom are from the anchor's centre, in the anchor's sides.
    Distances,
    /// Of each of these the logits of so many bins: that it is 0, 1, … sides away. What is expected counts.
    Distribution {
        /// How many.
        bins: usize,
    },
}

impl BoxCode {
    /// Floats of a box.
    fn values(self) -> usize {
        match self {
            Self::Deltas | Self::Distances => 4,
            Self::Distribution { bins } => 4 * bins,
        }
    }

    fn bins(self) -> usize {
        self.values() / 4
    }

    /// As the kernel is told.
    fn word(self) -> u32 {
        match self {
            Self::Deltas => decode_dense::DELTAS,
            Self::Distances => decode_dense::DISTANCES,
            Self::Distribution { .. } => decode_dense::DISTRIBUTION,
        }
    }

    fn of_words(code: u32, bins: usize) -> Self {
        match code {
            decode_dense::DELTAS => Self::Deltas,
            decode_dense::DISTANCES => Self::Distances,
            _ => Self::Distribution { bins },
        }
    }
}

/// How [`decode_dense()`] reads the maps.
#[derive(Clone, Debug, PartialEq)]
pub struct DenseOptions {
    /// Where boxes start from; a cell's are in the maps' order.
    pub anchors: AnchorGrid,
    /// Classes of an anchor.
    pub classes: usize,
    /// The label of the first.
    pub first_label: usize,
    /// What the floats of a box mean.
    pub code: BoxCode,
    /// A class of an anchor must score more than this.
    pub score_threshold: f32,
    /// Most that a level gives, its best; all that pass the threshold where there is no limit.
    pub per_level: Option<usize>,
    /// Height and width of what boxes are cut to; the resized picture where there are none.
    pub extent: Option<[usize; 2]>,
}

impl DenseOptions {
    fn to_scalars(&self) -> Vec<ScalarIr> {
        let count = |count: usize| ScalarIr::UInt(count as u64);
        let mut scalars = vec![ScalarIr::Float(self.score_threshold.into())];
        // No level gives 0 at most, and nothing has no extent.
        let [height, width] = self.extent.unwrap_or([0; 2]);
        scalars.extend(
            [
                self.classes,
                self.first_label,
                self.code.word() as usize,
                self.code.bins(),
                self.per_level.unwrap_or(0),
                height,
                width,
            ]
            .map(count),
        );
        scalars.extend(self.anchors.to_scalars());
        scalars
    }

    /// As a captured graph holds them.
    pub(crate) fn from_scalars(scalars: &[ScalarIr]) -> Self {
        let [classes, first_label, code, bins, per_level, height, width] =
            from_fn(|k| size(scalars[1 + k]));
        Self {
            score_threshold: scalars[0].elem(),
            classes,
            first_label,
            code: BoxCode::of_words(code as u32, bins),
            per_level: Some(per_level).filter(|limit| *limit > 0),
            extent: Some([height, width]).filter(|extent| *extent != [0; 2]),
            anchors: AnchorGrid::from_scalars(&scalars[8..]),
        }
    }

    /// Channels before those of boxes in the map that holds them.
    fn first_box(&self, level: usize, is_behind: bool) -> usize {
        match is_behind {
            true => self.anchors.levels[level].cell.len() * self.classes,
            false => 0,
        }
    }

    /// Most candidates of a level with so many cells.
    fn most(&self, level: usize, cells: usize) -> usize {
        let items = cells * self.anchors.levels[level].cell.len() * self.classes;
        self.per_level.map_or(items, |limit| limit.min(items))
    }
}

/// Every class of every anchor that passes the threshold, of each level the best, decoded and cut, in
/// pixels of the network's input.
///
/// `frame` is [`Frame::tensor`](crate::transform::Frame::tensor).
///
/// # Panics
/// If there are not maps for each level of the anchors.
pub fn decode_dense(
    maps: DenseMaps,
    frame: Tensor<1>,
    options: DenseOptions,
) -> Candidates<Dispatch> {
    let levels = options.anchors.levels.len();
    let DenseMaps {
        classes,
        boxes,
        centreness,
    } = maps;
    assert!(
        classes.len() == levels
            && [&boxes, &centreness]
                .iter()
                .all(|m| [0, levels].contains(&m.len())),
        "dense heads are decoded from maps of each level that has anchors"
    );
    let inputs = [classes, boxes, centreness].concat();
    <Dispatch as DenseDecodeOps>::decode_dense(inputs.into(), frame.into_dispatch(), options)
}

/// Backends that can run [`decode_dense()`].
#[backend_extension(Flex, Capture)]
pub trait DenseDecodeOps: Backend {
    /// See [`decode_dense()`]. `maps` are those of classes, and of what else there is: whether the next are
    /// boxes or centreness follows from their number and channels.
    fn decode_dense(
        #[extension_type] maps: Levels<Self>,
        frame: FloatTensor<Self>,
        options: DenseOptions,
    ) -> Candidates<Self>;
}

/// The three kinds among the maps of all levels, in order; boxes may be within those of classes, and
/// there may be no centreness.
struct Heads<'a, T> {
    classes: &'a [T],
    boxes: &'a [T],
    centreness: &'a [T],
    /// Whether boxes have the channels behind those of classes.
    is_behind: bool,
}

impl<'a, T> Heads<'a, T> {
    /// Of maps, whose channels `channels` tells, of so many levels.
    fn of(maps: &'a [T], channels: impl Fn(&T) -> usize, levels: usize) -> Self {
        let (classes, rest) = maps.split_at(levels.min(maps.len()));
        let (boxes, centreness) = match rest.first() {
            // A box has four values at least.
            Some(first) if channels(first) > 1 => rest.split_at(levels.min(rest.len())),
            _ => (&rest[..0], rest),
        };
        let is_behind = boxes.is_empty();
        Self {
            classes,
            boxes: if is_behind { classes } else { boxes },
            centreness,
            is_behind,
        }
    }
}

impl DenseDecodeOps for Flex {
    fn decode_dense(
        maps: Levels<Self>,
        frame: FloatTensor<Self>,
        options: DenseOptions,
    ) -> Candidates<Self> {
        let tensors = flex::contiguous_levels(maps);
        let maps = flex::map_levels(&tensors);
        let frame = flex::contiguous(frame);
        let frame = flex::values::<f32>(&frame);
        let candidates = decode_levels(&maps, [frame[0], frame[1]], &options);
        Candidates::from_memory(&candidates, 0)
    }
}

impl DenseDecodeOps for Capture {
    fn decode_dense(
        maps: Levels<Self>,
        frame: FloatTensor<Self>,
        options: DenseOptions,
    ) -> Candidates<Self> {
        let levels = options.anchors.levels.len();
        let most = maps.0[..levels].iter().enumerate().map(|(level, map)| {
            let [_, _, height, width] = map.shape().dims();
            options.most(level, height * width)
        });
        let capacity = most.sum();
        let mut inputs = maps.0;
        inputs.push(frame);
        Candidates::from_captured(record(
            DecodeDense.id(),
            inputs,
            options.to_scalars(),
            captured_shapes(capacity, 4),
        ))
    }
}

/// What the CPU engine does for [`decode_dense()`], in the order of (level, cell, anchor, class). `maps` are those of
/// classes of all levels, then of boxes and of centreness where there are such; `resized` is the unpadded
/// picture's height and width.
pub fn decode_levels(
    maps: &[Map<'_>],
    resized: [f32; 2],
    options: &DenseOptions,
) -> Vec<Candidate> {
    let decoded = trace(maps, resized, options);
    decoded.into_iter().map(|(_, found)| found).collect()
}

/// The same, each behind the anchor that it is of.
pub fn trace(
    maps: &[Map<'_>],
    resized: [f32; 2],
    options: &DenseOptions,
) -> Vec<(AnchorPlace, Candidate)> {
    let levels = options.anchors.levels.len();
    let heads = Heads::of(maps, |map| map.shape[0], levels);
    let extent = match options.extent {
        Some(extent) => extent.map(|side| side as f32),
        None => resized,
    };
    let mut candidates = Vec::new();
    for level in 0..levels {
        let (classes, boxes) = (&heads.classes[level], &heads.boxes[level]);
        let first_box = options.first_box(level, heads.is_behind);
        let width = classes.shape[2];
        for scored in best(classes, heads.centreness.get(level), level, options) {
            let Scored { cell, a, class, .. } = scored;
            let place = AnchorPlace {
                level,
                cell: [cell / width, cell % width],
                a,
            };
            let first = first_box + a * options.code.values();
            let value = |k| boxes.at(first + k, cell);
            let bbox = decoded(options.anchors.at(place), value, options.code);
            let candidate = Candidate {
                bbox: clip(bbox, extent),
                landmarks: Vec::new(),
                score: scored.score,
                label: (class + options.first_label) as i32,
                level: options.anchors.number(level) as i32,
            };
            candidates.push((place, candidate));
        }
    }
    candidates
}

/// How every class of an anchor scores, in order: the sigmoid of its logit, where cells have a centreness the
/// geometric mean with that.
fn scores(
    classes: &Map<'_>,
    centreness: Option<&Map<'_>>,
    (cell, a): (usize, usize),
    count: usize,
) -> impl Iterator<Item = f32> {
    let centre = centreness.map(|map| sigmoid(map.at(0, cell)));
    (0..count).map(move |class| {
        let own = sigmoid(classes.at(a * count + class, cell));
        centre.map_or(own, |centre| (own * centre).sqrt())
    })
}

/// How every class of an anchor scores, of maps as [`decode_levels`] takes them.
pub fn scores_of(maps: &[Map<'_>], place: AnchorPlace, options: &DenseOptions) -> Vec<f32> {
    let AnchorPlace { level, cell, a } = place;
    let heads = Heads::of(maps, |map| map.shape[0], options.anchors.levels.len());
    let classes = &heads.classes[level];
    let cell = cell[0] * classes.shape[2] + cell[1];
    let centreness = heads.centreness.get(level);
    scores(classes, centreness, (cell, a), options.classes).collect()
}

/// A class of an anchor.
#[derive(Clone, Copy)]
struct Scored {
    score: f32,
    cell: usize,
    a: usize,
    class: usize,
}

/// What passes the threshold of a level, the best where there is a limit; in order.
fn best(
    classes: &Map<'_>,
    centreness: Option<&Map<'_>>,
    level: usize,
    options: &DenseOptions,
) -> Vec<Scored> {
    let mut passing = Vec::new();
    for cell in 0..classes.cells() {
        for a in 0..options.anchors.levels[level].cell.len() {
            let scores = scores(classes, centreness, (cell, a), options.classes);
            for (class, score) in scores.enumerate() {
                // NaN passes no threshold.
                if score > options.score_threshold {
                    passing.push(Scored {
                        score,
                        cell,
                        a,
                        class,
                    });
                }
            }
        }
    }
    if let Some(limit) = options.per_level.filter(|limit| *limit < passing.len()) {
        let place = |scored: &Scored| (scored.cell, scored.a, scored.class);
        // Stable, so that of ties the earlier are taken.
        passing.sort_by(|x, y| y.score.total_cmp(&x.score));
        passing.truncate(limit);
        passing.sort_unstable_by_key(place);
    }
    passing
}

/// The box that values make of an anchor.
fn decoded(anchor: BBox, value: impl Fn(usize) -> f32, code: BoxCode) -> BBox {
    let distances: [f32; 4] = match code {
        BoxCode::Deltas => return decode(anchor, from_fn(value), [1.0; 4]),
        BoxCode::Distances => from_fn(value),
        BoxCode::Distribution { bins } => from_fn(|side| {
            let logits: Vec<f32> = (0..bins).map(|bin| value(side * bins + bin)).collect();
            let probabilities = softmax(&logits).into_iter().enumerate();
            probabilities.map(|(bin, p)| bin as f32 * p).sum()
        }),
    };
    let [x1, y1, x2, y2] = anchor;
    let (width, height) = (x2 - x1, y2 - y1);
    let (x, y) = (0.5 * (x1 + x2), 0.5 * (y1 + y2));
    let [left, top, right, bottom] = distances;
    [
        x - left * width,
        y - top * height,
        x + right * width,
        y + bottom * height,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::anchors::AnchorLayout;

    #[test]
    fn recorded_options_are_the_options() {
        let anchors = AnchorLayout::torchvision().grid(3, [96, 160], &[[12, 20]; 5]);
        let options = DenseOptions {
            anchors,
            classes: 91,
            first_label: 0,
            code: BoxCode::Deltas,
            score_threshold: 0.05,
            per_level: Some(1000),
            extent: None,
        };
        let distributed = DenseOptions {
            first_label: 1,
            code: BoxCode::Distribution { bins: 8 },
            per_level: None,
            extent: Some([416, 320]),
            ..options.clone()
        };
        let distances = DenseOptions {
            code: BoxCode::Distances,
            ..options.clone()
        };
        for options in [options, distributed, distances] {
            assert_eq!(DenseOptions::from_scalars(&options.to_scalars()), options);
        }
    }
}
