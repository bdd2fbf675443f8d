//! EFPN made slim, as `pyramid_tiny` is Faster R-CNN made slim: to see on a CPU what its feature texture transfer
//! comes to.

use burn::tensor::Device;

use super::bottom_up::BottomUpConfig;
use super::detectron2::EFPN_RESNEXT50;
use super::faster_rcnn::{self, CLASSIFIER, FasterRcnnConfig, PYRAMID_TINY};
use super::ftt::{self, FttForm};
use super::resnet::{self, ResNetConfig, ResNetStage, StemPool};
use super::{Architecture, Classes, Distribution, Model, ModelConfig, Rules, Specification};
use crate::ops::anchors::{AnchorLayout, AnchorRule};
use crate::transform::Transform;

/// What is built here.
pub static ARCHITECTURES: [Architecture; 1] = [EFPN_TINY];

/// EFPN on a slim network of `pyramid_tiny`'s widths.
pub static EFPN_TINY: Architecture = Architecture(&Specification {
    name: "efpn_tiny",
    description: "EFPN made slim",
    // The coarsest level is twice as coarse as without EFPN's additional one.
    transform: Transform {
        multiple: 64,
        ..PYRAMID_TINY.0.transform
    },
    stages: EFPN_RESNEXT50.0.stages,
    levels: 2..=7,
    anchors: Some(ANCHORS),
    rules: Some(Rules::Detectron2),
    ftts: &FttForm::ALL,
    classes: Classes::Counted {
        tensor: CLASSIFIER,
        each: 1,
        beside: 0,
        usual: 9,
        names: &[],
    },
    form: |shapes, config| {
        Ok(ModelConfig {
            ftt: FttForm::of(shapes),
            ..config
        })
    },
    key,
    layout: str::to_owned,
    seeded,
    builtin: None,
    build,
    ..*PYRAMID_TINY.0
});

/// Four times as large as the strides, as `pyramid_tiny`'s.
const ANCHORS: AnchorLayout = AnchorLayout {
    sizes: &[&[8.0], &[16.0], &[32.0], &[64.0], &[128.0]],
    aspect_ratios: &[0.5, 1.0, 2.0],
    rule: AnchorRule::Cornered {
        finest_stride: FINEST_STRIDE,
    },
};

const FINEST_STRIDE: usize = 2;

fn build(config: &ModelConfig, device: &Device) -> Model {
    let tiny = FasterRcnnConfig::tiny(config);
    let basic = |blocks, output| ResNetStage::Basic { blocks, output };
    let config = FasterRcnnConfig {
        body: BottomUpConfig::ResNet(ResNetConfig {
            stem_pool: StemPool::None,
            stages: [
                basic(1, 24),
                ResNetStage::Downsampling { output: 48 },
                basic(2, 96),
                basic(2, 160),
                basic(2, 160),
            ],
            ..FasterRcnnConfig::tiny_body(config)
        }),
        ftt: config.ftt,
        roi_stride: FINEST_STRIDE,
        ..tiny
    };
    config.model(device)
}

fn key(path: &str) -> String {
    match path.strip_prefix("backbone.ftt.") {
        Some(part) => format!("backbone.ftt.{}", ftt::key(part)),
        None => resnet::key(path),
    }
}

fn seeded(key: &str, shape: &[usize]) -> Distribution {
    match key {
        // Most RoIs are background.
        CLASSIFIER => Distribution {
            apart: Some((shape[0] - 1, 8.0)),
            ..Distribution::around(0.0, 0.5)
        },
        _ if key.starts_with("backbone.ftt.") => (EFPN_RESNEXT50.0.seeded)(key, shape),
        _ => faster_rcnn::seeded(key, shape, false),
    }
}
