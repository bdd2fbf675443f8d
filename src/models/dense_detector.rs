//! One-stage detectors whose heads say something of every place of a pyramid, as in torchvision: RetinaNet (Lin et
//! al., 2017, <https://arxiv.org/abs/1708.02002>) of both versions, and FCOS (Tian et al., 2019,
//! <https://arxiv.org/abs/1904.01355>).

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

use super::conv::ConvLayer;
use super::fpn::{CoarserLevels, FeaturePyramid, PyramidConfig};
use super::group_norm::GroupNorm;
use super::resnet::{self, Depth, ResNet, ResNetConfig, StrideIn};
use super::{
    Architecture, COCO_NAMES, Classes, Distribution, Model, ModelConfig, Outputs, Published,
    Request, Selection, Specification, Stage,
};
use crate::ops::anchors::AnchorLayout;
use crate::ops::dense_decode::{BoxCode, DenseMaps, DenseOptions, decode_dense};
use crate::ops::select::select_detections;
use crate::plan::MapKind;
use crate::transform::Transform;

/// Channels of every level, and of the heads' layers.
const CHANNELS: usize = 256;

/// Convolutions of a tower.
const CONVS: usize = 4;

/// Of a group norm.
const GROUPS: usize = 32;

/// The background is scored as all other classes are, and is the first.
const FIRST_LABEL: usize = 0;

/// Most that a level gives to the final selection.
const PER_LEVEL: usize = 1000;

/// What a [`DenseDetector`] is built from, besides what every model is.
#[derive(Clone, Copy, Debug, PartialEq)]
struct DenseConfig {
    /// What makes P6 and P7.
    coarser: CoarserLevels,
    /// Whether the heads' convolutions have group norms.
    are_normed: bool,
    /// Whether the convolutions before group norms have biases.
    are_biased: bool,
    /// What boxes are told by.
    code: BoxCode,
    /// Whether a place has a centreness.
    is_centred: bool,
}

const RETINANET: DenseConfig = DenseConfig {
    coarser: CoarserLevels::OfPyramid,
    are_normed: false,
    are_biased: true,
    code: BoxCode::Deltas,
    is_centred: false,
};

const RETINANET_V2: DenseConfig = DenseConfig {
    coarser: CoarserLevels::OfFeatures,
    are_normed: true,
    are_biased: false,
    ..RETINANET
};

const FCOS: DenseConfig = DenseConfig {
    are_normed: true,
    code: BoxCode::Distances,
    is_centred: true,
    ..RETINANET
};

/// The detector: a ResNet's C3…C5, the pyramid P3…P7, and heads that all levels share.
#[derive(Module, Debug)]
pub struct DenseDetector {
    backbone: Backbone,
    head: Head,
    #[module(skip)]
    anchors: AnchorLayout,
    first_level: usize,
    classes: usize,
    #[module(skip)]
    code: BoxCode,
}

#[derive(Module, Debug)]
struct Backbone {
    body: ResNet,
    fpn: FeaturePyramid,
}

#[derive(Module, Debug)]
struct Head {
    classification_head: ClassHead,
    regression_head: BoxHead,
}

#[derive(Module, Debug)]
struct ClassHead {
    tower: Tower,
    cls_logits: Conv2d,
}

#[derive(Module, Debug)]
struct BoxHead {
    tower: Tower,
    bbox_reg: Conv2d,
    bbox_ctrness: Option<Conv2d>,
}

/// Four 3×3 convolutions, with group norms where there are any.
#[derive(Module, Debug)]
struct Tower {
    convs: Vec<Conv2d>,
    norms: Vec<GroupNorm>,
}

impl Tower {
    fn new(config: &DenseConfig, device: &Device) -> Self {
        let conv = || {
            let layer = ConvLayer::new(CHANNELS, CHANNELS, 3);
            let layer = match config.are_biased {
                true => layer.bias(),
                false => layer,
            };
            layer.init(device)
        };
        let norms = if config.are_normed { CONVS } else { 0 };
        Self {
            convs: (0..CONVS).map(|_| conv()).collect(),
            norms: (0..norms)
                .map(|_| GroupNorm::new(CHANNELS, GROUPS, device))
                .collect(),
        }
    }

    fn forward(&self, level: Tensor<4>) -> Tensor<4> {
        let mut x = level;
        for (index, conv) in self.convs.iter().enumerate() {
            x = conv.forward(x);
            if let Some(norm) = self.norms.get(index) {
                x = norm.forward(x);
            }
            x = relu(x);
        }
        x
    }
}

impl DenseDetector {
    /// The model with unloaded weights.
    fn new(dense: &DenseConfig, config: &ModelConfig, device: &Device) -> Self {
        let body = ResNetConfig::torchvision(Depth::R50, config.bn_eps);
        let pyramid = PyramidConfig {
            channels: CHANNELS,
            norm_eps: None,
            coarser: dense.coarser,
        };
        let anchors = config.anchors();
        let per_cell = anchors.per_cell(0);
        let last = |channels| ConvLayer::new(CHANNELS, channels, 3).bias().init(device);
        Self {
            backbone: Backbone {
                body: ResNet::new(&body, device),
                fpn: FeaturePyramid::new(&body.channels()[1..], &pyramid, device),
            },
            head: Head {
                classification_head: ClassHead {
                    tower: Tower::new(dense, device),
                    cls_logits: last(per_cell * config.classes),
                },
                regression_head: BoxHead {
                    tower: Tower::new(dense, device),
                    bbox_reg: last(per_cell * 4),
                    bbox_ctrness: dense.is_centred.then(|| last(1)),
                },
            },
            anchors,
            first_level: config.architecture.first_level(),
            classes: config.classes,
            code: dense.code,
        }
    }

    /// A picture `[1, 3, H, W]`, normalized and padded, → what was asked for.
    ///
    /// `frame` is [`Frame::tensor`](crate::transform::Frame::tensor).
    pub fn forward(&self, image: Tensor<4>, frame: Tensor<1>, request: &Request) -> Outputs {
        let mut outputs = Outputs::new(request, &image);
        let [_, _, height, width] = image.dims();
        let first = self.first_level;
        let features = self.bottom_up(image);
        outputs.levels(MapKind::Features, first, &features, |n| format!("C{n}"));
        if request.asks_for(MapKind::Alone) {
            let alone = self.backbone.fpn.levels_alone(features.clone());
            outputs.levels(MapKind::Alone, first, &alone, |n| format!("P{n} alone"));
        }
        let pyramid = self.pyramid(features);
        outputs.levels(MapKind::Pyramid, first, &pyramid, |n| format!("P{n}"));
        if !request.needs_heads() {
            return outputs;
        }
        let maps = self.head_maps(pyramid);
        for (maps, name) in [
            (&maps.classes, "classes"),
            (&maps.boxes, "boxes"),
            (&maps.centreness, "centreness"),
        ] {
            outputs.levels(MapKind::Heads, first, maps, |n| format!("P{n} {name}"));
        }
        if request.asks_for(MapKind::Objectness) {
            let anchors = self.anchors.per_cell(0);
            let likeliest = maps.objectness(anchors, self.classes, FIRST_LABEL);
            let name = |n| format!("P{n} probability");
            outputs.levels(MapKind::Objectness, first, &likeliest, name);
        }
        let Some(selection) = request.selection else {
            return outputs;
        };
        let options = DenseOptions {
            anchors: self.anchors.grid(first, [height, width], &maps.sizes()),
            classes: self.classes,
            first_label: FIRST_LABEL,
            code: self.code,
            score_threshold: selection.score_threshold,
            per_level: Some(PER_LEVEL),
            extent: None,
        };
        let candidates = decode_dense(maps, frame.clone(), options);
        outputs.detections = Some(select_detections(candidates, frame, selection.into()));
        outputs
    }

    /// `[1, 3, H, W]` → C3, C4, C5.
    pub fn bottom_up(&self, image: Tensor<4>) -> Vec<Tensor<4>> {
        let features = self.backbone.body.forward(image);
        features.into_iter().skip(1).collect()
    }

    /// C3, C4, C5 → P3…P7.
    pub fn pyramid(&self, features: Vec<Tensor<4>>) -> Vec<Tensor<4>> {
        self.backbone.fpn.forward(features)
    }

    /// P3…P7 → what the heads say of each.
    pub fn head_maps(&self, pyramid: Vec<Tensor<4>>) -> DenseMaps {
        let Head {
            classification_head: classes,
            regression_head: boxes,
        } = &self.head;
        let mut maps = DenseMaps {
            classes: Vec::new(),
            boxes: Vec::new(),
            centreness: Vec::new(),
        };
        for level in pyramid {
            let x = classes.tower.forward(level.clone());
            maps.classes.push(classes.cls_logits.forward(x));
            let x = boxes.tower.forward(level);
            if let Some(centreness) = &boxes.bbox_ctrness {
                maps.centreness.push(centreness.forward(x.clone()));
            }
            let sides = boxes.bbox_reg.forward(x);
            maps.boxes.push(match self.code {
                // Nothing is less than 0 away.
                BoxCode::Distances => relu(sides),
                _ => sides,
            });
        }
        maps
    }
}

/// What is built here.
pub static ARCHITECTURES: [Architecture; 3] = [
    RETINANET_RESNET50_FPN,
    RETINANET_RESNET50_FPN_V2,
    FCOS_RESNET50_FPN,
];

/// torchvision's `retinanet_resnet50_fpn`.
pub static RETINANET_RESNET50_FPN: Architecture = Architecture(&COMMON);

/// torchvision's `retinanet_resnet50_fpn_v2`.
pub static RETINANET_RESNET50_FPN_V2: Architecture = Architecture(&Specification {
    name: "retinanet_resnet50_fpn_v2",
    description: "RetinaNet, second version, ResNet-50",
    accepts: "torchvision (retinanet_resnet50_fpn_v2), 91 classes; .pth, .safetensors",
    key: |path| {
        key(
            path,
            |index| format!("{index}.0"),
            |index| format!("{index}.1"),
        )
    },
    published: &[Published::torchvision(
        "retinanet_resnet50_fpn_v2_coco-5905b1c5.pth",
        146.037,
    )],
    build: |config, device| Model::DenseDetector(DenseDetector::new(&RETINANET_V2, config, device)),
    ..COMMON
});

/// torchvision's `fcos_resnet50_fpn`.
pub static FCOS_RESNET50_FPN: Architecture = Architecture(&Specification {
    name: "fcos_resnet50_fpn",
    description: "FCOS, ResNet-50",
    accepts: "torchvision (fcos_resnet50_fpn), any number of classes; .pth, .safetensors",
    selection: Some(Selection {
        score_threshold: 0.2,
        nms_threshold: 0.6,
        limit: 100,
        proposals: 0,
    }),
    // As wide as cells are apart: what distances are told in.
    anchors: Some(AnchorLayout {
        sizes: &[&[8.0], &[16.0], &[32.0], &[64.0], &[128.0]],
        aspect_ratios: &[1.0],
        ..AnchorLayout::torchvision()
    }),
    classes: Classes::Counted {
        tensor: "head.classification_head.cls_logits.bias",
        each: 1,
        beside: 0,
        usual: COCO_NAMES.len(),
        names: &[],
    },
    key: |path| {
        // A convolution, its norm and its activation follow each other.
        key(
            path,
            |index| (3 * index).to_string(),
            |index| (3 * index + 1).to_string(),
        )
    },
    layout: older_pyramid,
    seeded: |key, shape| match key {
        "head.regression_head.bbox_reg.bias" => Distribution::around(1.5, 1.5),
        "head.regression_head.bbox_reg.weight" => {
            Distribution::usual(key, shape, &[("bbox_reg.", 1.0)])
        }
        _ => seeded(key, shape),
    },
    published: &[Published::torchvision(
        "fcos_resnet50_fpn_coco-99b0c9b7.pth",
        123.608,
    )],
    build: |config, device| Model::DenseDetector(DenseDetector::new(&FCOS, config, device)),
    ..COMMON
});

/// What they have in common, told of the first RetinaNet.
const COMMON: Specification = Specification {
    name: "retinanet_resnet50_fpn",
    description: "RetinaNet, ResNet-50",
    accepts: "torchvision (retinanet_resnet50_fpn), any number of classes; .pth, .safetensors",
    transform: Transform::torchvision(),
    selection: Some(Selection {
        score_threshold: 0.05,
        nms_threshold: 0.5,
        limit: 300,
        proposals: 0,
    }),
    stages: &[
        ("backbone.body.", Stage::Backbone),
        ("backbone.fpn.", Stage::Pyramid),
        ("head.", Stage::Heads),
    ],
    levels: 3..=7,
    // Each size, and two between it and the next, rounded down.
    anchors: Some(AnchorLayout {
        sizes: &[
            &[32.0, 40.0, 50.0],
            &[64.0, 80.0, 101.0],
            &[128.0, 161.0, 203.0],
            &[256.0, 322.0, 406.0],
            &[512.0, 645.0, 812.0],
        ],
        ..AnchorLayout::torchvision()
    }),
    stride_in: &[StrideIn::Second],
    classes: Classes::Counted {
        tensor: "head.classification_head.cls_logits.bias",
        // As many as a cell has anchors.
        each: 9,
        beside: 0,
        usual: COCO_NAMES.len(),
        names: &[],
    },
    key: |path| {
        key(
            path,
            |index| format!("{index}.0"),
            |index| format!("{index}.1"),
        )
    },
    layout: older_layout,
    seeded,
    published: &[Published {
        // `overwrite_eps` in torchvision.
        bn_eps: 0.0,
        ..Published::torchvision("retinanet_resnet50_fpn_coco-eeacb38b.pth", 130.267)
    }],
    build: |config, device| Model::DenseDetector(DenseDetector::new(&RETINANET, config, device)),
    ..Specification::PLAIN
};

/// The key of a parameter in torchvision's checkpoints, where its towers call convolutions and norms so.
fn key(path: &str, conv: fn(usize) -> String, norm: fn(usize) -> String) -> String {
    let parts: Vec<&str> = path.split('.').collect();
    match &parts[..] {
        ["head", head, "tower", layers, index, leaf] => {
            let index: usize = index.parse().expect("layers are numbered");
            let name = match *layers {
                "convs" => conv(index),
                _ => norm(index),
            };
            format!("head.{head}.conv.{name}.{leaf}")
        }
        _ => resnet::key(path),
    }
}

/// A key with that of the pyramid's convolutions as the older of torchvision's layouts writes it.
fn older_pyramid(key: &str) -> String {
    let parts: Vec<&str> = key.split('.').collect();
    match parts[..] {
        ["backbone", "fpn", blocks, level, "0", leaf] => {
            ["backbone", "fpn", blocks, level, leaf].join(".")
        }
        _ => key.to_owned(),
    }
}

/// The same, and that of the heads' convolutions as the newer writes it, where the older counts activations.
fn older_layout(key: &str) -> String {
    let parts: Vec<&str> = key.split('.').collect();
    match parts[..] {
        ["head", head, "conv", index, leaf] => match index.parse::<usize>() {
            Ok(index) => format!("head.{head}.conv.{}.0.{leaf}", index / 2),
            Err(_) => key.to_owned(),
        },
        _ => older_pyramid(key),
    }
}

fn seeded(key: &str, shape: &[usize]) -> Distribution {
    const GAINS: [(&str, f64); 6] = [
        ("fpn.inner_blocks.2.", 0.5),
        ("fpn.inner_blocks.", 0.25),
        ("fpn.layer_blocks.", 0.7),
        ("fpn.extra_blocks.", 2.0),
        ("classification_head.cls_logits.", 3.0),
        ("regression_head.bbox_reg.", 0.1),
    ];
    match key {
        "head.classification_head.cls_logits.bias" => Distribution::around(-8.0, 1.0),
        "head.regression_head.bbox_reg.bias" => Distribution::around(0.0, 0.8),
        _ => resnet::seeded(key, shape, true, &GAINS),
    }
}
