//! RetinaFace (Deng et al., 2019, <https://arxiv.org/abs/1905.00641>) on MobileNetV1-0.25: a
//! one-stage face detector with a three-level pyramid, SSH context modules and five landmarks.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::activation::{leaky_relu, relu};
use burn::tensor::{Device, Tensor};

use super::conv::{ConvLayer, ConvNorm, index_in_sequence};
use super::fpn::add_upsampled;
use super::mobilenet::{MobileNet, SLOPE, STAGE_CHANNELS};
use super::{
    Architecture, Classes, Distribution, Model, ModelConfig, Outputs, Published, Request,
    Selection, Source, Specification, Stage, Upsampling,
};
use crate::ops::anchor_decode::{AnchorDecodeOptions, OneStageMaps, decode_anchors};
use crate::ops::anchors::AnchorLayout;
use crate::ops::select::select_detections;
use crate::plan::MapKind;
use crate::transform::Transform;

/// What it tells apart.
const NAMES: [&str; 2] = ["background", "face"];

/// Channels of every pyramid level.
const CHANNELS: usize = 64;

/// The detector.
#[derive(Module, Debug)]
pub struct RetinaFace {
    body: MobileNet,
    fpn: Pyramid,
    ssh1: Ssh,
    ssh2: Ssh,
    ssh3: Ssh,
    class_head: Vec<Conv2d>,
    bbox_head: Vec<Conv2d>,
    landmark_head: Vec<Conv2d>,
    #[module(skip)]
    anchors: AnchorLayout,
    first_level: usize,
}

impl RetinaFace {
    /// The model with unloaded weights.
    pub fn new(config: &ModelConfig, device: &Device) -> Self {
        let eps = config.bn_eps;
        let anchors = config.anchors();
        let head = |values: usize| -> Vec<Conv2d> {
            (0..3)
                .map(|level| {
                    ConvLayer::new(CHANNELS, anchors.per_cell(level) * values, 1)
                        .bias()
                        .init(device)
                })
                .collect()
        };
        Self {
            body: MobileNet::new(eps, device),
            fpn: Pyramid::new(eps, device),
            ssh1: Ssh::new(eps, device),
            ssh2: Ssh::new(eps, device),
            ssh3: Ssh::new(eps, device),
            class_head: head(2),
            bbox_head: head(4),
            landmark_head: head(10),
            anchors,
            first_level: config.architecture.first_level(),
        }
    }

    /// A picture `[1, 3, H, W]` (RGB, 0–255, less the mean) → what was asked for; detections have
    /// landmarks.
    ///
    /// `frame` is [`Frame::tensor`](crate::transform::Frame::tensor).
    pub fn forward(&self, image: Tensor<4>, frame: Tensor<1>, request: &Request) -> Outputs {
        let mut outputs = Outputs::new(request, &image);
        let [_, _, height, width] = image.dims();
        let first = self.first_level;
        let features = self.body.forward(image);
        outputs.levels(MapKind::Features, first, &features, |n| format!("C{n}"));
        let pyramid = self.fpn.forward(features);
        outputs.levels(MapKind::Pyramid, first, &pyramid, |n| format!("P{n}"));
        if !request.needs_heads() {
            return outputs;
        }
        let maps = self.head_maps(self.context(pyramid));
        outputs.levels(MapKind::Heads, first, &maps.classes, |n| {
            format!("P{n} classes")
        });
        outputs.levels(MapKind::Heads, first, &maps.boxes, |n| {
            format!("P{n} boxes")
        });
        outputs.levels(MapKind::Heads, first, &maps.landmarks, |n| {
            format!("P{n} landmarks")
        });
        if request.asks_for(MapKind::Objectness) {
            let name = |n| format!("P{n} probability");
            outputs.levels(MapKind::Objectness, first, &maps.objectness(), name);
        }
        let Some(selection) = request.selection else {
            return outputs;
        };
        let anchors = self.anchors.grid(first, [height, width], &maps.sizes());
        let options = AnchorDecodeOptions::retinaface(anchors, selection.score_threshold);
        let candidates = decode_anchors(maps, options);
        outputs.detections = Some(select_detections(candidates, frame, selection.into()));
        outputs
    }

    /// `[1, 3, H, W]` → P3, P4, P5, each `[1, 64, h, w]` at strides 8, 16, 32.
    pub fn pyramid(&self, image: Tensor<4>) -> [Tensor<4>; 3] {
        self.fpn.forward(self.body.forward(image))
    }

    /// The SSH module of each level; shapes unchanged.
    pub fn context(&self, [p3, p4, p5]: [Tensor<4>; 3]) -> [Tensor<4>; 3] {
        [
            self.ssh1.forward(p3),
            self.ssh2.forward(p4),
            self.ssh3.forward(p5),
        ]
    }

    /// Raw head maps of the three levels: two class logits, four box deltas and ten landmark deltas
    /// for each of the anchors of a cell.
    pub fn head_maps(&self, levels: [Tensor<4>; 3]) -> OneStageMaps {
        let run = |heads: &[Conv2d]| -> Vec<Tensor<4>> {
            let pairs = heads.iter().zip(&levels);
            pairs
                .map(|(head, level)| head.forward(level.clone()))
                .collect()
        };
        OneStageMaps {
            classes: run(&self.class_head),
            boxes: run(&self.bbox_head),
            landmarks: run(&self.landmark_head),
        }
    }
}

/// The detector's own pyramid: unlike [`FeaturePyramid`](super::fpn::FeaturePyramid), batch norm
/// after every convolution, and the 3×3 comes before the map is handed down.
#[derive(Module, Debug)]
struct Pyramid {
    output1: ConvNorm,
    output2: ConvNorm,
    output3: ConvNorm,
    merge1: ConvNorm,
    merge2: ConvNorm,
}

impl Pyramid {
    fn new(eps: f64, device: &Device) -> Self {
        let [c3, c4, c5] = STAGE_CHANNELS;
        let lateral = |input| ConvLayer::new(input, CHANNELS, 1).norm(eps, device);
        let merge = || ConvLayer::new(CHANNELS, CHANNELS, 3).norm(eps, device);
        Self {
            output1: lateral(c3),
            output2: lateral(c4),
            output3: lateral(c5),
            merge1: merge(),
            merge2: merge(),
        }
    }

    fn forward(&self, [c3, c4, c5]: [Tensor<4>; 3]) -> [Tensor<4>; 3] {
        let conv = |layer: &ConvNorm, x| leaky_relu(layer.forward(x), SLOPE);
        let p5 = conv(&self.output3, c5);
        let p4 = add_upsampled(conv(&self.output2, c4), p5.clone(), Upsampling::Nearest);
        let p4 = conv(&self.merge2, p4);
        let p3 = add_upsampled(conv(&self.output1, c3), p4.clone(), Upsampling::Nearest);
        let p3 = conv(&self.merge1, p3);
        [p3, p4, p5]
    }
}

/// The context module of SSH (Najibi et al., 2017, <https://arxiv.org/abs/1708.03979>): a 3×3
/// branch beside stacks of two and three that stand for a 5×5 and a 7×7.
#[derive(Module, Debug)]
struct Ssh {
    conv3x3: ConvNorm,
    conv5x5_1: ConvNorm,
    conv5x5_2: ConvNorm,
    conv7x7_2: ConvNorm,
    conv7x7_3: ConvNorm,
}

impl Ssh {
    fn new(eps: f64, device: &Device) -> Self {
        let conv = |input, output| ConvLayer::new(input, output, 3).norm(eps, device);
        let (half, quarter) = (CHANNELS / 2, CHANNELS / 4);
        Self {
            conv3x3: conv(CHANNELS, half),
            conv5x5_1: conv(CHANNELS, quarter),
            conv5x5_2: conv(quarter, quarter),
            conv7x7_2: conv(quarter, quarter),
            conv7x7_3: conv(quarter, quarter),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let by3 = self.conv3x3.forward(x.clone());
        let shared = leaky_relu(self.conv5x5_1.forward(x), SLOPE);
        let by5 = self.conv5x5_2.forward(shared.clone());
        let by7 = leaky_relu(self.conv7x7_2.forward(shared), SLOPE);
        let by7 = self.conv7x7_3.forward(by7);
        relu(Tensor::cat(vec![by3, by5, by7], 1))
    }
}

/// What is built here.
pub static ARCHITECTURES: [Architecture; 1] = [MOBILENET025];

/// On MobileNetV1 at a quarter of its width.
pub static MOBILENET025: Architecture = Architecture(&Specification {
    name: "retinaface_mobilenet025",
    description: "RetinaFace, MobileNet-0.25",
    accepts: "RetinaFace in PyTorch, MobileNet-0.25; .pth, .safetensors",
    transform: Transform::retinaface(),
    selection: Some(Selection {
        score_threshold: 0.5,
        nms_threshold: 0.4,
        limit: 750,
        proposals: 0,
    }),
    stages: &[
        ("body.", Stage::Backbone),
        ("fpn.", Stage::Pyramid),
        ("ssh1.", Stage::Heads),
        ("ssh2.", Stage::Heads),
        ("ssh3.", Stage::Heads),
        ("class_head.", Stage::Heads),
        ("bbox_head.", Stage::Heads),
        ("landmark_head.", Stage::Heads),
    ],
    levels: 3..=5,
    anchors: Some(AnchorLayout::retinaface()),
    classes: Classes::Fixed(&NAMES),
    key,
    seeded,
    // In the repository itself, at a commit that does not change.
    published: &[Published {
        name: "widerface",
        file_name: "Retinaface_mobilenet0.25.pth",
        source: Source::Folder(
            "https://raw.githubusercontent.com/bubbliiiing/retinaface-pytorch/3167ca43ae4e2010e4cc0aa6d2da61593548626a/model_data/",
        ),
        megabytes: None,
        sha256_prefix: None,
        licence: "MIT, © 2020 Bubbliiiing; trained on WIDER FACE, whose terms may apply",
        class_names: &NAMES,
        bn_eps: 1e-5,
    }],
    build: |config, device| Model::RetinaFace(RetinaFace::new(config, device)),
    ..Specification::PLAIN
});

fn key(path: &str) -> String {
    let parts: Vec<&str> = path.split('.').collect();
    match &parts[..] {
        ["body", stage, block, "depthwise", layer, leaf] => {
            let index = index_in_sequence(layer);
            format!("body.{stage}.{block}.{index}.{leaf}")
        }
        // Behind the depthwise convolution, its norm and its activation.
        ["body", stage, block, "pointwise", layer, leaf] => {
            let index = 3 + index_in_sequence(layer);
            format!("body.{stage}.{block}.{index}.{leaf}")
        }
        [module @ .., layer @ ("conv" | "norm"), leaf] => {
            let index = index_in_sequence(layer);
            let module = module
                .join(".")
                .replace("3x3", "3X3")
                .replace("5x5", "5X5")
                .replace("7x7_2", "7X7_2"); // its sibling 7x7_3 is spelled small
            format!("{module}.{index}.{leaf}")
        }
        ["class_head", level, leaf] => format!("ClassHead.{level}.conv1x1.{leaf}"),
        ["bbox_head", level, leaf] => format!("BboxHead.{level}.conv1x1.{leaf}"),
        ["landmark_head", level, leaf] => format!("LandmarkHead.{level}.conv1x1.{leaf}"),
        _ => path.to_owned(),
    }
}

fn seeded(key: &str, shape: &[usize]) -> Distribution {
    const GAINS: [(&str, f64); 4] = [
        // Pictures are not scaled to a unit range.
        ("body.stage1.0.0.", 0.02),
        ("ClassHead.", 0.8),
        ("BboxHead.", 0.4),
        ("LandmarkHead.", 0.5),
    ];
    Distribution::usual(key, shape, &GAINS)
}
