//! From a batch to the four losses of Faster R-CNN, as torchvision's `GeneralizedRCNN` computes them in
//! training. In four parts, so that what chance picks can be looked at, or given.

use burn::tensor::{Int, Tensor, TensorData};
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use rayon::prelude::*;

use super::assign::{Sampled, Thresholds, assign, sample};
use super::losses::{SmoothL1, binary_cross_entropy, cross_entropy};
use crate::boxes::{BBox, CoderWeights, encode};
use crate::models::FasterRcnn;
use crate::ops::Map;
use crate::ops::anchors::AnchorGrid;
use crate::ops::proposals::{ProposalOptions, Proposals, RpnMaps, select};
use crate::transform::Frame;

/// Pictures on their way into a model.
#[derive(Clone, Debug)]
pub struct Batch {
    /// `[N, 3, H, W]`, normalized and padded, on a device with gradients.
    pub images: Tensor<4>,
    /// The sizes of each.
    pub frames: Vec<Frame>,
    /// What is in each.
    pub truth: Vec<Vec<Truth>>,
}

/// An object to be found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Truth {
    /// In pixels of the resized picture.
    pub bbox: BBox,
    /// The model's label, 1 or more.
    pub label: usize,
}

/// What is learnt from, and how it is weighed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossOptions {
    /// Which anchors are objects.
    pub anchor_thresholds: Thresholds,
    /// Anchors that the RPN learns from, a picture.
    pub anchors: usize,
    /// At most this share of them objects.
    pub anchor_foreground: f32,
    /// Proposals that RoIs are chosen from, a picture; also how many are taken from each level.
    pub proposals: usize,
    /// Which proposals are objects.
    pub roi_thresholds: Thresholds,
    /// RoIs that the box head learns from, a picture.
    pub rois: usize,
    /// At most this share of them objects.
    pub roi_foreground: f32,
    /// The loss of the RPN's deltas.
    pub rpn_box_loss: SmoothL1,
    /// The loss of the box head's deltas.
    pub roi_box_loss: SmoothL1,
}

impl LossOptions {
    /// torchvision's.
    pub fn torchvision() -> Self {
        Self {
            anchor_thresholds: Thresholds {
                foreground: 0.7,
                background: 0.3,
                best_counts: true,
            },
            anchors: 256,
            anchor_foreground: 0.5,
            proposals: 2000,
            roi_thresholds: Thresholds {
                foreground: 0.5,
                background: 0.5,
                best_counts: false,
            },
            rois: 512,
            roi_foreground: 0.25,
            rpn_box_loss: SmoothL1::torchvision(),
            roi_box_loss: SmoothL1::torchvision(),
        }
    }
}

/// The losses of a batch, `[1]` each.
#[derive(Clone, Debug)]
pub struct Losses {
    /// Binary cross-entropy of the RPN's logits.
    pub objectness: Tensor<1>,
    /// Smooth L1 of the RPN's deltas.
    pub rpn_box: Tensor<1>,
    /// Cross-entropy of the box head's classes.
    pub classifier: Tensor<1>,
    /// Smooth L1 of the box head's deltas.
    pub box_reg: Tensor<1>,
}

impl Losses {
    /// Their sum.
    pub fn total(&self) -> Tensor<1> {
        self.objectness.clone()
            + self.rpn_box.clone()
            + self.classifier.clone()
            + self.box_reg.clone()
    }
}

/// The losses of a batch; `chance` picks the anchors and the RoIs that are learnt from.
pub fn losses(
    model: &FasterRcnn,
    batch: &Batch,
    options: &LossOptions,
    chance: &mut impl Rng,
) -> Losses {
    let pyramid = model.pyramid(model.bottom_up(batch.images.clone()));
    let maps = model.rpn_maps(pyramid.clone());
    let anchors = Anchors::new(model.anchors(&maps, batch.frames[0].padded), &maps);
    // A stream for each picture, so that they can be worked on at once.
    let seeds: Vec<u64> = batch.frames.iter().map(|_| chance.next_u64()).collect();
    let sampled = choose_anchors(&anchors, batch, options, &seeds);
    let proposals = propose(&anchors, &maps, batch, options);
    let rois = choose_rois(&proposals, batch, options, &seeds);
    let (objectness, rpn_box) = rpn_losses(&anchors, maps, batch, &sampled, options.rpn_box_loss);
    let (classifier, box_reg) = box_losses(model, pyramid, &rois, options.roi_box_loss);
    Losses {
        objectness,
        rpn_box,
        classifier,
        box_reg,
    }
}

/// All anchors of a picture, in the order of level, cell and anchor of the cell.
pub struct Anchors {
    grid: AnchorGrid,
    boxes: Vec<BBox>,
    /// Anchors of a cell, height and width of each level.
    shapes: Vec<[usize; 3]>,
    /// How many come before each level's, and in all.
    starts: Vec<usize>,
}

impl Anchors {
    /// Those of the cells of `maps`.
    pub fn new(grid: AnchorGrid, maps: &RpnMaps) -> Self {
        let mut boxes = Vec::new();
        let mut shapes = Vec::new();
        let mut starts = vec![0];
        for (level, logits) in maps.logits.iter().enumerate() {
            let [_, per_cell, height, width] = logits.dims();
            for cell in 0..height * width {
                let place = [cell / width, cell % width];
                boxes.extend((0..per_cell).map(|a| grid.anchor(level, a, place)));
            }
            shapes.push([per_cell, height, width]);
            starts.push(boxes.len());
        }
        Self {
            grid,
            boxes,
            shapes,
            starts,
        }
    }

    /// The boxes, in pixels of the resized picture.
    pub fn boxes(&self) -> &[BBox] {
        &self.boxes
    }

    /// The level of an anchor, and where the value of its `channel` of `channels` lies in the level's
    /// maps `[N, A · channels, H, W]` in memory.
    fn place(
        &self,
        anchor: usize,
        picture: usize,
        channels: usize,
        channel: usize,
    ) -> (usize, i32) {
        let level = self.starts.partition_point(|&start| start <= anchor) - 1;
        let [per_cell, height, width] = self.shapes[level];
        let within = anchor - self.starts[level];
        let (cell, a) = (within / per_cell, within % per_cell);
        let plane = (picture * per_cell + a) * channels + channel;
        (level, (plane * height * width + cell) as i32)
    }

    /// The maps of one picture, `channels` an anchor, out of the levels' `[N, A · channels, H, W]`.
    fn maps_of<'a>(&self, levels: &'a [Vec<f32>], picture: usize, channels: usize) -> Vec<Map<'a>> {
        let map = |(values, &[per_cell, height, width]): (&'a Vec<f32>, &[usize; 3])| {
            let shape = [per_cell * channels, height, width];
            let size: usize = shape.iter().product();
            let values = &values[picture * size..][..size];
            Map { values, shape }
        };
        levels.iter().zip(&self.shapes).map(map).collect()
    }
}

/// The anchors of each picture that the RPN learns from.
pub fn choose_anchors(
    anchors: &Anchors,
    batch: &Batch,
    options: &LossOptions,
    seeds: &[u64],
) -> Vec<Sampled> {
    batch
        .truth
        .par_iter()
        .zip(seeds)
        .map(|(truth, &seed)| {
            let objects: Vec<BBox> = truth.iter().map(|truth| truth.bbox).collect();
            let matches = assign(&anchors.boxes, &objects, options.anchor_thresholds);
            let mut chance = Pcg64Mcg::seed_from_u64(seed);
            let share = options.anchor_foreground;
            sample(&matches, options.anchors, share, &mut chance)
        })
        .collect()
}

/// The RPN's losses over the chosen anchors.
pub fn rpn_losses(
    anchors: &Anchors,
    maps: RpnMaps,
    batch: &Batch,
    sampled: &[Sampled],
    box_loss: SmoothL1,
) -> (Tensor<1>, Tensor<1>) {
    let levels = anchors.shapes.len();
    let device = batch.images.device();
    let mut logit_places = vec![Vec::new(); levels];
    let mut labels = vec![Vec::new(); levels];
    let mut delta_places = vec![Vec::new(); levels];
    let mut targets = vec![Vec::new(); levels];
    for (picture, sampled) in sampled.iter().enumerate() {
        let mut push = |anchor: usize, label: f32| {
            let (level, place) = anchors.place(anchor, picture, 1, 0);
            logit_places[level].push(place);
            labels[level].push(label);
        };
        sampled
            .background
            .iter()
            .for_each(|&anchor| push(anchor, 0.0));
        for &(anchor, object) in &sampled.foreground {
            push(anchor, 1.0);
            let object = batch.truth[picture][object].bbox;
            let (level, _) = anchors.place(anchor, picture, 4, 0);
            let places = (0..4).map(|k| anchors.place(anchor, picture, 4, k).1);
            delta_places[level].extend(places);
            targets[level].extend(encode(anchors.boxes[anchor], object, [1.0; 4]));
        }
    }
    let samples: usize = labels.iter().map(Vec::len).sum();
    let logits = gathered(maps.logits, logit_places);
    let labels = labels.concat();
    let count = labels.len();
    let labels = Tensor::from_data(TensorData::new(labels, [count]), &device);
    let objectness = match logits {
        Some(logits) => binary_cross_entropy(logits, labels),
        None => Tensor::zeros([1], &device),
    };
    let rpn_box = match gathered(maps.deltas, delta_places) {
        Some(deltas) => {
            let targets = targets.concat();
            let shape = [targets.len() / 4, 4];
            let targets = Tensor::from_data(TensorData::new(targets, shape), &device);
            box_loss.loss(deltas.reshape(shape), targets, 1.0 / samples as f64)
        }
        None => Tensor::zeros([1], &device),
    };
    (objectness, rpn_box)
}

/// The values at those places of each level's map, one after the other; none where there are none.
fn gathered(maps: Vec<Tensor<4>>, places: Vec<Vec<i32>>) -> Option<Tensor<1>> {
    let picked: Vec<Tensor<1>> = maps
        .into_iter()
        .zip(places)
        .filter(|(_, places)| !places.is_empty())
        .map(|(map, places)| {
            let count = places.len();
            let places = Tensor::from_data(TensorData::new(places, [count]), &map.device());
            map.flatten::<1>(0, 3).select(0, places)
        })
        .collect();
    (!picked.is_empty()).then(|| Tensor::cat(picked, 0))
}

/// A region that the box head learns from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Roi {
    /// In pixels of the resized picture.
    pub bbox: BBox,
    /// What is in it, if it is taken for an object.
    pub object: Option<Truth>,
}

/// The RPN's proposals for each picture, best first.
pub fn propose(
    anchors: &Anchors,
    maps: &RpnMaps,
    batch: &Batch,
    options: &LossOptions,
) -> Vec<Vec<BBox>> {
    let values = |map: &Tensor<4>| -> Vec<f32> {
        let map = map.clone().inner().into_data();
        map.try_to_vec().expect("maps are f32")
    };
    let logits: Vec<Vec<f32>> = maps.logits.iter().map(values).collect();
    let deltas: Vec<Vec<f32>> = maps.deltas.iter().map(values).collect();
    batch
        .frames
        .par_iter()
        .enumerate()
        .map(|(picture, frame)| {
            let options = ProposalOptions {
                per_level: options.proposals,
                limit: options.proposals,
                ..ProposalOptions::torchvision(anchors.grid.clone())
            };
            let resized = frame.resized.map(|side| side as f32);
            let logits = anchors.maps_of(&logits, picture, 1);
            let deltas = anchors.maps_of(&deltas, picture, 4);
            select(&logits, &deltas, resized, &options).0
        })
        .collect()
}

/// The regions of each picture that the box head learns from: of the proposals and the objects
/// themselves.
pub fn choose_rois(
    proposals: &[Vec<BBox>],
    batch: &Batch,
    options: &LossOptions,
    seeds: &[u64],
) -> Vec<Vec<Roi>> {
    let choose = |((proposals, truth), &seed): ((&Vec<BBox>, &Vec<Truth>), &u64)| {
        let objects: Vec<BBox> = truth.iter().map(|truth| truth.bbox).collect();
        let boxes = [&proposals[..], &objects].concat();
        let matches = assign(&boxes, &objects, options.roi_thresholds);
        // Another stream than the anchors'.
        let mut chance = Pcg64Mcg::seed_from_u64(!seed);
        let sampled = sample(&matches, options.rois, options.roi_foreground, &mut chance);
        let foreground = sampled.foreground.iter().map(|&(index, object)| Roi {
            bbox: boxes[index],
            object: Some(truth[object]),
        });
        let background = sampled.background.iter().map(|&index| Roi {
            bbox: boxes[index],
            object: None,
        });
        foreground.chain(background).collect()
    };
    let pictures = proposals.par_iter().zip(&batch.truth).zip(seeds);
    pictures.map(choose).collect()
}

/// The weights of the box head's coder.
const CODER: CoderWeights = [10.0, 10.0, 5.0, 5.0];

/// The box head's losses over the chosen regions of each picture, at least one in all.
pub fn box_losses(
    model: &FasterRcnn,
    pyramid: Vec<Tensor<4>>,
    rois: &[Vec<Roi>],
    box_loss: SmoothL1,
) -> (Tensor<1>, Tensor<1>) {
    let device = pyramid[0].device();
    let ints = |values: Vec<i32>| -> Tensor<1, Int> {
        let count = values.len();
        Tensor::from_data(TensorData::new(values, [count]), &device)
    };
    let all: Vec<Roi> = rois.concat();
    let boxes: Vec<f32> = all.iter().flat_map(|roi| roi.bbox).collect();
    let proposals = Proposals {
        boxes: Tensor::from_data(TensorData::new(boxes, [all.len(), 4]), &device),
        levels: ints(vec![0; all.len()]),
        count: ints(rois.iter().map(|rois| rois.len() as i32).collect()),
    };
    let features = model.roi_features(pyramid, &proposals);
    let (logits, deltas) = model.box_outputs(features);
    let [_, classes] = logits.dims();
    let label = |roi: &Roi| roi.object.map_or(0, |object| object.label);
    let labels = ints(all.iter().map(|roi| label(roi) as i32).collect());
    let classifier = cross_entropy(logits, labels);

    let mut places = Vec::new();
    let mut targets = Vec::new();
    for (row, roi) in all.iter().enumerate() {
        if let Some(object) = roi.object {
            let first = (row * classes + object.label) * 4;
            places.extend((first..first + 4).map(|place| place as i32));
            targets.extend(encode(roi.bbox, object.bbox, CODER));
        }
    }
    if places.is_empty() {
        return (classifier, Tensor::zeros([1], &device));
    }
    let shape = [targets.len() / 4, 4];
    let picked = deltas.flatten::<1>(0, 1).select(0, ints(places));
    let targets = Tensor::from_data(TensorData::new(targets, shape), &device);
    let outside = 1.0 / all.len() as f64;
    (
        classifier,
        box_loss.loss(picked.reshape(shape), targets, outside),
    )
}
