//! Faster R-CNN on a single map, C4 (Ren et al., 2015, <https://arxiv.org/abs/1506.01497>), as
//! jwyang's faster-rcnn.pytorch has it, with the first Faster R-CNN's arithmetic of boxes: a ResNet's
//! first three stages make the map, the fourth is the box head.

use burn::module::Module;
use burn::tensor::activation::sigmoid;
use burn::tensor::module::adaptive_avg_pool2d;
use burn::tensor::{Device, Tensor};

use super::box_head::BoxPredictor;
use super::conv::index_in_sequence;
use super::resnet::{self, Block, Depth, ResNet, ResNetConfig, ResNetStage, StemPool, StrideIn};
use super::rpn::RpnHead;
use super::{
    Architecture, Classes, Distribution, EpochDefaults, Model, ModelConfig, Outputs, Request,
    Rules, Selection, Shapes, Specification, Stage, TrainingDefaults, TwoStage,
};
use crate::ops::anchors::{AnchorGrid, AnchorLayout};
use crate::ops::proposals::{ProposalOptions, Proposals, RpnMaps, select_proposals};
use crate::ops::roi_decode::decode_rois;
use crate::ops::roi_pool::{RoiPoolOptions, roi_pool};
use crate::ops::select::{SelectOptions, select_detections};
use crate::plan::MapKind;
use crate::transform::{ChannelOrder, ResizeBounds, Resizer, Transform};

/// Number of the only level, C4.
const LEVEL: usize = 4;

/// The ResNet's stage that looks at RoIs, 0 the first.
const TOP: usize = 3;

/// Channels of the RPN's 3×3.
const RPN_CHANNELS: usize = 512;

/// Size of a RoI on the feature map, in cells.
const ROI_SIZE: usize = 7;

/// The detector: backbone, region proposals, and the stage that looks at RoIs.
#[derive(Module, Debug)]
pub struct FasterRcnnC4 {
    base: ResNet,
    rpn: RpnHead,
    top: Vec<Block>,
    predictor: BoxPredictor,
    #[module(skip)]
    anchors: AnchorLayout,
}

impl FasterRcnnC4 {
    /// The model with unloaded weights, on a ResNet of bottlenecks.
    pub fn new(depth: Depth, config: &ModelConfig, device: &Device) -> Self {
        let whole = ResNetConfig {
            stem_pool: StemPool::Ceil,
            stride_in: config.stride_in,
            ..ResNetConfig::torchvision(depth, config.bn_eps)
        };
        let mut base = whole;
        base.stages[TOP] = ResNetStage::None;
        let [c4, c5] = [TOP - 1, TOP].map(|stage| whole.channels()[stage]);
        let anchors = config.anchors();
        let boxes = match config.is_class_agnostic {
            true => 1,
            false => config.classes,
        };
        Self {
            base: ResNet::new(&base, device),
            // Of an anchor: that it is background, and that it is none.
            rpn: RpnHead::new([c4, RPN_CHANNELS], 1, [anchors.per_cell(0), 2], device),
            top: whole.stage(TOP, device),
            predictor: BoxPredictor::new(c5, config.classes, boxes, device),
            anchors,
        }
    }

    /// A picture `[1, 3, H, W]` (BGR, 0–255, less the mean) → what was asked for.
    ///
    /// `frame` is [`Frame::tensor`](crate::transform::Frame::tensor).
    pub fn forward(&self, image: Tensor<4>, frame: Tensor<1>, request: &Request) -> Outputs {
        let mut outputs = Outputs::new(request, &image);
        let mut features = self.bottom_up(image);
        let c4 = features.pop().expect("the network has stages");
        let name = |n| format!("C{n}");
        outputs.levels(MapKind::Features, 2, &features, name);
        outputs.levels(MapKind::Pyramid, LEVEL, std::slice::from_ref(&c4), name);
        if !request.needs_heads() {
            return outputs;
        }
        let maps = self.rpn_maps(c4.clone());
        outputs.levels(MapKind::Heads, LEVEL, &maps.logits, |n| {
            format!("C{n} objectness")
        });
        outputs.levels(MapKind::Heads, LEVEL, &maps.deltas, |n| {
            format!("C{n} deltas")
        });
        if request.asks_for(MapKind::Objectness) {
            // What is said of anchors are probabilities already.
            let name = |n| format!("C{n} probability");
            outputs.levels(MapKind::Objectness, LEVEL, &maps.best_logits(), name);
        }
        let Some(selection) = request.selection else {
            return outputs;
        };
        let proposals = self.proposals(maps, frame.clone(), selection.proposals);
        outputs.proposals(&proposals);
        let rois = self.roi_features(vec![c4], &proposals);
        let (logits, deltas) = self.box_outputs(rois);
        outputs.rows("class logits", &logits);
        outputs.rows("box deltas", &deltas);
        let options = Rules::Legacy.decoding(selection.score_threshold);
        let candidates = decode_rois(logits, deltas, proposals, frame.clone(), options);
        let options = SelectOptions {
            edges: Rules::Legacy.edges(),
            is_restored: true,
            ..selection.into()
        };
        outputs.detections = Some(select_detections(candidates, frame, options));
        outputs
    }

    /// `[1, 3, H, W]` → C2, C3, C4.
    pub fn bottom_up(&self, image: Tensor<4>) -> Vec<Tensor<4>> {
        self.base.forward(image)
    }

    /// C4 → probabilities of A anchors a cell, `[1, A, H, W]`, and deltas `[1, 4A, H, W]`.
    pub fn rpn_maps(&self, c4: Tensor<4>) -> RpnMaps {
        let RpnMaps { logits, deltas } = self.rpn_logits(vec![c4]);
        RpnMaps {
            // The softmax of an anchor's two.
            logits: logits.into_iter().map(sigmoid).collect(),
            deltas,
        }
    }

    /// The `limit` best proposals of what [`rpn_maps`](Self::rpn_maps) says, in pixels of the resized
    /// picture.
    pub fn proposals(&self, maps: RpnMaps, frame: Tensor<1>, limit: usize) -> Proposals {
        // These anchors do not depend on the input's size.
        let anchors = TwoStage::anchors(self, &maps, [0, 0]);
        let options = ProposalOptions {
            limit,
            ..Rules::Legacy.proposals(anchors)
        };
        select_proposals(maps, frame, options)
    }
}

impl TwoStage for FasterRcnnC4 {
    /// C4 alone.
    fn features(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        self.bottom_up(images).split_off(TOP - 1)
    }

    /// The module has two logits an anchor, for background and foreground; their difference says the same.
    fn rpn_logits(&self, features: Vec<Tensor<4>>) -> RpnMaps {
        let anchors = self.anchors.per_cell(0);
        let maps = features.into_iter().map(|c4| {
            let (logits, deltas) = self.rpn.forward(c4);
            let logits_from = |first| logits.clone().narrow(1, first, anchors);
            let [background, foreground] = [0, anchors].map(logits_from);
            (foreground - background, deltas)
        });
        let (logits, deltas) = maps.unzip();
        RpnMaps { logits, deltas }
    }

    fn anchors(&self, maps: &RpnMaps, padded: [usize; 2]) -> AnchorGrid {
        self.anchors.grid(LEVEL, padded, &maps.sizes())
    }

    /// RoIPool over C4.
    fn roi_features(&self, mut features: Vec<Tensor<4>>, rois: &Proposals) -> Tensor<4> {
        let options = RoiPoolOptions {
            output: [ROI_SIZE; 2],
            stride: 1 << LEVEL,
        };
        let c4 = features.remove(0);
        roi_pool(c4, rois.boxes.clone(), rois.count.clone(), options)
    }

    fn box_outputs(&self, rois: Tensor<4>) -> (Tensor<2>, Tensor<2>) {
        let x = resnet::run(&self.top, rois);
        let x = adaptive_avg_pool2d(x, [1, 1]).flatten(1, 3);
        self.predictor.forward(x)
    }
}

/// Of the depths that have bottlenecks.
pub static ARCHITECTURES: [Architecture; 3] = [RESNET50, RESNET101, RESNET152];

/// On ResNet-50.
pub static RESNET50: Architecture = Architecture(&Specification {
    name: "fasterrcnn_c4_resnet50",
    description: "Faster R-CNN on C4, ResNet-50",
    training: Some(TrainingDefaults {
        rois: 256,
        ..TRAINING
    }),
    build: |config, device| build(Depth::R50, config, device),
    ..COMMON
});

/// On ResNet-101.
pub static RESNET101: Architecture = Architecture(&Specification {
    name: "fasterrcnn_c4_resnet101",
    description: "Faster R-CNN on C4, ResNet-101",
    build: |config, device| build(Depth::R101, config, device),
    ..COMMON
});

/// On ResNet-152.
pub static RESNET152: Architecture = Architecture(&Specification {
    name: "fasterrcnn_c4_resnet152",
    description: "Faster R-CNN on C4, ResNet-152",
    build: |config, device| build(Depth::R152, config, device),
    ..COMMON
});

/// What all depths have in common.
const COMMON: Specification = Specification {
    accepts: "faster-rcnn.pytorch (RCNN_base, RCNN_top), any number of classes, 9 or 12 anchors, class-agnostic or not; .pth, .safetensors",
    transform: Transform {
        order: ChannelOrder::Bgr,
        mean: [102.9801, 115.9465, 122.7717],
        resize: Some(ResizeBounds {
            min_size: 600,
            max_size: 1000,
        }),
        resizer: Resizer::OpenCv,
        // The stem's pool takes two cells, since it is not padded.
        least: 3,
        ..Transform::retinaface()
    },
    selection: Some(Selection {
        score_threshold: 0.05,
        nms_threshold: 0.3,
        limit: 100,
        proposals: 300,
    }),
    stages: &[
        ("base.", Stage::Backbone),
        ("rpn.", Stage::Heads),
        ("top.", Stage::BoxHead),
        ("predictor.", Stage::BoxHead),
    ],
    levels: LEVEL..=LEVEL,
    anchors: Some(AnchorLayout::legacy()),
    proposals_per_level: 6000,
    rules: Some(Rules::Legacy),
    stride_in: &StrideIn::ALL,
    classes: Classes::Counted {
        tensor: "RCNN_cls_score.bias",
        each: 1,
        beside: 0,
        usual: VOC_NAMES.len(),
        names: &VOC_NAMES,
    },
    form,
    key,
    seeded,
    training: Some(TRAINING),
    ..Specification::PLAIN
};

/// That of faster-rcnn.pytorch on PASCAL VOC.
const TRAINING: TrainingDefaults = TrainingDefaults {
    anchors: 256,
    proposals: 2000,
    rois: 128,
    batch: 1,
    learning_rate: 1e-3,
    warm_up: 0,
    are_norms_frozen: true,
    // The stem and the first stage.
    frozen_stages: 2,
    short_sides: &[600],
    // No limit.
    long_side: 16_384,
    epochs: Some(EpochDefaults {
        count: 20,
        decay_after: 5,
    }),
};

/// PASCAL VOC's classes, as its checkpoints number them.
const VOC_NAMES: [&str; 21] = [
    "background",
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
];

/// What the originals were trained with on COCO: anchors of half the least size, too.
pub const TWELVE_ANCHORS: AnchorLayout = AnchorLayout {
    sizes: &[&[64.0, 128.0, 256.0, 512.0]],
    ..AnchorLayout::legacy()
};

fn build(depth: Depth, config: &ModelConfig, device: &Device) -> Model {
    Model::FasterRcnnC4(FasterRcnnC4::new(depth, config, device))
}

/// The anchors of a cell, and whether a RoI has one box for all classes.
fn form(shapes: &Shapes<'_>, config: ModelConfig) -> Result<ModelConfig, String> {
    let values = |key: &str| match shapes(key) {
        Some(&[values]) => Ok(values),
        Some(shape) => Err(format!(
            "tensor '{key}' has shape {shape:?}, expected one dimension"
        )),
        None => Err(format!("tensor '{key}' is missing")),
    };
    let (scores, boxes) = ("RCNN_rpn.RPN_cls_score.bias", "RCNN_bbox_pred.bias");
    let anchors = match values(scores)? {
        18 => AnchorLayout::legacy(),
        24 => TWELVE_ANCHORS,
        found => {
            return Err(format!(
                "tensor '{scores}' has {found} values, expected two for each of 9 or 12 anchors"
            ));
        }
    };
    let is_class_agnostic = match values(boxes)? {
        4 => true,
        found if found == 4 * config.classes => false,
        found => {
            return Err(format!(
                "tensor '{boxes}' has {found} values, expected four, or four for each of {} classes",
                config.classes
            ));
        }
    };
    Ok(ModelConfig {
        anchors: Some(anchors),
        is_class_agnostic,
        ..config
    })
}

fn key(path: &str) -> String {
    let parts: Vec<&str> = path.split('.').collect();
    match &parts[..] {
        ["rpn", "conv", leaf] => format!("RCNN_rpn.RPN_Conv.{leaf}"),
        ["rpn", "cls_logits", leaf] => format!("RCNN_rpn.RPN_cls_score.{leaf}"),
        ["rpn", layer, leaf] => format!("RCNN_rpn.RPN_{layer}.{leaf}"),
        ["predictor", layer, leaf] => format!("RCNN_{layer}.{leaf}"),
        // Sequentials, of which the first counts the activation and the pool too.
        ["base", "conv1", leaf] => format!("RCNN_base.0.{leaf}"),
        ["base", "bn1", leaf] => format!("RCNN_base.1.{leaf}"),
        ["base", "layer1", block @ ..] => format!("RCNN_base.4.{}", of_block(block)),
        ["base", "layer2", block @ ..] => format!("RCNN_base.5.{}", of_block(block)),
        ["base", "layer3", block @ ..] => format!("RCNN_base.6.{}", of_block(block)),
        ["top", block @ ..] => format!("RCNN_top.0.{}", of_block(block)),
        _ => path.to_owned(),
    }
}

fn of_block(parts: &[&str]) -> String {
    match parts {
        [block, "downsample", layer, leaf] => {
            format!("{block}.downsample.{}.{leaf}", index_in_sequence(layer))
        }
        _ => parts.join("."),
    }
}

fn seeded(key: &str, shape: &[usize]) -> Distribution {
    const GAINS: [(&str, f64); 5] = [
        // Pictures are not scaled to a unit range.
        ("RCNN_base.0.", 0.02),
        ("RPN_cls_score.", 1.2),
        ("RPN_bbox_pred.", 0.3),
        ("RCNN_cls_score.", 12.0),
        ("RCNN_bbox_pred.", 4.0),
    ];
    match key {
        "RCNN_cls_score.bias" => Distribution::around(0.0, 0.5),
        // Sparse features, so that RoIs differ.
        "RCNN_top.0.2.bn3.bias" => Distribution::around(-1.3, 0.1),
        "RCNN_rpn.RPN_bbox_pred.bias" => Distribution::around(0.0, 0.8),
        _ => resnet::seeded(key, shape, true, &GAINS),
    }
}
