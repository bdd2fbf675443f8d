//! The tutorials' feature pyramid: a ResNet with P2…P5 on top, and no detector. Unlike
//! [`FeaturePyramid`](super::fpn::FeaturePyramid), P5 has no 3×3 behind it, and the coarser levels
//! may come down bilinearly.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::{Device, Tensor};

use super::conv::{ConvLayer, index_in_sequence};
use super::fpn::add_upsampled;
use super::resnet::{Depth, ResNet, ResNetConfig, StrideIn};
use super::{
    Architecture, Distribution, Model, ModelConfig, Outputs, Request, Specification, Stage,
    Upsampling,
};
use crate::plan::MapKind;
use crate::transform::Transform;

/// Channels of every pyramid level.
const CHANNELS: usize = 256;

/// Bottom-up network and pyramid.
#[derive(Module, Debug)]
pub struct FpnResNet {
    body: ResNet,
    toplayer: Conv2d,
    latlayer1: Conv2d,
    latlayer2: Conv2d,
    latlayer3: Conv2d,
    smooth1: Conv2d,
    smooth2: Conv2d,
    smooth3: Conv2d,
    #[module(skip)]
    top_down: Upsampling,
}

impl FpnResNet {
    /// The model with unloaded weights, on a ResNet of bottlenecks.
    pub fn new(depth: Depth, config: &ModelConfig, device: &Device) -> Self {
        let body = ResNetConfig::torchvision(depth, config.bn_eps);
        let [c2, c3, c4, c5] = body.channels()[..] else {
            unreachable!("torchvision's have four stages")
        };
        let lateral = |input| ConvLayer::new(input, CHANNELS, 1).bias().init(device);
        let smooth = || ConvLayer::new(CHANNELS, CHANNELS, 3).bias().init(device);
        Self {
            body: ResNet::new(&body, device),
            toplayer: lateral(c5),
            latlayer1: lateral(c4),
            latlayer2: lateral(c3),
            latlayer3: lateral(c2),
            smooth1: smooth(),
            smooth2: smooth(),
            smooth3: smooth(),
            top_down: config.top_down,
        }
    }

    /// A picture `[1, 3, H, W]`, normalized, of any size → what was asked for; there are no heads and no
    /// detections.
    pub fn forward(&self, image: Tensor<4>, _frame: Tensor<1>, request: &Request) -> Outputs {
        let mut outputs = Outputs::new(request, &image);
        let features = self.bottom_up(image);
        outputs.levels(MapKind::Features, 2, &features, |n| format!("C{n}"));
        let pyramid = self.pyramid(features);
        outputs.levels(MapKind::Pyramid, 2, &pyramid, |n| format!("P{n}"));
        outputs
    }

    /// `[1, 3, H, W]` → C2…C5.
    pub fn bottom_up(&self, image: Tensor<4>) -> [Tensor<4>; 4] {
        let features = self.body.forward(image).try_into();
        features.expect("torchvision's have four stages")
    }

    /// C2…C5 → P2…P5, each `[1, 256, h, w]` of its C's size.
    pub fn pyramid(&self, [c2, c3, c4, c5]: [Tensor<4>; 4]) -> [Tensor<4>; 4] {
        let add =
            |lateral, coarse: &Tensor<4>| add_upsampled(lateral, coarse.clone(), self.top_down);
        let m5 = self.toplayer.forward(c5);
        let m4 = add(self.latlayer1.forward(c4), &m5);
        let m3 = add(self.latlayer2.forward(c3), &m4);
        let m2 = add(self.latlayer3.forward(c2), &m3);
        let p4 = self.smooth1.forward(m4);
        let p3 = self.smooth2.forward(m3);
        let p2 = self.smooth3.forward(m2);
        [p2, p3, p4, m5]
    }
}

/// Of the depths that have bottlenecks.
pub static ARCHITECTURES: [Architecture; 3] = [RESNET50, RESNET101, RESNET152];

/// On ResNet-50.
pub static RESNET50: Architecture = Architecture(&Specification {
    name: "fpn_resnet50",
    description: "feature pyramid alone, ResNet-50",
    build: |config, device| build(Depth::R50, config, device),
    ..TUTORIAL
});

/// On ResNet-101.
pub static RESNET101: Architecture = Architecture(&Specification {
    name: "fpn_resnet101",
    description: "feature pyramid alone, ResNet-101",
    build: |config, device| build(Depth::R101, config, device),
    ..TUTORIAL
});

/// On ResNet-152.
pub static RESNET152: Architecture = Architecture(&Specification {
    name: "fpn_resnet152",
    description: "feature pyramid alone, ResNet-152",
    build: |config, device| build(Depth::R152, config, device),
    ..TUTORIAL
});

/// What all depths have in common.
const TUTORIAL: Specification = Specification {
    accepts: "the tutorials' FPN in PyTorch (layer1.0.bottleneck.0, toplayer, latlayer1, smooth1); .pth, .safetensors",
    transform: Transform {
        resize: None,
        multiple: 1,
        ..Transform::torchvision()
    },
    stages: &[
        ("body.", Stage::Backbone),
        ("toplayer.", Stage::Pyramid),
        ("latlayer", Stage::Pyramid),
        ("smooth", Stage::Pyramid),
    ],
    levels: 2..=5,
    top_down: &[Upsampling::Nearest, Upsampling::Bilinear],
    stride_in: &[StrideIn::Second],
    key,
    seeded,
    ..Specification::PLAIN
};

fn build(depth: Depth, config: &ModelConfig, device: &Device) -> Model {
    Model::FpnResNet(FpnResNet::new(depth, config, device))
}

fn key(path: &str) -> String {
    let parts: Vec<&str> = path.split('.').collect();
    match &parts[..] {
        ["body", stage, block, "downsample", layer, leaf] => {
            let index = index_in_sequence(layer);
            format!("{stage}.{block}.downsample.{index}.{leaf}")
        }
        // A Sequential, which counts the activations too.
        ["body", stage, block, layer, leaf] => {
            let index = match *layer {
                "conv1" => 0,
                "bn1" => 1,
                "conv2" => 3,
                "bn2" => 4,
                "conv3" => 6,
                _ => 7,
            };
            format!("{stage}.{block}.bottleneck.{index}.{leaf}")
        }
        ["body", stem @ ..] => stem.join("."),
        _ => path.to_owned(),
    }
}

fn seeded(key: &str, shape: &[usize]) -> Distribution {
    const GAINS: [(&str, f64); 4] = [
        ("toplayer.", 1.2),
        ("latlayer1.", 0.5),
        ("latlayer", 0.25),
        ("smooth", 0.7),
    ];
    // The last norm of a block: sums of a hundred blocks must not grow.
    match shape.len() == 1 && key.contains(".bottleneck.7.") && key.ends_with(".weight") {
        true => Distribution::around(0.05, 0.05),
        false => Distribution::usual(key, shape, &GAINS),
    }
}
