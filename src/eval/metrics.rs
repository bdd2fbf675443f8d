//! The figures.

use serde::Serialize;

use super::coco::{self, Averages, Size};
use super::voc;

/// How good detections are, 0 to 1: for each figure the mean over the classes that have it, and none
/// where no class does (pycocotools' -1).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Metrics {
    /// COCO's AP: over overlaps of 0.50 to 0.95.
    pub ap: Option<f64>,
    /// AP at an overlap of 0.50.
    pub ap50: Option<f64>,
    /// AP at an overlap of 0.75.
    pub ap75: Option<f64>,
    /// AP of objects of at most 32² square pixels.
    pub ap_small: Option<f64>,
    /// AP of objects from 32² to 96² square pixels.
    pub ap_medium: Option<f64>,
    /// AP of objects of at least 96² square pixels.
    pub ap_large: Option<f64>,
    /// COCO's AR: recall over overlaps of 0.50 to 0.95, of at most 100 detections of a class in a
    /// picture.
    pub ar100: Option<f64>,
    /// VOC's AP: at an overlap of 0.50, the area under the whole curve.
    pub voc_ap50: Option<f64>,
    /// In the order of their labels.
    pub classes: Vec<ClassMetrics>,
}

/// As [`Metrics`], of one class; none where it has no objects.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs)] // as above
pub struct ClassMetrics {
    /// Its name.
    pub name: String,
    /// Objects that are neither crowds nor difficult.
    pub objects: usize,
    pub ap: Option<f64>,
    pub ap50: Option<f64>,
    pub ap75: Option<f64>,
    pub ap_small: Option<f64>,
    pub ap_medium: Option<f64>,
    pub ap_large: Option<f64>,
    pub ar100: Option<f64>,
    pub voc_ap50: Option<f64>,
}

impl Metrics {
    pub(super) fn new(classes: Vec<ClassMetrics>) -> Self {
        let mean = |figure: fn(&ClassMetrics) -> Option<f64>| {
            let figures: Vec<f64> = classes.iter().filter_map(figure).collect();
            let count = figures.len();
            (count > 0).then(|| figures.iter().sum::<f64>() / count as f64)
        };
        Self {
            ap: mean(|class| class.ap),
            ap50: mean(|class| class.ap50),
            ap75: mean(|class| class.ap75),
            ap_small: mean(|class| class.ap_small),
            ap_medium: mean(|class| class.ap_medium),
            ap_large: mean(|class| class.ap_large),
            ar100: mean(|class| class.ar100),
            voc_ap50: mean(|class| class.voc_ap50),
            classes,
        }
    }
}

impl ClassMetrics {
    pub(super) fn new(name: &str, coco: &coco::Tally, voc: &voc::Tally) -> Self {
        let all = coco.averages(Size::All);
        let all = all.as_ref();
        let ap = |size| coco.averages(size).as_ref().map(Averages::ap);
        Self {
            name: name.to_owned(),
            objects: coco.positives(),
            ap: all.map(Averages::ap),
            ap50: all.map(Averages::ap50),
            ap75: all.map(Averages::ap75),
            ap_small: ap(Size::Small),
            ap_medium: ap(Size::Medium),
            ap_large: ap(Size::Large),
            ar100: all.map(Averages::ar),
            voc_ap50: voc.average_precision(),
        }
    }
}
