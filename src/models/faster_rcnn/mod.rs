//! Faster R-CNN on a feature pyramid, as torchvision's `FasterRCNN`, and with what Mask R-CNN and Keypoint R-CNN
//! add to it. [`torchvision`] lists its family, and `pyramid_tiny`, the same network made slim;
//! [`detectron2`](super::detectron2) builds its own and EFPN of it.

use burn::module::Module;
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Int, Tensor};

use super::bottom_up::BottomUp;
use super::box_head::{BoxHead, BoxPredictor};
use super::fpn::{FeaturePyramid, add_upsampled};
use super::ftt::Ftt;
use super::keypoint_head::{self, KeypointHead, KeypointPredictor};
use super::mask_head::{self, MaskHead, MaskPredictor};
use super::rpn::RpnHead;
use super::{Model, Outputs, Request, Rules, TwoStage, Upsampling};
use crate::ops::anchors::{AnchorGrid, AnchorLayout};
use crate::ops::keypoint_decode::decode_keypoints;
use crate::ops::mask_select::select_masks;
use crate::ops::proposals::{ProposalOptions, Proposals, RpnMaps, select_proposals};
use crate::ops::roi_align::{RoiAlignOptions, roi_align};
use crate::ops::roi_decode::decode_rois;
use crate::ops::select::{Rois, select_detections, select_rois};
use crate::plan::{InstanceKind, MapKind};

mod config;
pub mod torchvision;

pub use config::{FasterRcnnConfig, InstancesForm};
pub use torchvision::*;

/// The detector: backbone with pyramid, region proposals, box head.
#[derive(Module, Debug)]
pub struct FasterRcnn {
    backbone: Backbone,
    rpn: Rpn,
    roi_heads: RoiHeads,
    #[module(skip)]
    anchors: AnchorLayout,
    first_level: usize,
    #[module(skip)]
    strides: Vec<usize>,
    roi_levels: usize,
    roi_stride: usize,
    proposals_per_level: usize,
    min_logit: f32,
    canonical_size: f32,
    #[module(skip)]
    rules: Rules,
}

#[derive(Module, Debug)]
struct Backbone {
    body: BottomUp,
    fpn: FeaturePyramid,
    ftt: Option<Ftt>,
}

#[derive(Module, Debug)]
struct Rpn {
    head: RpnHead,
}

#[derive(Module, Debug)]
struct RoiHeads {
    box_head: BoxHead,
    box_predictor: BoxPredictor,
    mask_head: Option<MaskHead>,
    mask_predictor: Option<MaskPredictor>,
    keypoint_head: Option<KeypointHead>,
    keypoint_predictor: Option<KeypointPredictor>,
}

/// The levels of a pyramid.
struct Pyramid {
    /// Finest first.
    levels: Vec<Tensor<4>>,
    /// P3′ of EFPN.
    textured: Option<Tensor<4>>,
}

/// Size of a RoI on the feature map, in cells.
const ROI_SIZE: usize = 7;

impl FasterRcnn {
    /// The model with unloaded weights.
    pub fn new(config: &FasterRcnnConfig, device: &Device) -> Self {
        // One head is for all levels, whose cells have as many anchors each.
        let anchors = config.anchors.per_cell(0);
        let channels = config.pyramid.channels;
        let coarser = (1..=config.pyramid.coarser.count()).map(|n| 1 << n);
        let mut strides = config.body.strides();
        let coarsest = strides.last().copied().unwrap_or(1);
        strides.extend(coarser.map(|times: usize| times * coarsest));
        let mut heads = RoiHeads {
            box_head: BoxHead::new(
                config.box_head,
                [channels, ROI_SIZE * ROI_SIZE],
                config.hidden,
                device,
            ),
            box_predictor: BoxPredictor::new(
                config.hidden,
                config.classes,
                config.rules.decoding(0.0).background.boxes(config.classes),
                device,
            ),
            mask_head: None,
            mask_predictor: None,
            keypoint_head: None,
            keypoint_predictor: None,
        };
        match config.instances {
            None => {}
            Some(InstancesForm::Masks { norm_eps }) => {
                heads.mask_head = Some(MaskHead::new(channels, norm_eps, device));
                heads.mask_predictor = Some(MaskPredictor::new(config.classes, device));
            }
            Some(InstancesForm::Keypoints(keypoints)) => {
                heads.keypoint_head = Some(KeypointHead::new(channels, device));
                heads.keypoint_predictor = Some(KeypointPredictor::new(keypoints, device));
            }
        }
        Self {
            backbone: Backbone {
                body: BottomUp::new(&config.body, device),
                fpn: FeaturePyramid::new(&config.body.channels(), &config.pyramid, device),
                ftt: config.ftt.map(|form| Ftt::new(form, channels, device)),
            },
            rpn: Rpn {
                head: RpnHead::new([channels; 2], config.rpn_depth, [anchors, 1], device),
            },
            roi_heads: heads,
            anchors: config.anchors,
            first_level: config.first_level,
            strides,
            roi_levels: config.roi_levels,
            roi_stride: config.roi_stride,
            proposals_per_level: config.proposals_per_level,
            min_logit: config.min_logit,
            canonical_size: config.canonical_size,
            rules: config.rules,
        }
    }

    /// A picture `[1, 3, H, W]`, normalized and padded, → what was asked for.
    ///
    /// `frame` is [`Frame::tensor`](crate::transform::Frame::tensor).
    pub fn forward(&self, image: Tensor<4>, frame: Tensor<1>, request: &Request) -> Outputs {
        let mut outputs = Outputs::new(request, &image);
        let [_, _, height, width] = image.dims();
        let (first, strides) = (self.first_level, &self.strides);
        let mut tell = |kind, maps: &[Tensor<4>], name: fn(usize) -> String| {
            outputs.levels_at(kind, first, strides, maps, name);
        };
        let features = self.bottom_up(image);
        tell(MapKind::Features, &features, |n| format!("C{n}"));
        // EFPN's finest level has no convolution of its own.
        if request.asks_for(MapKind::Alone) && self.backbone.ftt.is_none() {
            let alone = self.backbone.fpn.levels_alone(features.clone());
            tell(MapKind::Alone, &alone, |n| format!("P{n} alone"));
        }
        let Pyramid { levels, textured } = self.textured_pyramid(features);
        tell(MapKind::Pyramid, &levels, |n| format!("P{n}"));
        if let Some(map) = textured {
            let maps = std::slice::from_ref(&map);
            outputs.levels_at(MapKind::Pyramid, first + 1, &strides[1..], maps, |n| {
                format!("P{n}'")
            });
        }
        if !request.needs_heads() {
            return outputs;
        }
        let maps = self.rpn_maps(levels.clone());
        let mut tell = |maps: &[Tensor<4>], name: fn(usize) -> String| {
            outputs.levels_at(MapKind::Heads, first, strides, maps, name);
        };
        tell(&maps.logits, |n| format!("P{n} objectness"));
        tell(&maps.deltas, |n| format!("P{n} deltas"));
        if request.asks_for(MapKind::Objectness) {
            let likeliest = maps.best_logits().into_iter().map(sigmoid);
            let maps: Vec<Tensor<4>> = likeliest.collect();
            let name = |n| format!("P{n} probability");
            outputs.levels_at(MapKind::Objectness, first, strides, &maps, name);
        }
        let Some(selection) = request.selection else {
            return outputs;
        };
        let limit = selection.proposals;
        let proposals = self.proposals(maps, [height, width], frame.clone(), limit);
        outputs.proposals(&proposals);
        let rois = self.roi_features(levels.clone(), &proposals);
        let (logits, deltas) = self.box_outputs(rois);
        outputs.rows("class logits", &logits);
        outputs.rows("box deltas", &deltas);
        let options = self.rules.decoding(selection.score_threshold);
        let candidates = decode_rois(logits, deltas, proposals, frame.clone(), options);
        let options = selection.into();
        if !self.roi_heads.look_again() {
            outputs.detections = Some(select_detections(candidates, frame, options));
            return outputs;
        }
        let (detections, rois) = select_rois(candidates, frame, options);
        outputs.detections = Some(detections);
        outputs.instances = Some(self.instances(levels, rois));
        outputs
    }

    /// What is looked for in detections: rows of 28×28 probabilities that pixels of a box are the object's, or
    /// of x, y and score of each keypoint, in pixels of the resized picture.
    fn instances(&self, levels: Vec<Tensor<4>>, rois: Rois) -> (InstanceKind, Tensor<2>) {
        let heads = &self.roi_heads;
        let crops = |side| self.crops(levels, &rois.boxes, &rois.count, side);
        match heads {
            RoiHeads {
                mask_head: Some(head),
                mask_predictor: Some(predictor),
                ..
            } => {
                let logits = predictor.forward(head.forward(crops(mask_head::ROI_SIZE)));
                (InstanceKind::Masks, select_masks(logits, rois.labels))
            }
            RoiHeads {
                keypoint_head: Some(head),
                keypoint_predictor: Some(predictor),
                ..
            } => {
                let heat_maps = predictor.forward(head.forward(crops(keypoint_head::ROI_SIZE)));
                let keypoints = decode_keypoints(heat_maps, rois.boxes, rois.count);
                (InstanceKind::Keypoints, keypoints)
            }
            _ => unreachable!("it has heads that look again"),
        }
    }

    /// RoIAlign of boxes in pixels of the resized pictures, to so many cells a side.
    fn crops(
        &self,
        mut features: Vec<Tensor<4>>,
        boxes: &Tensor<2>,
        count: &Tensor<1, Int>,
        side: usize,
    ) -> Tensor<4> {
        let output = [side; 2];
        let options = match self.rules {
            Rules::Torchvision => RoiAlignOptions::torchvision(output),
            Rules::Detectron2 => RoiAlignOptions::detectron2(output, self.roi_stride),
            Rules::Legacy => unreachable!("it has no pyramid"),
        };
        let levels = 0..self.roi_levels;
        let options = RoiAlignOptions {
            canonical_size: self.canonical_size,
            strides: levels.map(|level| self.roi_stride << level).collect(),
            ..options
        };
        features.truncate(options.strides.len());
        roi_align(features, boxes.clone(), count.clone(), options)
    }

    /// `[1, 3, H, W]` → C2…C5.
    pub fn bottom_up(&self, image: Tensor<4>) -> Vec<Tensor<4>> {
        self.backbone.body.forward(image)
    }

    /// C2…C5 → P2…P6; of EFPN C2…C6 → P2…P7.
    pub fn pyramid(&self, features: Vec<Tensor<4>>) -> Vec<Tensor<4>> {
        self.textured_pyramid(features).levels
    }

    /// The same, and P3′ where EFPN makes it: the texture of P3 transferred to P4. Its P2 is made of that and
    /// of the finest lateral, with no 3×3 after it. The authors' own code takes the sums before the 3×3s
    /// instead, and has one after this; here all forms are wired alike.
    fn textured_pyramid(&self, mut features: Vec<Tensor<4>>) -> Pyramid {
        let Backbone { fpn, ftt, .. } = &self.backbone;
        let Some(ftt) = ftt else {
            return Pyramid {
                levels: fpn.forward(features),
                textured: None,
            };
        };
        let finest = features.remove(0);
        let mut levels = fpn.levels_from(1, features);
        let textured = ftt.forward(levels[1].clone(), levels[0].clone());
        let lateral = fpn.lateral(0, finest);
        let finest = add_upsampled(lateral, textured.clone(), Upsampling::Nearest);
        levels.insert(0, finest);
        Pyramid {
            levels,
            textured: Some(textured),
        }
    }

    /// C2, C3, … → P2′ and P3′ of EFPN; none where it has no feature texture transfer.
    pub fn textured_levels(&self, features: Vec<Tensor<4>>) -> Option<[Tensor<4>; 2]> {
        let Pyramid { levels, textured } = self.textured_pyramid(features);
        Some([levels.into_iter().next()?, textured?])
    }

    /// C2, C3, … → P3, P4, … of the plain pyramid.
    pub fn plain_levels(&self, mut features: Vec<Tensor<4>>) -> Vec<Tensor<4>> {
        features.remove(0);
        self.backbone.fpn.levels_from(1, features)
    }

    /// P2…P6, of more levels the finest → objectness logits `[1, A, H, W]` and deltas `[1, 4A, H, W]` of each level.
    pub fn rpn_maps(&self, pyramid: Vec<Tensor<4>>) -> RpnMaps {
        let levels = pyramid.into_iter().take(self.anchors.sizes.len());
        let maps = levels.map(|level| self.rpn.head.forward(level));
        let (logits, deltas) = maps.unzip();
        RpnMaps { logits, deltas }
    }

    /// What [`rpn_maps`](Self::rpn_maps) says of an input of `padded` height and width → the `limit` best
    /// proposals, in pixels of the resized picture.
    pub fn proposals(
        &self,
        maps: RpnMaps,
        padded: [usize; 2],
        frame: Tensor<1>,
        limit: usize,
    ) -> Proposals {
        let anchors = self.anchors(&maps, padded);
        let options = ProposalOptions {
            per_level: self.proposals_per_level,
            limit,
            min_logit: self.min_logit,
            ..self.rules.proposals(anchors)
        };
        select_proposals(maps, frame, options)
    }
}

impl TwoStage for FasterRcnn {
    fn features(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        self.pyramid(self.bottom_up(images))
    }

    fn rpn_logits(&self, features: Vec<Tensor<4>>) -> RpnMaps {
        self.rpn_maps(features)
    }

    fn anchors(&self, maps: &RpnMaps, padded: [usize; 2]) -> AnchorGrid {
        self.anchors.grid(self.first_level, padded, &maps.sizes())
    }

    /// RoIAlign over P2…P5.
    fn roi_features(&self, features: Vec<Tensor<4>>, rois: &Proposals) -> Tensor<4> {
        self.crops(features, &rois.boxes, &rois.count, ROI_SIZE)
    }

    fn box_outputs(&self, rois: Tensor<4>) -> (Tensor<2>, Tensor<2>) {
        let x = self.roi_heads.box_head.forward(rois);
        self.roi_heads.box_predictor.forward(x)
    }
}

impl RoiHeads {
    /// Whether they look at detections again.
    fn look_again(&self) -> bool {
        self.mask_head.is_some() || self.keypoint_head.is_some()
    }
}

impl Model {
    /// The detector on a pyramid that it is, if it is one.
    pub fn as_faster_rcnn(&self) -> Option<&FasterRcnn> {
        match self {
            Self::FasterRcnn(model) => Some(model),
            _ => None,
        }
    }
}
