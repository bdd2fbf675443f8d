//! NanoDet and NanoDet-Plus (RangiLyu, 2020 and 2021, <https://github.com/RangiLyu/nanodet>): anchor-free
//! one-stage detectors of about a million parameters.

mod ghost_pan;
mod head;
mod pan;
mod shufflenet;

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use self::ghost_pan::GhostPan;
use self::head::{BINS, BOX_CHANNELS, Head};
use self::pan::Pan;
use self::shufflenet::ShuffleNet;
use super::{
    Architecture, COCO_CLASSES, COCO_NAMES, Classes, Distribution, Model, ModelConfig, Outputs,
    Published, Request, Selection, Source, Specification, Stage,
};
use crate::ops::anchors::{AnchorLayout, AnchorRule};
use crate::ops::dense_decode::{BoxCode, DenseMaps, DenseOptions, decode_dense};
use crate::ops::select::select_detections;
use crate::plan::MapKind;
use crate::transform::{ChannelOrder, ResizeBounds, Resizer, Transform};

/// Slope of every leaky ReLU.
const SLOPE: f64 = super::mobilenet::SLOPE;

/// The background is not scored.
const FIRST_LABEL: usize = 1;

/// How wide a model is.
struct Width {
    /// Channels of the backbone's stages.
    stages: [usize; 3],
    /// Channels of the pyramid's levels.
    pyramid: usize,
}

const USUAL: Width = Width {
    stages: [116, 232, 464],
    pyramid: 96,
};

const WIDER: Width = Width {
    stages: [176, 352, 704],
    pyramid: 128,
};

/// The detector.
#[derive(Module, Debug)]
pub struct NanoDet {
    backbone: ShuffleNet,
    fpn: Pyramid,
    head: Head,
    #[module(skip)]
    anchors: AnchorLayout,
    first_level: usize,
    classes: usize,
}

/// Its pyramid.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // one a detector, and never moved once built
enum Pyramid {
    Pan(Pan),
    GhostPan(GhostPan),
}

impl NanoDet {
    /// NanoDet-m with unloaded weights.
    fn plain(config: &ModelConfig, device: &Device) -> Self {
        let Width { stages, pyramid } = USUAL;
        let fpn = Pyramid::Pan(Pan::new(stages, pyramid, device));
        Self::new(config, &USUAL, fpn, 3, device)
    }

    /// NanoDet-Plus-m with unloaded weights.
    fn plus(config: &ModelConfig, width: &Width, device: &Device) -> Self {
        let pyramid = GhostPan::new(width.stages, width.pyramid, config.bn_eps, device);
        Self::new(config, width, Pyramid::GhostPan(pyramid), 5, device)
    }

    /// `kernel` is the side of the head's filters.
    fn new(
        config: &ModelConfig,
        width: &Width,
        fpn: Pyramid,
        kernel: usize,
        device: &Device,
    ) -> Self {
        let eps = config.bn_eps;
        let anchors = config.anchors();
        let (levels, classes) = (anchors.sizes.len(), config.classes - 1);
        Self {
            backbone: ShuffleNet::new(width.stages, eps, device),
            fpn,
            head: Head::new(levels, width.pyramid, kernel, classes, eps, device),
            anchors,
            first_level: config.architecture.first_level(),
            classes,
        }
    }

    /// A picture `[1, 3, H, W]` (BGR, normalized; sides are multiples of 32) → what was asked for.
    ///
    /// `frame` is [`Frame::tensor`](crate::transform::Frame::tensor).
    pub fn forward(&self, image: Tensor<4>, frame: Tensor<1>, request: &Request) -> Outputs {
        let mut outputs = Outputs::new(request, &image);
        let [_, _, height, width] = image.dims();
        let first = self.first_level;
        let features = self.features(image);
        outputs.levels(MapKind::Features, first, &features, |n| format!("C{n}"));
        let pyramid = self.pyramid(features);
        outputs.levels(MapKind::Pyramid, first, &pyramid, |n| format!("P{n}"));
        if !request.needs_heads() {
            return outputs;
        }
        let maps = self.head_maps(&pyramid);
        outputs.levels(MapKind::Heads, first, &maps.classes, |n| {
            format!("P{n} classes and boxes")
        });
        if request.asks_for(MapKind::Objectness) {
            let likeliest = maps.objectness(1, self.classes, FIRST_LABEL);
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
            code: BoxCode::Distribution { bins: BINS },
            score_threshold: selection.score_threshold,
            per_level: None,
            // Boxes may reach into the padding.
            extent: Some([height, width]),
        };
        let candidates = decode_dense(maps, frame.clone(), options);
        outputs.detections = Some(select_detections(candidates, frame, selection.into()));
        outputs
    }

    /// `[1, 3, H, W]` → C3, C4, C5 at strides 8, 16, 32.
    pub fn features(&self, image: Tensor<4>) -> [Tensor<4>; 3] {
        self.backbone.forward(image)
    }

    /// C3, C4, C5 → the pyramid's levels, finest first, of the same number of channels.
    pub fn pyramid(&self, features: [Tensor<4>; 3]) -> Vec<Tensor<4>> {
        match &self.fpn {
            Pyramid::Pan(pan) => pan.forward(features).to_vec(),
            Pyramid::GhostPan(pan) => pan.forward(features).to_vec(),
        }
    }

    /// Raw maps of each level, boxes behind classes.
    pub fn head_maps(&self, pyramid: &[Tensor<4>]) -> DenseMaps {
        DenseMaps {
            classes: self.head.forward(pyramid),
            boxes: Vec::new(),
            centreness: Vec::new(),
        }
    }
}

/// What is built here.
pub static ARCHITECTURES: [Architecture; 6] = [
    PLUS_M_320,
    PLUS_M_416,
    PLUS_M_WIDER_320,
    PLUS_M_WIDER_416,
    M_320,
    M_416,
];

/// NanoDet-Plus-m at 320 pixels.
pub static PLUS_M_320: Architecture = Architecture(&Specification {
    name: "nanodet_plus_m_320",
    description: "NanoDet-Plus-m, 320 pixels",
    transform: transform(Resizer::NanoDetPlus, 320),
    published: &[by_hand(
        "nanodet-plus-m_320.pth",
        "https://drive.google.com/file/d/1Dq0cTIdJDUhQxJe45z6rWncbZmOyh1Tv",
    )],
    ..PLUS_M
});

/// NanoDet-Plus-m at 416 pixels.
pub static PLUS_M_416: Architecture = Architecture(&Specification {
    name: "nanodet_plus_m_416",
    description: "NanoDet-Plus-m, 416 pixels",
    transform: transform(Resizer::NanoDetPlus, 416),
    published: &[Published {
        file_name: "nanodet-plus-m_416_checkpoint.ckpt",
        source: Source::Folder(
            "https://github.com/RangiLyu/nanodet/releases/download/v1.0.0-alpha-1/",
        ),
        megabytes: Some(35.5),
        ..by_hand("", "")
    }],
    ..PLUS_M
});

/// NanoDet-Plus-m half as wide again, at 320 pixels.
pub static PLUS_M_WIDER_320: Architecture = Architecture(&Specification {
    name: "nanodet_plus_m_1.5x_320",
    description: "NanoDet-Plus-m-1.5x, 320 pixels",
    transform: transform(Resizer::NanoDetPlus, 320),
    published: &[by_hand(
        "nanodet-plus-m-1.5x_320.pth",
        "https://drive.google.com/file/d/1Xdlgu5lxiS3w6ER7GE1mZpY663wmpcyY",
    )],
    ..PLUS_M_WIDER
});

/// NanoDet-Plus-m half as wide again, at 416 pixels.
pub static PLUS_M_WIDER_416: Architecture = Architecture(&Specification {
    name: "nanodet_plus_m_1.5x_416",
    description: "NanoDet-Plus-m-1.5x, 416 pixels",
    transform: transform(Resizer::NanoDetPlus, 416),
    published: &[by_hand(
        "nanodet-plus-m-1.5x_416.pth",
        "https://drive.google.com/file/d/16FJJJgUt5VrSKG7RM_ImdKKzhJ-Mu45I",
    )],
    ..PLUS_M_WIDER
});

/// NanoDet-m at 320 pixels.
pub static M_320: Architecture = Architecture(&Specification {
    name: "nanodet_m_320",
    description: "NanoDet-m, 320 pixels",
    transform: transform(Resizer::NanoDet, 320),
    published: &[by_hand(
        "nanodet_m.ckpt",
        "https://drive.google.com/file/d/1ZkYucuLusJrCb_i63Lid0kYyyLvEiGN3",
    )],
    ..M
});

/// NanoDet-m at 416 pixels.
pub static M_416: Architecture = Architecture(&Specification {
    name: "nanodet_m_416",
    description: "NanoDet-m, 416 pixels",
    transform: transform(Resizer::NanoDet, 416),
    published: &[by_hand(
        "nanodet_m_416.ckpt",
        "https://drive.google.com/file/d/1jY-Um2VDDEhuVhluP9lE70rG83eXQYhV",
    )],
    ..M
});

/// The authors' file at a page of theirs that only a person can fetch it from.
const fn by_hand(file_name: &'static str, page: &'static str) -> Published {
    Published {
        name: "coco",
        file_name,
        source: Source::Page(page),
        megabytes: None,
        sha256_prefix: None,
        licence: "Apache-2.0, © RangiLyu; trained on COCO, whose terms may apply",
        class_names: &COCO_NAMES,
        bn_eps: 1e-5,
    }
}

const M: Specification = Specification {
    accepts: "NanoDet of RangiLyu; .pth, .ckpt, .safetensors",
    selection: Some(Selection {
        score_threshold: 0.05,
        nms_threshold: 0.6,
        limit: 100,
        proposals: 0,
    }),
    stages: &[
        ("backbone.", Stage::Backbone),
        ("fpn.", Stage::Pyramid),
        ("head.", Stage::Heads),
    ],
    levels: 3..=5,
    // A cell's box is the cell.
    anchors: Some(AnchorLayout {
        sizes: &[&[8.0], &[16.0], &[32.0]],
        aspect_ratios: &[1.0],
        rule: AnchorRule::Centred,
    }),
    classes: Classes::Counted {
        tensor: "head.gfl_cls.0.bias",
        each: 1,
        // No channel is the background's.
        beside: BOX_CHANNELS - 1,
        usual: COCO_CLASSES.len(),
        names: &COCO_NAMES,
    },
    key,
    // A layer of boxes alone, which no forward pass reads; the numbers of the bins.
    training_parts: &["head.gfl_reg.", "head.distribution_project."],
    seeded,
    build: |config, device| Model::NanoDet(NanoDet::plain(config, device)),
    ..Specification::PLAIN
};

const PLUS_M: Specification = Specification {
    accepts: "NanoDet-Plus of RangiLyu; .pth, .ckpt, .safetensors",
    levels: 3..=6,
    // About a cell's top left corner.
    anchors: Some(AnchorLayout {
        sizes: &[&[8.0], &[16.0], &[32.0], &[64.0]],
        aspect_ratios: &[1.0],
        rule: AnchorRule::Cornered { finest_stride: 8 },
    }),
    training_parts: &["aux_fpn.", "aux_head.", "head.distribution_project."],
    build: |config, device| Model::NanoDet(NanoDet::plus(config, &USUAL, device)),
    ..M
};

const PLUS_M_WIDER: Specification = Specification {
    build: |config, device| Model::NanoDet(NanoDet::plus(config, &WIDER, device)),
    ..PLUS_M
};

/// Pictures brought into a square of `side` pixels.
const fn transform(resizer: Resizer, side: usize) -> Transform {
    Transform {
        order: ChannelOrder::Bgr,
        mean: [103.53 / 255.0, 116.28 / 255.0, 123.675 / 255.0],
        std: [57.375 / 255.0, 57.12 / 255.0, 58.395 / 255.0],
        resize: Some(ResizeBounds {
            min_size: side,
            max_size: side,
        }),
        resizer,
        ..Transform::torchvision()
    }
}

fn key(path: &str) -> String {
    let (part, rest) = path.split_once('.').unwrap_or((path, ""));
    let rest = match part {
        "backbone" => shufflenet::key(rest),
        "fpn" if rest.starts_with("lateral") => pan::key(rest),
        "fpn" => ghost_pan::key(rest),
        _ => head::key(rest),
    };
    format!("{part}.{rest}")
}

/// The key of a parameter of a [`Separable`](super::mobilenet::Separable) behind that of itself.
fn separable_key(conv: &str, layer: &str, leaf: &str) -> String {
    match (conv, layer) {
        ("depthwise", "norm") => format!("dwnorm.{leaf}"),
        (_, "norm") => format!("pwnorm.{leaf}"),
        _ => format!("{conv}.{leaf}"),
    }
}

fn seeded(key: &str, shape: &[usize]) -> Distribution {
    const GAINS: [(&str, f64); 9] = [
        // No activation is behind these.
        ("branch1.0.", 0.9),
        ("branch2.3.", 0.9),
        (".ghost2.", 0.8),
        (".blocks.0.shortcut.", 0.6),
        ("lateral_convs.", 0.5),
        ("extra_lvl_", 2.2),
        // Coarse maps, whose places differ less, find something too.
        ("gfl_cls.3.", 5.0),
        ("gfl_cls.2.", 2.5),
        ("gfl_cls.", 1.5),
    ];
    match key.starts_with("head.gfl_cls.") && key.ends_with(".bias") {
        // Few classes are anywhere; a distribution is the same whatever is added to all of its logits.
        true => Distribution::around(-5.0, 0.5),
        false => Distribution::usual(key, shape, &GAINS),
    }
}
