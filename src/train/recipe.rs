//! What each system learns from, and how it is weighed.

use super::assign::Thresholds;
use super::losses::SmoothL1;
use crate::models::Rules;

/// What is learnt from, and how it is weighed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossOptions {
    /// Whose arithmetic of boxes it is.
    pub rules: Rules,
    /// Which anchors are objects.
    pub anchor_thresholds: Thresholds,
    /// Whether nothing is learnt from anchors that reach out of their picture.
    pub are_anchors_inside: bool,
    /// Anchors that the RPN learns from, a picture.
    pub anchors: usize,
    /// At most this share of them objects.
    pub anchor_foreground: f32,
    /// Anchors of each level that proposals are made of.
    pub proposals_per_level: usize,
    /// Proposals that RoIs are chosen from, a picture.
    pub proposals: usize,
    /// Which proposals are objects.
    pub roi_thresholds: Thresholds,
    /// RoIs that the box head learns from, a picture.
    pub rois: usize,
    /// At most this share of them objects.
    pub roi_foreground: f32,
    /// Whether RoIs are drawn again until there are as many.
    pub are_rois_redrawn: bool,
    /// What the RPN's losses are means over.
    pub rpn_mean: RpnMean,
    /// The loss of the RPN's deltas.
    pub rpn_box_loss: SmoothL1,
    /// The loss of the box head's deltas.
    pub roi_box_loss: SmoothL1,
}

/// What the RPN's losses are means over. (That of the deltas, of which only objects have some, is divided by the
/// same number.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RpnMean {
    /// The anchors chosen in all pictures.
    Chosen,
    /// As many as are asked for, of every picture, even where there are fewer.
    Asked,
    /// Of objectness the chosen ones; of deltas each picture's own, and then the pictures.
    Pictures,
}

/// How much of a picture is learnt from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amounts {
    /// Anchors, a picture.
    pub anchors: usize,
    /// Proposals that RoIs are chosen from, a picture.
    pub proposals: usize,
    /// RoIs, a picture.
    pub rois: usize,
}

impl LossOptions {
    /// Those of a model that follows these rules.
    pub fn of(rules: Rules, amounts: Amounts) -> Self {
        match rules {
            Rules::Torchvision => Self::torchvision(amounts),
            Rules::Detectron2 => Self::detectron2(amounts),
            Rules::Legacy => Self::legacy(amounts),
        }
    }

    /// torchvision's.
    pub fn torchvision(amounts: Amounts) -> Self {
        let Amounts {
            anchors,
            proposals,
            rois,
        } = amounts;
        Self {
            rules: Rules::Torchvision,
            anchor_thresholds: Thresholds {
                foreground: 0.7,
                background: 0.3,
                best_counts: true,
            },
            are_anchors_inside: false,
            anchors,
            anchor_foreground: 0.5,
            proposals_per_level: proposals,
            proposals,
            roi_thresholds: Thresholds {
                foreground: 0.5,
                background: 0.5,
                best_counts: false,
            },
            rois,
            roi_foreground: 0.25,
            are_rois_redrawn: false,
            rpn_mean: RpnMean::Chosen,
            rpn_box_loss: SmoothL1::torchvision(),
            roi_box_loss: SmoothL1::torchvision(),
        }
    }

    /// detectron2's: L1 of deltas, and the RPN's losses divided by as many anchors as are asked for.
    pub fn detectron2(amounts: Amounts) -> Self {
        Self {
            rules: Rules::Detectron2,
            proposals_per_level: 2 * amounts.proposals,
            rpn_mean: RpnMean::Asked,
            rpn_box_loss: SmoothL1::L1,
            roi_box_loss: SmoothL1::L1,
            ..Self::torchvision(amounts)
        }
    }

    /// The first Faster R-CNN's, as faster-rcnn.pytorch has them.
    pub fn legacy(amounts: Amounts) -> Self {
        Self {
            rules: Rules::Legacy,
            are_anchors_inside: true,
            proposals_per_level: 6 * amounts.proposals,
            are_rois_redrawn: true,
            rpn_mean: RpnMean::Pictures,
            rpn_box_loss: SmoothL1::of_sigma(3.0),
            roi_box_loss: SmoothL1::of_sigma(1.0),
            ..Self::torchvision(amounts)
        }
    }
}

/// Whether weight decay applies to the parameter at a path: detectron2 leaves norms out, the first Faster R-CNN
/// biases.
pub fn decays(rules: Rules, path: &str) -> bool {
    let is_norm = |part: &str| part.starts_with("bn") || part.starts_with("norm");
    match rules {
        Rules::Torchvision => true,
        Rules::Detectron2 => !path.split('.').any(is_norm),
        Rules::Legacy => !path.ends_with(".bias"),
    }
}
