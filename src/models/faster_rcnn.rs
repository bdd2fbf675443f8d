//! Faster R-CNN on a feature pyramid, as torchvision's `FasterRCNN` with
//! `resnet_fpn_backbone`: `fasterrcnn_resnet50_fpn` and its siblings of other depths; and
//! `pyramid_tiny`, the same network made slim. [`detectron2`](super::detectron2) builds its own and EFPN of it.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::box_head::{BoxHead, BoxPredictor};
use super::fpn::{FeaturePyramid, add_upsampled};
use super::ftt::{Ftt, FttForm};
use super::resnet::{self, Depth, ResNet, ResNetConfig, ResNetStage, StrideIn};
use super::rpn::RpnHead;
use super::{
    Architecture, COCO_NAMES, Classes, Distribution, Model, ModelConfig, Outputs, Published,
    Request, Rules, Selection, Specification, Stage, TrainingDefaults, TwoStage, Upsampling,
};
use crate::ops::anchors::{AnchorGrid, AnchorLayout};
use crate::ops::proposals::{ProposalOptions, Proposals, RpnMaps, select_proposals};
use crate::ops::roi_align::{RoiAlignOptions, roi_align};
use crate::ops::roi_decode::decode_rois;
use crate::ops::select::select_detections;
use crate::plan::MapKind;
use crate::transform::{ResizeBounds, Transform};

/// What a [`FasterRcnn`] is built from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FasterRcnnConfig {
    /// The bottom-up network.
    pub body: ResNetConfig,
    /// Channels of every pyramid level.
    pub pyramid_channels: usize,
    /// What is between the pyramid and its finest level in EFPN, if anything is.
    pub ftt: Option<FttForm>,
    /// Width of the box head's two layers.
    pub hidden: usize,
    /// Where boxes start from, level by level.
    pub anchors: AnchorLayout,
    /// Number of the finest level: 2 for P2.
    pub first_level: usize,
    /// Pixels of the network's input between its cells.
    pub finest_stride: usize,
    /// What RoIs take for that.
    pub roi_stride: usize,
    /// Anchors of each level that proposals are made of.
    pub proposals_per_level: usize,
    /// Side of the boxes that belong to P4, in pixels of the resized picture.
    pub canonical_size: f32,
    /// Whose arithmetic of boxes it follows.
    pub rules: Rules,
    /// Classes, background included.
    pub classes: usize,
}

impl FasterRcnnConfig {
    /// torchvision's. The `eps` of batch norms is 1e-5, but 0 for its COCO checkpoints.
    pub fn torchvision(depth: Depth, config: &ModelConfig) -> Self {
        let architecture = config.architecture;
        Self {
            body: ResNetConfig::torchvision(depth, config.bn_eps),
            pyramid_channels: 256,
            ftt: None,
            hidden: 1024,
            anchors: config.anchors(),
            first_level: architecture.first_level(),
            finest_stride: 4,
            roi_stride: 4,
            proposals_per_level: architecture.specification().proposals_per_level,
            canonical_size: 224.0,
            rules: architecture.rules(),
            classes: config.classes,
        }
    }

    /// `pyramid_tiny`: for pictures of some 400 pixels, where things are half as large as in
    /// torchvision's 800, and for integrated GPUs and browsers. 1.9 million parameters.
    pub fn tiny(config: &ModelConfig) -> Self {
        Self {
            body: ResNetConfig {
                stem_kernel: 3,
                stem: 16,
                stages: [(1, 24), (2, 48), (2, 96), (2, 160), (0, 0)].map(|(blocks, output)| {
                    match blocks {
                        0 => ResNetStage::None,
                        _ => ResNetStage::Basic { blocks, output },
                    }
                }),
                ..ResNetConfig::torchvision(Depth::R18, config.bn_eps)
            },
            pyramid_channels: 48,
            hidden: 224,
            // Half of torchvision's would be 112. Finer levels tell shapes better than these slim coarse ones.
            canonical_size: 160.0,
            ..Self::torchvision(Depth::R18, config)
        }
    }
}

/// The detector: backbone with pyramid, region proposals, box head.
#[derive(Module, Debug)]
pub struct FasterRcnn {
    backbone: Backbone,
    rpn: Rpn,
    roi_heads: RoiHeads,
    #[module(skip)]
    anchors: AnchorLayout,
    first_level: usize,
    finest_stride: usize,
    roi_stride: usize,
    proposals_per_level: usize,
    canonical_size: f32,
    #[module(skip)]
    rules: Rules,
}

#[derive(Module, Debug)]
struct Backbone {
    body: ResNet,
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
        let channels = config.pyramid_channels;
        Self {
            backbone: Backbone {
                body: ResNet::new(&config.body, device),
                fpn: FeaturePyramid::new(&config.body.channels(), channels, device),
                ftt: config.ftt.map(|form| Ftt::new(form, channels, device)),
            },
            rpn: Rpn {
                head: RpnHead::new([channels; 2], anchors, 1, device),
            },
            roi_heads: RoiHeads {
                box_head: BoxHead::new(channels * ROI_SIZE * ROI_SIZE, config.hidden, device),
                box_predictor: BoxPredictor::new(
                    config.hidden,
                    config.classes,
                    config.rules.decoding(0.0).background.boxes(config.classes),
                    device,
                ),
            },
            anchors: config.anchors,
            first_level: config.first_level,
            finest_stride: config.finest_stride,
            roi_stride: config.roi_stride,
            proposals_per_level: config.proposals_per_level,
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
        let (first, stride) = (self.first_level, self.finest_stride);
        let mut tell = |kind, maps: &[Tensor<4>], name: fn(usize) -> String| {
            outputs.levels_at(kind, first, stride, maps, name);
        };
        let features = self.bottom_up(image);
        tell(MapKind::Features, &features, |n| format!("C{n}"));
        let Pyramid { levels, textured } = self.textured_pyramid(features);
        tell(MapKind::Pyramid, &levels, |n| format!("P{n}"));
        if let Some(map) = textured {
            let maps = std::slice::from_ref(&map);
            outputs.levels_at(MapKind::Pyramid, first + 1, 2 * stride, maps, |n| {
                format!("P{n}'")
            });
        }
        if !request.needs_heads() {
            return outputs;
        }
        let maps = self.rpn_maps(levels.clone());
        let mut tell = |maps: &[Tensor<4>], name: fn(usize) -> String| {
            outputs.levels_at(MapKind::Heads, first, stride, maps, name);
        };
        tell(&maps.logits, |n| format!("P{n} objectness"));
        tell(&maps.deltas, |n| format!("P{n} deltas"));
        let Some(selection) = request.selection else {
            return outputs;
        };
        let limit = selection.proposals;
        let proposals = self.proposals(maps, [height, width], frame.clone(), limit);
        outputs.proposals(&proposals);
        let rois = self.roi_features(levels, &proposals);
        let (logits, deltas) = self.box_outputs(rois);
        outputs.rows(&logits);
        outputs.rows(&deltas);
        let options = self.rules.decoding(selection.score_threshold);
        let candidates = decode_rois(logits, deltas, proposals, frame.clone(), options);
        outputs.detections = Some(select_detections(candidates, frame, selection.into()));
        outputs
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
    fn roi_features(&self, mut features: Vec<Tensor<4>>, rois: &Proposals) -> Tensor<4> {
        let output = [ROI_SIZE; 2];
        let options = RoiAlignOptions {
            canonical_size: self.canonical_size,
            ..match self.rules {
                Rules::Torchvision => RoiAlignOptions::torchvision(output),
                Rules::Detectron2 => RoiAlignOptions::detectron2(output, self.roi_stride),
                Rules::Legacy => unreachable!("it has no pyramid"),
            }
        };
        features.truncate(options.strides.len());
        roi_align(features, rois.boxes.clone(), rois.count.clone(), options)
    }

    fn box_outputs(&self, rois: Tensor<4>) -> (Tensor<2>, Tensor<2>) {
        let x = self.roi_heads.box_head.forward(rois);
        self.roi_heads.box_predictor.forward(x)
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

/// What is built here.
pub static ARCHITECTURES: [Architecture; 6] = [
    PYRAMID_TINY,
    RESNET18_FPN,
    RESNET34_FPN,
    RESNET50_FPN,
    RESNET101_FPN,
    RESNET152_FPN,
];

/// Made slim, for integrated GPUs and browsers, with weights of its own.
pub static PYRAMID_TINY: Architecture = Architecture(&Specification {
    name: "pyramid_tiny",
    description: "Faster R-CNN made slim",
    accepts: "this crate's, of any number of classes; .safetensors",
    transform: Transform {
        resize: Some(ResizeBounds {
            min_size: 384,
            max_size: 640,
        }),
        ..Transform::torchvision()
    },
    selection: Some(Selection {
        proposals: 200,
        ..SELECTION
    }),
    // Things are half as large as in torchvision's pictures.
    anchors: Some(AnchorLayout {
        sizes: &[&[16.0], &[32.0], &[64.0], &[128.0], &[256.0]],
        ..AnchorLayout::torchvision()
    }),
    // The background and the scenes' eight shapes.
    classes: Classes::Counted {
        tensor: CLASSIFIER,
        count: Some,
        usual: 9,
        names: &[],
    },
    stride_in: &[],
    seeded: |key, shape| seeded(key, shape, false),
    builtin: TINY_WEIGHTS,
    training: Some(TrainingDefaults {
        proposals: 500,
        rois: 128,
        short_sides: &[384],
        long_side: 640,
        ..TRAINING
    }),
    build: |config, device| {
        let config = FasterRcnnConfig::tiny(config);
        Model::FasterRcnn(FasterRcnn::new(&config, device))
    },
    ..TORCHVISION
});

/// On ResNet-18, as torchvision's `resnet_fpn_backbone` builds it.
pub static RESNET18_FPN: Architecture = Architecture(&Specification {
    name: "fasterrcnn_resnet18_fpn",
    description: "Faster R-CNN, ResNet-18",
    stride_in: &[],
    seeded: |key, shape| seeded(key, shape, false),
    build: |config, device| torchvision(Depth::R18, config, device),
    ..TORCHVISION
});

/// On ResNet-34, as torchvision's `resnet_fpn_backbone` builds it.
pub static RESNET34_FPN: Architecture = Architecture(&Specification {
    name: "fasterrcnn_resnet34_fpn",
    description: "Faster R-CNN, ResNet-34",
    stride_in: &[],
    seeded: |key, shape| seeded(key, shape, false),
    build: |config, device| torchvision(Depth::R34, config, device),
    ..TORCHVISION
});

/// torchvision's `fasterrcnn_resnet50_fpn`.
pub static RESNET50_FPN: Architecture = Architecture(&Specification {
    published: &[Published {
        // `overwrite_eps` in torchvision.
        bn_eps: 0.0,
        ..Published::torchvision("fasterrcnn_resnet50_fpn_coco-258fb6c6.pth", 159.743)
    }],
    ..TORCHVISION
});

/// On ResNet-101, as torchvision's `resnet_fpn_backbone` builds it.
pub static RESNET101_FPN: Architecture = Architecture(&Specification {
    name: "fasterrcnn_resnet101_fpn",
    description: "Faster R-CNN, ResNet-101",
    build: |config, device| torchvision(Depth::R101, config, device),
    ..TORCHVISION
});

/// On ResNet-152, as torchvision's `resnet_fpn_backbone` builds it.
pub static RESNET152_FPN: Architecture = Architecture(&Specification {
    name: "fasterrcnn_resnet152_fpn",
    description: "Faster R-CNN, ResNet-152",
    build: |config, device| torchvision(Depth::R152, config, device),
    ..TORCHVISION
});

/// What they have in common, told of the one with ResNet-50.
const TORCHVISION: Specification = Specification {
    name: "fasterrcnn_resnet50_fpn",
    description: "Faster R-CNN, ResNet-50",
    accepts: "torchvision (fasterrcnn_resnet50_fpn, resnet_fpn_backbone), any number of classes; .pth, .safetensors",
    transform: Transform::torchvision(),
    selection: Some(SELECTION),
    stages: &[
        ("backbone.body.", Stage::Backbone),
        ("backbone.fpn.", Stage::Pyramid),
        ("rpn.", Stage::Heads),
        ("roi_heads.", Stage::BoxHead),
    ],
    levels: 2..=6,
    anchors: Some(AnchorLayout::torchvision()),
    proposals_per_level: 1000,
    rules: Some(Rules::Torchvision),
    stride_in: &[StrideIn::Second],
    classes: Classes::Counted {
        tensor: CLASSIFIER,
        count: Some,
        usual: COCO_NAMES.len(),
        names: &[],
    },
    key: resnet::key,
    layout: older_layout,
    seeded: |key, shape| seeded(key, shape, true),
    training: Some(TRAINING),
    build: |config, device| torchvision(Depth::R50, config, device),
    ..Specification::PLAIN
};

const TRAINING: TrainingDefaults = TrainingDefaults {
    anchors: 256,
    proposals: 2000,
    rois: 512,
    batch: 8,
    learning_rate: 0.02,
    warm_up: 500,
    are_norms_frozen: false,
    frozen_stages: 0,
    short_sides: &[800],
    long_side: 1333,
    epochs: None,
};

const SELECTION: Selection = Selection {
    score_threshold: 0.05,
    nms_threshold: 0.5,
    limit: 100,
    proposals: 1000,
};

/// One value a class.
pub(super) const CLASSIFIER: &str = "roi_heads.box_predictor.cls_score.bias";

/// Trained on generated scenes to find everyday shapes; `pyramid_tiny.md` beside the file tells how, and
/// how well it does.
#[cfg(feature = "builtin")]
const TINY_WEIGHTS: Option<&[u8]> = Some(include_bytes!("../weights/pyramid_tiny.safetensors"));
#[cfg(not(feature = "builtin"))]
const TINY_WEIGHTS: Option<&[u8]> = None;

fn torchvision(depth: Depth, config: &ModelConfig, device: &Device) -> Model {
    let config = FasterRcnnConfig::torchvision(depth, config);
    Model::FasterRcnn(FasterRcnn::new(&config, device))
}

/// A key as the older of torchvision's two layouts writes it: the newer wraps the pyramid's and the
/// RPN's convolutions in blocks (`fpn.inner_blocks.0.0.weight`).
fn older_layout(key: &str) -> String {
    let parts: Vec<&str> = key.split('.').collect();
    match parts[..] {
        ["backbone", "fpn", blocks, level, "0", leaf] => {
            ["backbone", "fpn", blocks, level, leaf].join(".")
        }
        ["rpn", "head", "conv", "0", "0", leaf] => ["rpn", "head", "conv", leaf].join("."),
        _ => key.to_owned(),
    }
}

pub(super) fn seeded(key: &str, shape: &[usize], is_bottleneck: bool) -> Distribution {
    const GAINS: [(&str, f64); 8] = [
        ("fpn.inner_blocks.3.", 1.2),
        ("fpn.inner_blocks.2.", 0.5),
        ("fpn.inner_blocks.", 0.25),
        ("fpn.layer_blocks.", 0.7),
        ("rpn.head.cls_logits.", 1.2),
        ("rpn.head.bbox_pred.", 0.3),
        ("box_predictor.cls_score.", 6.0),
        ("box_predictor.bbox_pred.", 4.0),
    ];
    match key {
        "roi_heads.box_head.fc6.bias" | "roi_heads.box_head.fc7.bias" => {
            Distribution::around(-1.3, 0.1)
        }
        // Most RoIs are background.
        CLASSIFIER => Distribution {
            apart: Some((0, 8.0)),
            ..Distribution::around(0.0, 0.5)
        },
        "rpn.head.bbox_pred.bias" => Distribution::around(0.0, 0.8),
        _ => resnet::seeded(key, shape, is_bottleneck, &GAINS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_layouts_of_torchvision_have_one_key() {
        for (newer, older) in [
            (
                "backbone.fpn.inner_blocks.2.0.weight",
                "backbone.fpn.inner_blocks.2.weight",
            ),
            (
                "backbone.fpn.layer_blocks.0.0.bias",
                "backbone.fpn.layer_blocks.0.bias",
            ),
            ("rpn.head.conv.0.0.weight", "rpn.head.conv.weight"),
            (
                "backbone.body.layer1.0.downsample.0.weight",
                "backbone.body.layer1.0.downsample.0.weight",
            ),
        ] {
            assert_eq!(older_layout(newer), older);
            assert_eq!(older_layout(older), older);
        }
    }
}
