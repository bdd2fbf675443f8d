//! detectron2's Faster R-CNN on a feature pyramid (Wu et al., 2019,
//! <https://github.com/facebookresearch/detectron2>), and EFPN (Deng et al., 2020,
//! <https://arxiv.org/abs/2003.07021>) as it was published for it: the same network with another bottom-up
//! network, whose stem has no pool, and a finest level that is made of the next one's texture.

use burn::tensor::Device;

use super::bottom_up::BottomUpConfig;
use super::faster_rcnn::FasterRcnnConfig;
use super::ftt::{self, FttForm};
use super::resnet::{Depth, MAX_STAGES, ResNetConfig, ResNetStage, StemPool, StrideIn};
use super::{
    Architecture, COCO_CLASSES, Classes, Distribution, Model, ModelConfig, Rules, Selection,
    Shapes, Specification, Stage, TrainingDefaults,
};
use crate::ops::anchors::{AnchorLayout, AnchorRule};
use crate::transform::{ChannelOrder, Resizer, Transform};

/// A bottom-up network of bottlenecks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Body {
    /// Blocks of each stage, finest first; 0 where there is none.
    pub blocks: [usize; MAX_STAGES],
    /// Groups of the 3×3 convolutions.
    pub groups: usize,
    /// Channels of the first stage's 3×3 convolutions; each stage has twice those of the one before.
    pub width: usize,
}

impl Body {
    const R50: Self = Self::resnet([3, 4, 6, 3, 0]);
    const R101: Self = Self::resnet([3, 4, 23, 3, 0]);
    const X101: Self = Self::resnext([3, 4, 23, 3, 0]);

    /// Those that have a name for `--depth`.
    pub const NAMED: [(&'static str, Self); 3] =
        [("50", Self::R50), ("101", Self::R101), ("x101", Self::X101)];

    const fn resnet(blocks: [usize; MAX_STAGES]) -> Self {
        Self {
            blocks,
            groups: 1,
            width: 64,
        }
    }

    /// 32 groups of eight channels.
    const fn resnext(blocks: [usize; MAX_STAGES]) -> Self {
        Self {
            blocks,
            groups: 32,
            width: 256,
        }
    }

    /// What a network's stride was in where nothing tells it: of plain ResNets, Caffe's.
    pub const fn stride_in(&self) -> StrideIn {
        match self.groups {
            1 => StrideIn::First,
            _ => StrideIn::Second,
        }
    }

    /// What its pictures were divided by where nothing tells it; blue, green and red.
    pub const fn pixel_std(&self) -> [f32; 3] {
        match self.groups {
            1 => [1.0; 3],
            _ => RESNEXT_STD,
        }
    }

    /// That of a checkpoint.
    ///
    /// # Errors
    /// If it has none, or one whose first stage's 3×3 has no groups that make sense.
    fn of(shapes: &Shapes<'_>) -> Result<Self, String> {
        let key = |stage: usize, block: usize, layer: &str| {
            format!("backbone.bottom_up.res{stage}.{block}.{layer}.weight")
        };
        let blocks = std::array::from_fn(|index| {
            let has = |block: &usize| shapes(&key(index + 2, *block, "conv1")).is_some();
            (0..MOST_BLOCKS).take_while(has).count()
        });
        let conv2 = key(2, 0, "conv2");
        match shapes(&conv2) {
            None => Err(format!("tensor '{conv2}' is missing")),
            Some(&[width, of_group, ..])
                if (1..=MOST_CHANNELS).contains(&width)
                    && of_group > 0
                    && width.is_multiple_of(of_group) =>
            {
                Ok(Self {
                    blocks,
                    groups: width / of_group,
                    width,
                })
            }
            Some(shape) => Err(format!(
                "tensor '{conv2}' has shape {shape:?}, expected a 3×3 convolution in groups"
            )),
        }
    }

    /// Whether it is EFPN's, which has a stage more.
    fn is_efpn(&self) -> bool {
        self.blocks[MAX_STAGES - 1] > 0
    }

    fn network(&self, config: &ModelConfig) -> ResNetConfig {
        let stage = |index: usize| match (self.blocks[index], 256 << index) {
            (0, _) => ResNetStage::None,
            (_, output) if self.is_efpn() && index == 1 => ResNetStage::Downsampling { output },
            (blocks, output) => ResNetStage::Bottleneck {
                blocks,
                width: self.width << index,
                output,
            },
        };
        ResNetConfig {
            stem_kernel: 7,
            stem: 64,
            stem_pool: match self.is_efpn() {
                true => StemPool::None,
                false => StemPool::Padded,
            },
            stages: std::array::from_fn(stage),
            groups: self.groups,
            stride_in: config.stride_in,
            bn_eps: config.bn_eps,
        }
    }
}

/// Most blocks of a stage that are looked for.
const MOST_BLOCKS: usize = 100;

/// Most channels of a stage's 3×3 convolution that are believed.
const MOST_CHANNELS: usize = 1 << 14;

/// Blue, green and red of an average picture.
const PIXEL_MEAN: [f32; 3] = [103.530, 116.280, 123.675];

/// The deviation that ResNeXt was trained with.
const RESNEXT_STD: [f32; 3] = [57.375, 57.120, 58.395];

/// Sizes of the anchors are eight times the strides.
const DECLARED: AnchorLayout = AnchorLayout {
    sizes: &[&[32.0], &[64.0], &[128.0], &[256.0], &[512.0]],
    aspect_ratios: &[0.5, 1.0, 2.0],
    rule: AnchorRule::Cornered { finest_stride: 4 },
};

const TRUE: AnchorLayout = AnchorLayout {
    sizes: &[&[16.0], &[32.0], &[64.0], &[128.0], &[256.0]],
    rule: AnchorRule::Cornered { finest_stride: 2 },
    ..DECLARED
};

/// What the shapes of a checkpoint's tensors say.
fn form(shapes: &Shapes<'_>, config: ModelConfig) -> Result<ModelConfig, String> {
    let body = Body::of(shapes)?;
    let named = config.body.map(|body| body.blocks);
    match (body.is_efpn(), config.architecture.levels().count()) {
        // EFPN's depth is in its name, and its pictures are prepared alike on any body.
        (true, 6) if named == Some(body.blocks) => Ok(ModelConfig {
            body: Some(body),
            ftt: FttForm::of(shapes),
            ..config
        }),
        (false, 5) if !body.blocks[..4].contains(&0) => Ok(config.with_body(body)),
        _ => Err(format!(
            "res2…res6 have {:?} blocks, which is another model's bottom-up network",
            body.blocks
        )),
    }
}

const FIRST_LEVEL: usize = 2;

/// What is built here.
pub static ARCHITECTURES: [Architecture; 3] = [FASTER_RCNN, EFPN_RESNEXT50, EFPN_RESNEXT101];

/// detectron2's `faster_rcnn_R_50_FPN` and its siblings of other depths.
pub static FASTER_RCNN: Architecture = Architecture(&Specification {
    name: "detectron2_faster_rcnn_fpn",
    description: "detectron2's Faster R-CNN, ResNet-50",
    accepts: "detectron2 (R50-FPN, R101-FPN, X101-FPN), any number of classes; .pkl, .pth, .safetensors",
    ..DETECTRON2
});

/// EFPN on ResNeXt-50.
pub static EFPN_RESNEXT50: Architecture = Architecture(&Specification {
    name: "efpn_resnext50",
    description: "EFPN, ResNeXt-50 32×8d",
    body: Some(Body::resnext([3, 1, 4, 6, 3])),
    ..EFPN
});

/// EFPN on ResNeXt-101.
pub static EFPN_RESNEXT101: Architecture = Architecture(&Specification {
    name: "efpn_resnext101",
    description: "EFPN, ResNeXt-101 32×8d",
    body: Some(Body::resnext([3, 1, 4, 23, 3])),
    ..EFPN
});

const EFPN: Specification = Specification {
    accepts: "EFPN for detectron2, with its feature texture transfer or without, any number of classes; .pth, .safetensors",
    transform: Transform {
        multiple: 64,
        std: RESNEXT_STD,
        ..TRANSFORM
    },
    levels: 2..=7,
    true_anchors: Some(TRUE),
    ftts: &FttForm::ALL,
    stride_in: &[StrideIn::Second, StrideIn::First],
    training: Some(TrainingDefaults {
        anchors: 128,
        rois: 256,
        batch: 4,
        learning_rate: 1e-4,
        frozen_stages: 1,
        ..TRAINING
    }),
    seeded: |key, shape| match key {
        // Pictures are scaled.
        "backbone.bottom_up.stem.conv1.weight" => {
            Distribution::usual(key, shape, &[("bottom_up.stem.", 1.0)])
        }
        _ => seeded(key, shape),
    },
    ..DETECTRON2
};

/// BGR bytes less the mean, 800/1333, Pillow's resizer.
const TRANSFORM: Transform = Transform {
    order: ChannelOrder::Bgr,
    divisor: 1.0,
    mean: PIXEL_MEAN,
    std: [1.0; 3],
    resizer: Resizer::Pillow,
    ..Transform::torchvision()
};

/// What they have in common.
const DETECTRON2: Specification = Specification {
    transform: TRANSFORM,
    selection: Some(Selection {
        score_threshold: 0.05,
        nms_threshold: 0.5,
        limit: 100,
        proposals: 1000,
    }),
    stages: &[
        ("backbone.body.", Stage::Backbone),
        ("backbone.fpn.", Stage::Pyramid),
        ("backbone.ftt.", Stage::Pyramid),
        ("rpn.", Stage::Heads),
        ("roi_heads.", Stage::BoxHead),
    ],
    levels: 2..=6,
    anchors: Some(DECLARED),
    proposals_per_level: 1000,
    rules: Some(Rules::Detectron2),
    classes: Classes::Counted {
        tensor: CLASSIFIER,
        each: 1,
        beside: 0,
        usual: COCO_CLASSES.len(),
        names: &COCO_CLASSES,
    },
    stride_in: &StrideIn::ALL,
    body: Some(Body::R50),
    form,
    key,
    has_extras: true,
    seeded,
    training: Some(TRAINING),
    build,
    ..Specification::PLAIN
};

/// Its baseline is of 16 pictures at a rate of 0.02; this is one of its eight GPUs' share.
const TRAINING: TrainingDefaults = TrainingDefaults {
    anchors: 256,
    proposals: 1000,
    rois: 512,
    batch: 2,
    learning_rate: 0.0025,
    warm_up: 1000,
    are_norms_frozen: true,
    frozen_stages: 2,
    short_sides: &[640, 672, 704, 736, 768, 800],
    long_side: 1333,
    epochs: None,
};

/// One value a class, the background's last.
const CLASSIFIER: &str = "roi_heads.box_predictor.cls_score.bias";

fn build(config: &ModelConfig, device: &Device) -> Model {
    let body = config.body.expect("it has a bottom-up network");
    let anchors = config.anchors();
    let AnchorRule::Cornered { finest_stride } = anchors.rule else {
        unreachable!("its anchors have stated strides")
    };
    let config = FasterRcnnConfig {
        body: BottomUpConfig::ResNet(body.network(config)),
        ftt: config.ftt,
        anchors,
        first_level: FIRST_LEVEL,
        roi_stride: finest_stride,
        ..FasterRcnnConfig::torchvision(Depth::R50, config)
    };
    config.model(device)
}

fn key(path: &str) -> String {
    let parts: Vec<&str> = path.split('.').collect();
    match &parts[..] {
        ["backbone", "body", layer @ ("conv1" | "bn1"), leaf] => {
            format!("backbone.bottom_up.stem.{}.{leaf}", normed(layer))
        }
        ["backbone", "body", stage, block, layer @ .., leaf] => {
            let stage: usize = stage.trim_start_matches("layer").parse().unwrap_or(0);
            let layer = match layer {
                ["downsample", "conv"] => "shortcut".to_owned(),
                ["downsample", _] => "shortcut.norm".to_owned(),
                layer => normed(&layer.concat()),
            };
            format!("backbone.bottom_up.res{}.{block}.{layer}.{leaf}", stage + 1)
        }
        ["backbone", "fpn", blocks, level, leaf] => {
            let level = FIRST_LEVEL + level.parse::<usize>().unwrap_or(0);
            let kind = match *blocks {
                "inner_blocks" => "lateral",
                _ => "output",
            };
            format!("backbone.fpn_{kind}{level}.{leaf}")
        }
        ["backbone", "ftt", part @ ..] => format!("backbone.ftt.{}", ftt::key(&part.join("."))),
        ["rpn", "head", layer, leaf] => {
            let layer = match *layer {
                "cls_logits" => "objectness_logits",
                "bbox_pred" => "anchor_deltas",
                layer => layer,
            };
            format!("proposal_generator.rpn_head.{layer}.{leaf}")
        }
        ["roi_heads", "box_head", layer, leaf] => {
            let layer = if *layer == "fc6" { "fc1" } else { "fc2" };
            format!("roi_heads.box_head.{layer}.{leaf}")
        }
        _ => path.to_owned(),
    }
}

/// A convolution's name, or that of the norm behind it, which is a part of it.
fn normed(layer: &str) -> String {
    match layer.strip_prefix("bn") {
        Some(number) => format!("conv{number}.norm"),
        None => layer.to_owned(),
    }
}

fn seeded(key: &str, shape: &[usize]) -> Distribution {
    const GAINS: [(&str, f64); 13] = [
        // Pictures are not scaled to a unit range.
        ("bottom_up.stem.", 0.02),
        // A feature texture transfer by 1×1 convolutions, and in any other form.
        ("_extractor.conv1.", 1.35),
        ("_extractor.conv2.", 1.35),
        ("backbone.ftt.", 1.0),
        ("fpn_lateral6.", 1.2),
        ("fpn_lateral5.", 1.2),
        ("fpn_lateral4.", 0.5),
        ("fpn_lateral", 0.25),
        ("fpn_output", 0.7),
        ("objectness_logits.", 1.2),
        ("anchor_deltas.", 0.3),
        ("box_predictor.cls_score.", 6.0),
        ("box_predictor.bbox_pred.", 4.0),
    ];
    match key {
        "roi_heads.box_head.fc1.bias" | "roi_heads.box_head.fc2.bias" => {
            Distribution::around(-1.3, 0.1)
        }
        // Most RoIs are background.
        CLASSIFIER => Distribution {
            apart: Some((shape[0] - 1, 6.0)),
            ..Distribution::around(0.0, 0.5)
        },
        "proposal_generator.rpn_head.anchor_deltas.bias" => Distribution::around(0.0, 0.8),
        // A residual branch adds little, so that deep stacks do not explode.
        _ if key.ends_with(".conv3.norm.weight") => Distribution::around(0.05, 0.05),
        _ => Distribution::usual(key, shape, &GAINS),
    }
}
