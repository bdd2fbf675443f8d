//! torchvision's detectors on a pyramid: `fasterrcnn_resnet50_fpn` and its siblings of other depths, on ResNeXt and on
//! MobileNetV3, the second version, Mask R-CNN and Keypoint R-CNN; and `pyramid_tiny`.

use burn::tensor::Device;

use super::{FasterRcnnConfig, InstancesForm};
use crate::models::bottom_up::BottomUpConfig;
use crate::models::resnet::{self, Depth, ResNetConfig, StrideIn};
use crate::models::{
    Architecture, COCO_NAMES, Classes, Distribution, Model, ModelConfig, Published, Rules,
    Selection, Specification, Stage, TrainingDefaults, box_head, fpn, keypoint_head, mask_head,
    mobilenet_v3, rpn,
};
use crate::ops::anchors::AnchorLayout;
use crate::transform::{ResizeBounds, Transform};

/// What is built here.
pub static ARCHITECTURES: [Architecture; 14] = [
    PYRAMID_TINY,
    RESNET18_FPN,
    RESNET34_FPN,
    RESNET50_FPN,
    RESNET101_FPN,
    RESNET152_FPN,
    RESNET50_FPN_V2,
    RESNEXT50_FPN,
    RESNEXT101_FPN,
    MOBILENET_FPN,
    MOBILENET_320_FPN,
    MASK_RESNET50_FPN,
    MASK_RESNET50_FPN_V2,
    KEYPOINT_RESNET50_FPN,
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
        each: 1,
        beside: 0,
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
    build: |config, device| FasterRcnnConfig::tiny(config).model(device),
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

/// torchvision's `fasterrcnn_resnet50_fpn_v2` (Li et al., 2021, <https://arxiv.org/abs/2111.11429>).
pub static RESNET50_FPN_V2: Architecture = Architecture(&SECOND);

/// On ResNeXt-50 32×4d, as torchvision's `resnet_fpn_backbone` builds it.
pub static RESNEXT50_FPN: Architecture = Architecture(&Specification {
    name: "fasterrcnn_resnext50_32x4d_fpn",
    description: "Faster R-CNN, ResNeXt-50 32×4d",
    accepts: "torchvision (resnet_fpn_backbone), any number of classes; .pth, .safetensors",
    training: None,
    build: |config, device| resnext(Depth::R50, 4, config, device),
    ..TORCHVISION
});

/// On ResNeXt-101 32×8d, as torchvision's `resnet_fpn_backbone` builds it.
pub static RESNEXT101_FPN: Architecture = Architecture(&Specification {
    name: "fasterrcnn_resnext101_32x8d_fpn",
    description: "Faster R-CNN, ResNeXt-101 32×8d",
    accepts: "torchvision (resnet_fpn_backbone), any number of classes; .pth, .safetensors",
    training: None,
    build: |config, device| resnext(Depth::R101, 8, config, device),
    ..TORCHVISION
});

/// torchvision's `fasterrcnn_mobilenet_v3_large_fpn`.
pub static MOBILENET_FPN: Architecture = Architecture(&MOBILENET);

/// torchvision's `fasterrcnn_mobilenet_v3_large_320_fpn`: for pictures of some 320 pixels.
pub static MOBILENET_320_FPN: Architecture = Architecture(&Specification {
    name: "fasterrcnn_mobilenet_v3_large_320_fpn",
    description: "Faster R-CNN, MobileNetV3-Large, for 320 pixels",
    accepts: "torchvision (fasterrcnn_mobilenet_v3_large_320_fpn), any number of classes; .pth, .safetensors",
    transform: Transform {
        resize: Some(ResizeBounds {
            min_size: 320,
            max_size: 640,
        }),
        ..Transform::torchvision()
    },
    selection: Some(Selection {
        proposals: 150,
        ..SELECTION
    }),
    proposals_per_level: 150,
    published: &[Published::torchvision(
        "fasterrcnn_mobilenet_v3_large_320_fpn-907ea3f9.pth",
        74.239,
    )],
    ..MOBILENET
});

/// torchvision's `maskrcnn_resnet50_fpn`.
pub static MASK_RESNET50_FPN: Architecture = Architecture(&Specification {
    name: "maskrcnn_resnet50_fpn",
    description: "Mask R-CNN, ResNet-50",
    accepts: "torchvision (maskrcnn_resnet50_fpn), any number of classes; .pth, .safetensors",
    stages: WITH_INSTANCES,
    published: &[Published {
        // `overwrite_eps` in torchvision.
        bn_eps: 0.0,
        ..Published::torchvision("maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth", 169.84)
    }],
    training: None,
    build: |config, device| {
        let config = FasterRcnnConfig {
            instances: Some(InstancesForm::Masks { norm_eps: None }),
            ..FasterRcnnConfig::torchvision(Depth::R50, config)
        };
        config.model(device)
    },
    ..TORCHVISION
});

/// torchvision's `maskrcnn_resnet50_fpn_v2`.
pub static MASK_RESNET50_FPN_V2: Architecture = Architecture(&Specification {
    name: "maskrcnn_resnet50_fpn_v2",
    description: "Mask R-CNN, second version, ResNet-50",
    accepts: "torchvision (maskrcnn_resnet50_fpn_v2), any number of classes; .pth, .safetensors",
    stages: WITH_INSTANCES,
    published: &[Published::torchvision(
        "maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth",
        177.219,
    )],
    build: |config, device| {
        let norm_eps = Some(config.bn_eps);
        let config = FasterRcnnConfig {
            instances: Some(InstancesForm::Masks { norm_eps }),
            ..FasterRcnnConfig::second_version(config)
        };
        config.model(device)
    },
    ..SECOND
});

/// torchvision's `keypointrcnn_resnet50_fpn`: people, and where their joints are.
pub static KEYPOINT_RESNET50_FPN: Architecture = Architecture(&Specification {
    name: "keypointrcnn_resnet50_fpn",
    description: "Keypoint R-CNN, ResNet-50: people with 17 keypoints",
    accepts: "torchvision (keypointrcnn_resnet50_fpn); .pth, .safetensors",
    stages: WITH_INSTANCES,
    classes: Classes::Fixed(&["background", "person"]),
    published: &[Published {
        class_names: &["background", "person"],
        // `overwrite_eps` in torchvision.
        bn_eps: 0.0,
        ..Published::torchvision("keypointrcnn_resnet50_fpn_coco-fc266e95.pth", 226.054)
    }],
    training: None,
    build: |config, device| {
        let config = FasterRcnnConfig {
            instances: Some(InstancesForm::Keypoints(KEYPOINTS)),
            ..FasterRcnnConfig::torchvision(Depth::R50, config)
        };
        config.model(device)
    },
    ..TORCHVISION
});

/// Of a person, in COCO.
const KEYPOINTS: usize = 17;

/// The stages of those that look at their detections again.
const WITH_INSTANCES: &[(&str, Stage)] = &[
    ("backbone.body.", Stage::Backbone),
    ("backbone.fpn.", Stage::Pyramid),
    ("rpn.", Stage::Heads),
    ("roi_heads.box_", Stage::BoxHead),
    ("roi_heads.", Stage::Instances),
];

/// What the second versions have in common, told of Faster R-CNN.
const SECOND: Specification = Specification {
    name: "fasterrcnn_resnet50_fpn_v2",
    description: "Faster R-CNN, second version, ResNet-50",
    accepts: "torchvision (fasterrcnn_resnet50_fpn_v2), any number of classes; .pth, .safetensors",
    key: second_key,
    layout: str::to_owned,
    published: &[Published::torchvision(
        "fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth",
        167.104,
    )],
    training: None,
    build: |config, device| FasterRcnnConfig::second_version(config).model(device),
    ..TORCHVISION
};

/// What those on MobileNetV3 have in common, told of the one for large pictures. (Levels 4 and 5 are both at
/// stride 32.)
const MOBILENET: Specification = Specification {
    name: "fasterrcnn_mobilenet_v3_large_fpn",
    description: "Faster R-CNN, MobileNetV3-Large",
    accepts: "torchvision (fasterrcnn_mobilenet_v3_large_fpn), any number of classes; .pth, .safetensors",
    levels: 4..=6,
    anchors: Some(AnchorLayout {
        sizes: &[MOBILENET_SIZES; 3],
        ..AnchorLayout::torchvision()
    }),
    stride_in: &[],
    key: mobilenet_key,
    published: &[Published::torchvision(
        "fasterrcnn_mobilenet_v3_large_fpn-fb6a3cc7.pth",
        74.239,
    )],
    training: None,
    build: |config, device| FasterRcnnConfig::mobilenet(config).model(device),
    ..TORCHVISION
};

const MOBILENET_SIZES: &[f32] = &[32.0, 64.0, 128.0, 256.0, 512.0];

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
        each: 1,
        beside: 0,
        usual: COCO_NAMES.len(),
        names: &[],
    },
    key,
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
pub(in crate::models) const CLASSIFIER: &str = "roi_heads.box_predictor.cls_score.bias";

/// Trained on generated scenes to find everyday shapes; `pyramid_tiny.md` beside the file tells how, and
/// how well it does.
#[cfg(feature = "builtin")]
const TINY_WEIGHTS: Option<&[u8]> = Some(include_bytes!("../../weights/pyramid_tiny.safetensors"));
#[cfg(not(feature = "builtin"))]
const TINY_WEIGHTS: Option<&[u8]> = None;

fn torchvision(depth: Depth, config: &ModelConfig, device: &Device) -> Model {
    FasterRcnnConfig::torchvision(depth, config).model(device)
}

/// On a ResNeXt of 32 groups, of so many channels each in the first stage.
fn resnext(depth: Depth, width: usize, config: &ModelConfig, device: &Device) -> Model {
    let body = ResNetConfig::resnext(depth, 32, width, config.bn_eps);
    let config = FasterRcnnConfig {
        body: BottomUpConfig::ResNet(body),
        ..FasterRcnnConfig::torchvision(depth, config)
    };
    config.model(device)
}

fn key(path: &str) -> String {
    let parts: Vec<&str> = path.split('.').collect();
    match &parts[..] {
        ["roi_heads", "mask_head", rest @ ..] => {
            format!("roi_heads.mask_head.{}", mask_head::key(rest))
        }
        ["roi_heads", "keypoint_head", rest @ ..] => {
            format!("roi_heads.keypoint_head.{}", keypoint_head::key(rest))
        }
        _ => resnet::key(path),
    }
}

fn second_key(path: &str) -> String {
    let parts: Vec<&str> = path.split('.').collect();
    match &parts[..] {
        ["backbone", "fpn", rest @ ..] => format!("backbone.fpn.{}", fpn::normed_key(rest)),
        ["rpn", "head", rest @ ..] => format!("rpn.head.{}", rpn::deeper_key(rest)),
        ["roi_heads", "box_head", rest @ ..] => {
            format!("roi_heads.box_head.{}", box_head::convs_key(rest))
        }
        _ => key(path),
    }
}

fn mobilenet_key(path: &str) -> String {
    let parts: Vec<&str> = path.split('.').collect();
    match &parts[..] {
        ["backbone", "body", rest @ ..] => {
            format!("backbone.body.{}", mobilenet_v3::key(rest))
        }
        _ => path.to_owned(),
    }
}

/// A key as the older of torchvision's two layouts writes it: the newer wraps the pyramid's and the
/// RPN's convolutions in blocks (`fpn.inner_blocks.0.0.weight`). A mask head's are told as the newer writes them, and
/// so are the second versions'.
fn older_layout(key: &str) -> String {
    let parts: Vec<&str> = key.split('.').collect();
    match parts[..] {
        ["backbone", "fpn", blocks, level, "0", leaf] => {
            ["backbone", "fpn", blocks, level, leaf].join(".")
        }
        ["rpn", "head", "conv", "0", "0", leaf] => ["rpn", "head", "conv", leaf].join("."),
        ["roi_heads", "mask_head", layer, leaf] if layer.starts_with("mask_fcn") => {
            let number: usize = layer["mask_fcn".len()..].parse().unwrap_or_default();
            format!("roi_heads.mask_head.{}.0.{leaf}", number.saturating_sub(1))
        }
        _ => key.to_owned(),
    }
}

pub(in crate::models) fn seeded(key: &str, shape: &[usize], is_bottleneck: bool) -> Distribution {
    const GAINS: [(&str, f64); 12] = [
        ("fpn.inner_blocks.3.", 1.2),
        ("fpn.inner_blocks.2.", 0.5),
        ("fpn.inner_blocks.", 0.25),
        ("fpn.layer_blocks.", 0.7),
        ("rpn.head.cls_logits.", 1.2),
        ("rpn.head.bbox_pred.", 0.3),
        ("box_predictor.cls_score.", 6.0),
        ("box_predictor.bbox_pred.", 4.0),
        // MobileNet's: nothing halves what its blocks hand on.
        (".block.0.0.", 1.0),
        ("mask_predictor.conv5_mask.", 2.8),
        ("mask_predictor.mask_fcn_logits.", 3.0),
        ("keypoint_predictor.kps_score_lowres.", 0.7),
    ];
    match key {
        "roi_heads.box_head.fc6.bias"
        | "roi_heads.box_head.fc7.bias"
        | "roi_heads.box_head.5.bias" => Distribution::around(-1.3, 0.1),
        _ if key.contains("mask_head.") && key.ends_with(".bias") => {
            Distribution::around(-0.5, 0.1)
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
