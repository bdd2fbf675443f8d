//! From a batch to the four losses of Faster R-CNN, as torchvision's `GeneralizedRCNN`, detectron2's or
//! faster-rcnn.pytorch's model computes them in training. In four parts, so that what chance picks can be looked
//! at, or given.

use burn::tensor::{Int, Tensor, TensorData};
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use rayon::prelude::*;

use super::anchors::Anchors;
use super::assign::{Match, Sampled, assign, sample, sample_again};
use super::losses::{binary_cross_entropy, cross_entropy};
use super::recipe::{LossOptions, RpnMean};
use crate::boxes::BBox;
use crate::models::TwoStage;
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
    /// In pixels of the resized picture, its edges those of the model's boxes.
    pub bbox: BBox,
    /// The model's label, 1 or more.
    pub label: usize,
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
    model: &dyn TwoStage,
    batch: &Batch,
    options: &LossOptions,
    chance: &mut impl Rng,
) -> Losses {
    let features = model.features(batch.images.clone());
    let maps = model.rpn_logits(features.clone());
    let anchors = Anchors::new(model.anchors(&maps, batch.frames[0].padded), &maps);
    // A stream for each picture, so that they can be worked on at once.
    let seeds: Vec<u64> = batch.frames.iter().map(|_| chance.next_u64()).collect();
    let sampled = choose_anchors(&anchors, batch, options, &seeds);
    let proposals = propose(&anchors, &maps, batch, options);
    let rois = choose_rois(&proposals, batch, options, &seeds);
    let (objectness, rpn_box) = rpn_losses(&anchors, maps, batch, &sampled, options);
    let (classifier, box_reg) = box_losses(model, features, &rois, options);
    Losses {
        objectness,
        rpn_box,
        classifier,
        box_reg,
    }
}

/// What each anchor of a picture is taken for.
pub fn match_anchors(
    anchors: &Anchors,
    truth: &[Truth],
    frame: &Frame,
    options: &LossOptions,
) -> Vec<Match> {
    let objects: Vec<BBox> = truth.iter().map(|truth| truth.bbox).collect();
    let (edges, thresholds) = (options.rules.edges(), options.anchor_thresholds);
    if !options.are_anchors_inside {
        return assign(anchors.boxes(), &objects, edges, thresholds);
    }
    let size = frame.resized.map(|side| side as f32);
    let is_inside = |&index: &usize| edges.is_inside(anchors.boxes()[index], size);
    let inside: Vec<usize> = (0..anchors.boxes().len()).filter(is_inside).collect();
    let boxes: Vec<BBox> = inside.iter().map(|&index| anchors.boxes()[index]).collect();
    let mut matches = vec![Match::Ignored; anchors.boxes().len()];
    let found = assign(&boxes, &objects, edges, thresholds);
    for (index, found) in inside.into_iter().zip(found) {
        matches[index] = found;
    }
    matches
}

/// The anchors of each picture that the RPN learns from.
pub fn choose_anchors(
    anchors: &Anchors,
    batch: &Batch,
    options: &LossOptions,
    seeds: &[u64],
) -> Vec<Sampled> {
    let pictures = batch.truth.par_iter().zip(&batch.frames).zip(seeds);
    pictures
        .map(|((truth, frame), &seed)| {
            let matches = match_anchors(anchors, truth, frame, options);
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
    options: &LossOptions,
) -> (Tensor<1>, Tensor<1>) {
    let levels = anchors.levels();
    let device = batch.images.device();
    let mut logit_places = vec![Vec::new(); levels];
    let mut labels = vec![Vec::new(); levels];
    let mut delta_places = vec![Vec::new(); levels];
    let mut targets = vec![Vec::new(); levels];
    let mut outside = vec![Vec::new(); levels];
    let chosen: Vec<usize> = sampled.iter().map(Sampled::len).collect();
    let all: usize = chosen.iter().sum();
    let asked = options.anchors * sampled.len();
    for (picture, sampled) in sampled.iter().enumerate() {
        let mut push = |anchor: usize, label: f32| {
            let (level, place) = anchors.place(anchor, picture, 1, 0);
            logit_places[level].push(place);
            labels[level].push(label);
        };
        let background = sampled.background.iter();
        background.for_each(|&anchor| push(anchor, 0.0));
        let samples = match options.rpn_mean {
            RpnMean::Chosen => all,
            RpnMean::Asked => asked,
            RpnMean::Pictures => chosen[picture] * chosen.len(),
        };
        for &(anchor, object) in &sampled.foreground {
            push(anchor, 1.0);
            let object = batch.truth[picture][object].bbox;
            let (level, _) = anchors.place(anchor, picture, 4, 0);
            let places = (0..4).map(|k| anchors.place(anchor, picture, 4, k).1);
            delta_places[level].extend(places);
            let anchor = anchors.boxes()[anchor];
            targets[level].extend(options.rules.edges().encode(anchor, object, [1.0; 4]));
            outside[level].push(1.0 / samples as f32);
        }
    }
    let labels = labels.concat();
    let count = labels.len();
    let labels = Tensor::from_data(TensorData::new(labels, [count]), &device);
    let objectness = match gathered(maps.logits, logit_places) {
        Some(logits) => {
            let samples = match options.rpn_mean {
                RpnMean::Asked => asked,
                RpnMean::Chosen | RpnMean::Pictures => all,
            };
            binary_cross_entropy(logits, labels).div_scalar(samples as f64)
        }
        None => Tensor::zeros([1], &device),
    };
    let rpn_box = match gathered(maps.deltas, delta_places) {
        Some(deltas) => {
            let targets = targets.concat();
            let shape = [targets.len() / 4, 4];
            let targets = Tensor::from_data(TensorData::new(targets, shape), &device);
            let loss = options.rpn_box_loss;
            loss.loss(deltas.reshape(shape), targets, &outside.concat())
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
                per_level: options.proposals_per_level,
                limit: options.proposals,
                ..options.rules.proposals(anchors.grid.clone())
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
        let matches = assign(
            &boxes,
            &objects,
            options.rules.edges(),
            options.roi_thresholds,
        );
        // Another stream than the anchors'.
        let mut chance = Pcg64Mcg::seed_from_u64(!seed);
        let sample: fn(&[Match], usize, f32, &mut Pcg64Mcg) -> Sampled =
            match options.are_rois_redrawn {
                true => sample_again,
                false => sample,
            };
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

/// The box head's losses over the chosen regions of each picture, at least one in all.
pub fn box_losses(
    model: &dyn TwoStage,
    features: Vec<Tensor<4>>,
    rois: &[Vec<Roi>],
    options: &LossOptions,
) -> (Tensor<1>, Tensor<1>) {
    let device = features[0].device();
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
    let features = model.roi_features(features, &proposals);
    let (logits, deltas) = model.box_outputs(features);
    let [_, classes] = logits.dims();
    let [_, columns] = deltas.dims();
    let decoding = options.rules.decoding(0.0);
    let class_of = |label| decoding.background.class_of(label, classes);
    let label = |roi: &Roi| roi.object.map_or(0, |object| object.label);
    let labels = all.iter().map(|roi| class_of(label(roi)) as i32);
    let classifier = cross_entropy(logits, ints(labels.collect()));

    let mut places = Vec::new();
    let mut targets = Vec::new();
    for (row, roi) in all.iter().enumerate() {
        if let Some(object) = roi.object {
            let is_for_all = columns == 4;
            let column = if is_for_all {
                0
            } else {
                4 * class_of(object.label)
            };
            let first = row * columns + column;
            places.extend((first..first + 4).map(|place| place as i32));
            targets.extend(
                options
                    .rules
                    .edges()
                    .encode(roi.bbox, object.bbox, decoding.weights),
            );
        }
    }
    if places.is_empty() {
        return (classifier, Tensor::zeros([1], &device));
    }
    let shape = [targets.len() / 4, 4];
    let picked = deltas.flatten::<1>(0, 1).select(0, ints(places));
    let targets = Tensor::from_data(TensorData::new(targets, shape), &device);
    let outside = vec![1.0 / all.len() as f32; shape[0]];
    let box_reg = options
        .roi_box_loss
        .loss(picked.reshape(shape), targets, &outside);
    (classifier, box_reg)
}
