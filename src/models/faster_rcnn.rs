//! Faster R-CNN on a feature pyramid, as torchvision's `FasterRCNN` with
//! `resnet_fpn_backbone`: `fasterrcnn_resnet50_fpn` and its siblings of other depths; and
//! `pyramid_tiny`, the same network made slim.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::box_head::{BoxHead, BoxPredictor};
use super::fpn::FeaturePyramid;
use super::resnet::{Depth, ResNet, ResNetConfig};
use super::rpn::RpnHead;
use super::{Outputs, Request, Stage};
use crate::ops::anchors::AnchorGrid;
use crate::ops::proposals::{ProposalOptions, Proposals, RpnMaps, select_proposals};
use crate::ops::roi_align::{RoiAlignOptions, roi_align};
use crate::ops::roi_decode::{RoiDecodeOptions, decode_rois};
use crate::ops::select::select_detections;
use crate::plan::MapKind;

/// What a [`FasterRcnn`] is built from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FasterRcnnConfig {
    /// The bottom-up network.
    pub body: ResNetConfig,
    /// Channels of every pyramid level.
    pub pyramid_channels: usize,
    /// Width of the box head's two layers.
    pub hidden: usize,
    /// Side of P2's square anchor, in pixels of the resized picture; each level doubles it.
    pub anchor_size: f32,
    /// Side of the boxes that belong to P4, in pixels of the resized picture.
    pub canonical_size: f32,
    /// Classes, background included.
    pub classes: usize,
}

impl FasterRcnnConfig {
    /// torchvision's. `bn_eps` is 1e-5, but 0 for its COCO checkpoints.
    pub fn torchvision(depth: Depth, classes: usize, bn_eps: f64) -> Self {
        Self {
            body: ResNetConfig::torchvision(depth, bn_eps),
            pyramid_channels: 256,
            hidden: 1024,
            anchor_size: 32.0,
            canonical_size: 224.0,
            classes,
        }
    }

    /// `pyramid_tiny`: for pictures of some 400 pixels, where things are half as large as in
    /// torchvision's 800, and for integrated GPUs and browsers. 1.9 million parameters.
    pub fn tiny(classes: usize, bn_eps: f64) -> Self {
        Self {
            body: ResNetConfig {
                stem_kernel: 3,
                stem: 16,
                blocks: [1, 2, 2, 2],
                widths: [24, 48, 96, 160],
                is_bottleneck: false,
                bn_eps,
            },
            pyramid_channels: 48,
            hidden: 224,
            anchor_size: 16.0,
            // Half of torchvision's would be 112. Finer levels tell shapes better than these slim coarse ones.
            canonical_size: 160.0,
            classes,
        }
    }
}

/// The detector: backbone with pyramid, region proposals, box head.
#[derive(Module, Debug)]
pub struct FasterRcnn {
    backbone: Backbone,
    rpn: Rpn,
    roi_heads: RoiHeads,
    anchor_size: f32,
    canonical_size: f32,
}

#[derive(Module, Debug)]
struct Backbone {
    body: ResNet,
    fpn: FeaturePyramid,
}

#[derive(Module, Debug)]
struct Rpn {
    head: RpnHead,
}

#[derive(Module, Debug)]
struct RoiHeads {
    box_head: BoxHead,
    box_predictor: BoxPredictor,
}

/// Size of a RoI on the feature map, in cells.
const ROI_SIZE: usize = 7;

impl FasterRcnn {
    /// The stage of each part's parameters, by the part's path.
    pub const STAGES: [(&'static str, Stage); 4] = [
        ("backbone.body.", Stage::Backbone),
        ("backbone.fpn.", Stage::Pyramid),
        ("rpn.", Stage::Heads),
        ("roi_heads.", Stage::BoxHead),
    ];

    /// The model with unloaded weights.
    pub fn new(config: &FasterRcnnConfig, device: &Device) -> Self {
        let anchors = AnchorGrid::pyramid(config.anchor_size).anchors_per_cell();
        let channels = config.pyramid_channels;
        Self {
            backbone: Backbone {
                body: ResNet::new(&config.body, device),
                fpn: FeaturePyramid::new(config.body.channels(), channels, device),
            },
            rpn: Rpn {
                head: RpnHead::new(channels, anchors, device),
            },
            roi_heads: RoiHeads {
                box_head: BoxHead::new(channels * ROI_SIZE * ROI_SIZE, config.hidden, device),
                box_predictor: BoxPredictor::new(config.hidden, config.classes, device),
            },
            anchor_size: config.anchor_size,
            canonical_size: config.canonical_size,
        }
    }

    /// A picture `[1, 3, H, W]`, normalized and padded, → what was asked for.
    ///
    /// `frame` is [`Frame::tensor`](crate::transform::Frame::tensor).
    pub fn forward(&self, image: Tensor<4>, frame: Tensor<1>, request: &Request) -> Outputs {
        let mut outputs = Outputs::new(request, &image);
        let [_, _, height, width] = image.dims();
        let features = self.bottom_up(image);
        outputs.levels(MapKind::Features, 2, &features, |n| format!("C{n}"));
        let pyramid = self.pyramid(features);
        outputs.levels(MapKind::Pyramid, 2, &pyramid, |n| format!("P{n}"));
        if !request.needs_heads() {
            return outputs;
        }
        let maps = self.rpn_maps(pyramid.clone());
        outputs.levels(MapKind::Heads, 2, &maps.logits, |n| {
            format!("P{n} objectness")
        });
        outputs.levels(MapKind::Heads, 2, &maps.deltas, |n| format!("P{n} deltas"));
        let Some(selection) = request.selection else {
            return outputs;
        };
        let options = ProposalOptions {
            limit: selection.proposals,
            anchor_size: self.anchor_size,
            ..ProposalOptions::torchvision([height, width])
        };
        let proposals = select_proposals(maps, frame.clone(), options);
        outputs.proposals(&proposals);
        let rois = self.roi_features(pyramid, &proposals);
        let (logits, deltas) = self.box_outputs(rois);
        outputs.rows(&logits);
        outputs.rows(&deltas);
        let candidates = decode_rois(
            logits,
            deltas,
            proposals,
            frame.clone(),
            RoiDecodeOptions::torchvision(selection.score_threshold),
        );
        outputs.detections = Some(select_detections(candidates, frame, selection.into()));
        outputs
    }

    /// `[1, 3, H, W]` → C2…C5.
    pub fn bottom_up(&self, image: Tensor<4>) -> [Tensor<4>; 4] {
        self.backbone.body.forward(image)
    }

    /// C2…C5 → P2…P6.
    pub fn pyramid(&self, features: [Tensor<4>; 4]) -> [Tensor<4>; 5] {
        self.backbone.fpn.forward(features)
    }

    /// The anchors of P2…P6.
    pub fn anchors(&self) -> AnchorGrid {
        AnchorGrid::pyramid(self.anchor_size)
    }

    /// P2…P6 → objectness logits `[1, 3, H, W]` and deltas `[1, 12, H, W]` of each level.
    pub fn rpn_maps(&self, pyramid: [Tensor<4>; 5]) -> RpnMaps {
        let [p2, p3, p4, p5, p6] = pyramid.map(|level| self.rpn.head.forward(level));
        RpnMaps {
            logits: [p2.0, p3.0, p4.0, p5.0, p6.0],
            deltas: [p2.1, p3.1, p4.1, p5.1, p6.1],
        }
    }

    /// P2…P6 → the best proposals, in pixels of the resized picture.
    pub fn proposals(
        &self,
        pyramid: [Tensor<4>; 5],
        frame: Tensor<1>,
        options: ProposalOptions,
    ) -> Proposals {
        select_proposals(self.rpn_maps(pyramid), frame, options)
    }

    /// RoIAlign over P2…P5: `[R, C, 7, 7]`.
    pub fn roi_features(&self, [p2, p3, p4, p5, _]: [Tensor<4>; 5], rois: &Proposals) -> Tensor<4> {
        let options = RoiAlignOptions {
            canonical_size: self.canonical_size,
            ..RoiAlignOptions::torchvision([ROI_SIZE; 2])
        };
        roi_align(
            [p2, p3, p4, p5],
            rois.boxes.clone(),
            rois.count.clone(),
            options,
        )
    }

    /// `[R, C, 7, 7]` → class logits `[R, classes]` and deltas `[R, 4 · classes]`.
    pub fn box_outputs(&self, rois: Tensor<4>) -> (Tensor<2>, Tensor<2>) {
        let x = self.roi_heads.box_head.forward(rois);
        self.roi_heads.box_predictor.forward(x)
    }
}
