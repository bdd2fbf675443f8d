//! What a [`FasterRcnn`](super::FasterRcnn) is built from.

use burn::tensor::Device;

use super::FasterRcnn;
use crate::models::bottom_up::BottomUpConfig;
use crate::models::box_head::BoxHeadForm;
use crate::models::fpn::{CoarserLevels, PyramidConfig};
use crate::models::ftt::FttForm;
use crate::models::resnet::{Depth, ResNetConfig, ResNetStage};
use crate::models::{Model, ModelConfig, Rules};
use crate::ops::anchors::AnchorLayout;

/// What a [`FasterRcnn`](super::FasterRcnn) is built from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FasterRcnnConfig {
    /// The bottom-up network.
    pub body: BottomUpConfig,
    /// The pyramid.
    pub pyramid: PyramidConfig,
    /// What is between the pyramid and its finest level in EFPN, if anything is.
    pub ftt: Option<FttForm>,
    /// 3×3 convolutions of the RPN's head.
    pub rpn_depth: usize,
    /// What the box head is made of.
    pub box_head: BoxHeadForm,
    /// Width of the box head's fully connected layers.
    pub hidden: usize,
    /// What is looked for in detections, if anything is.
    pub instances: Option<InstancesForm>,
    /// Where boxes start from, level by level.
    pub anchors: AnchorLayout,
    /// Number of the finest level: 2 for P2.
    pub first_level: usize,
    /// Levels that RoIs are cropped from, the finest ones.
    pub roi_levels: usize,
    /// What RoIs take for pixels of the network's input between the cells of the finest.
    pub roi_stride: usize,
    /// Anchors of each level that proposals are made of.
    pub proposals_per_level: usize,
    /// Logit that an anchor of which a proposal is made has at least.
    pub min_logit: f32,
    /// Side of the boxes that belong to P4, in pixels of the resized picture.
    pub canonical_size: f32,
    /// Whose arithmetic of boxes it follows.
    pub rules: Rules,
    /// Classes, background included.
    pub classes: usize,
}

/// What is looked for in detections.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum InstancesForm {
    /// A mask of 28×28 pixels, by convolutions with batch norms where their `eps` is given.
    Masks {
        /// `eps` of the batch norms.
        norm_eps: Option<f64>,
    },
    /// So many keypoints.
    Keypoints(usize),
}

impl FasterRcnnConfig {
    /// The model with unloaded weights.
    pub fn model(&self, device: &Device) -> Model {
        Model::FasterRcnn(FasterRcnn::new(self, device))
    }

    /// torchvision's on a ResNet. The `eps` of batch norms is 1e-5, but 0 for its COCO checkpoints.
    pub fn torchvision(depth: Depth, config: &ModelConfig) -> Self {
        let architecture = config.architecture;
        Self {
            body: BottomUpConfig::ResNet(ResNetConfig::torchvision(depth, config.bn_eps)),
            pyramid: PyramidConfig {
                channels: 256,
                norm_eps: None,
                coarser: CoarserLevels::Pool,
            },
            ftt: None,
            rpn_depth: 1,
            box_head: BoxHeadForm::Layers,
            hidden: 1024,
            instances: None,
            anchors: config.anchors(),
            first_level: architecture.first_level(),
            roi_levels: 4,
            roi_stride: 4,
            proposals_per_level: architecture.specification().proposals_per_level,
            min_logit: f32::MIN,
            canonical_size: 224.0,
            rules: architecture.rules(),
            classes: config.classes,
        }
    }

    /// torchvision's second version: batch norms in pyramid and heads, a deeper RPN, a box head of convolutions.
    pub fn second_version(config: &ModelConfig) -> Self {
        let bn_eps = config.bn_eps;
        let first = Self::torchvision(Depth::R50, config);
        Self {
            pyramid: PyramidConfig {
                norm_eps: Some(bn_eps),
                ..first.pyramid
            },
            rpn_depth: 2,
            box_head: BoxHeadForm::Convs { bn_eps },
            ..first
        }
    }

    /// torchvision's on MobileNetV3-Large. Both maps of that have the same stride, and RoIs are always
    /// cropped from the first: no level has another scale.
    pub fn mobilenet(config: &ModelConfig) -> Self {
        Self {
            body: BottomUpConfig::MobileNetV3 {
                bn_eps: config.bn_eps,
            },
            roi_levels: 1,
            roi_stride: 32,
            min_logit: logit(0.05),
            ..Self::torchvision(Depth::R50, config)
        }
    }

    /// `pyramid_tiny`: for pictures of some 400 pixels, where things are half as large as in
    /// torchvision's 800, and for integrated GPUs and browsers. 1.9 million parameters.
    pub fn tiny(config: &ModelConfig) -> Self {
        let first = Self::torchvision(Depth::R18, config);
        Self {
            body: BottomUpConfig::ResNet(Self::tiny_body(config)),
            pyramid: PyramidConfig {
                channels: 48,
                ..first.pyramid
            },
            hidden: 224,
            // Half of torchvision's would be 112. Finer levels tell shapes better than these slim coarse ones.
            canonical_size: 160.0,
            ..first
        }
    }

    /// Its bottom-up network.
    pub fn tiny_body(config: &ModelConfig) -> ResNetConfig {
        ResNetConfig {
            stem_kernel: 3,
            stem: 16,
            stages: [(1, 24), (2, 48), (2, 96), (2, 160), (0, 0)].map(|(blocks, output)| {
                match blocks {
                    0 => ResNetStage::None,
                    _ => ResNetStage::Basic { blocks, output },
                }
            }),
            ..ResNetConfig::torchvision(Depth::R18, config.bn_eps)
        }
    }
}

/// What the sigmoid is that probability of.
fn logit(probability: f64) -> f32 {
    (probability / (1.0 - probability)).ln() as f32
}
