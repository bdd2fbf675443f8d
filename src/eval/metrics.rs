//! The figures, and how they are made of curves.

use serde::Serialize;

use super::coco::{Curves, Size};

/// All figures, each from 0 to 1; none where there is nothing that they could be of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Metrics {
    /// COCO's AP: the mean over classes and over overlaps of 0.50, 0.55, …, 0.95.
    pub ap: Option<f64>,
    /// AP at an overlap of 0.5.
    pub ap50: Option<f64>,
    /// AP at an overlap of 0.75.
    pub ap75: Option<f64>,
    /// AP of objects up to 32² square pixels.
    pub ap_small: Option<f64>,
    /// AP of objects from 32² to 96² square pixels.
    pub ap_medium: Option<f64>,
    /// AP of objects from 96² square pixels.
    pub ap_large: Option<f64>,
    /// Mean recall over classes and overlaps with at most 100 detections a picture and class.
    pub ar100: Option<f64>,
    /// Pascal VOC's AP at an overlap of 0.5, the mean over classes.
    pub voc_ap50: Option<f64>,
    /// The figures by boxes for each class.
    pub classes: Vec<ClassMetrics>,
    /// COCO's figures by masks, where pictures with masks were added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segm: Option<ShapeMetrics>,
    /// COCO's figures by keypoints, where pictures with keypoints were added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keypoints: Option<ShapeMetrics>,
}

/// The figures of one class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassMetrics {
    /// Its name.
    pub name: String,
    /// Objects of it, crowds and difficult ones left out.
    pub objects: usize,
    /// COCO's AP.
    pub ap: Option<f64>,
    /// AP at an overlap of 0.5.
    pub ap50: Option<f64>,
    /// Pascal VOC's AP at an overlap of 0.5.
    pub voc_ap50: Option<f64>,
}

/// COCO's figures by masks, whose overlap is that of their pixels, or by keypoints, whose overlap is object
/// keypoint similarity. Each from 0 to 1; none where there is nothing that they could be of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ShapeMetrics {
    /// AP: the mean over classes and over overlaps of 0.50, 0.55, …, 0.95.
    pub ap: Option<f64>,
    /// AP at an overlap of 0.5.
    pub ap50: Option<f64>,
    /// AP at an overlap of 0.75.
    pub ap75: Option<f64>,
    /// AP of objects up to 32² square pixels; none by keypoints, which COCO does not label in them.
    pub ap_small: Option<f64>,
    /// AP of objects from 32² to 96² square pixels.
    pub ap_medium: Option<f64>,
    /// AP of objects from 96² square pixels.
    pub ap_large: Option<f64>,
    /// Mean recall over classes and overlaps with at most 100 detections a picture and class, by keypoints 20.
    pub ar: Option<f64>,
    /// The figures of each class.
    pub classes: Vec<ShapeClassMetrics>,
}

/// The figures of one class by masks or keypoints.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ShapeClassMetrics {
    /// Its name.
    pub name: String,
    /// Objects of it, less those that need not be found.
    pub objects: usize,
    /// AP.
    pub ap: Option<f64>,
    /// AP at an overlap of 0.5.
    pub ap50: Option<f64>,
}

impl Metrics {
    /// By boxes: of each class its curves and VOC's AP50.
    pub(super) fn by_boxes(names: &[String], curves: &[Curves], voc: &[Option<f64>]) -> Self {
        let mean_of = |figure: fn(&Curves) -> Option<f64>| mean(curves.iter().map(figure));
        let classes = names.iter().zip(curves).zip(voc);
        Self {
            ap: mean_of(|curves| curves.ap(Size::All)),
            ap50: mean_of(|curves| curves.ap_at(0)),
            ap75: mean_of(|curves| curves.ap_at(5)),
            ap_small: mean_of(|curves| curves.ap(Size::Small)),
            ap_medium: mean_of(|curves| curves.ap(Size::Medium)),
            ap_large: mean_of(|curves| curves.ap(Size::Large)),
            ar100: mean_of(Curves::recall),
            voc_ap50: mean(voc.iter().copied()),
            classes: classes
                .map(|((name, curves), &voc_ap50)| ClassMetrics {
                    name: name.clone(),
                    objects: curves.objects(),
                    ap: curves.ap(Size::All),
                    ap50: curves.ap_at(0),
                    voc_ap50,
                })
                .collect(),
            segm: None,
            keypoints: None,
        }
    }
}

impl ShapeMetrics {
    /// Of the curves of each class.
    pub(super) fn of(names: &[String], curves: &[Curves]) -> Self {
        let mean_of = |figure: fn(&Curves) -> Option<f64>| mean(curves.iter().map(figure));
        Self {
            ap: mean_of(|curves| curves.ap(Size::All)),
            ap50: mean_of(|curves| curves.ap_at(0)),
            ap75: mean_of(|curves| curves.ap_at(5)),
            ap_small: mean_of(|curves| curves.ap(Size::Small)),
            ap_medium: mean_of(|curves| curves.ap(Size::Medium)),
            ap_large: mean_of(|curves| curves.ap(Size::Large)),
            ar: mean_of(Curves::recall),
            classes: names
                .iter()
                .zip(curves)
                .map(|(name, curves)| ShapeClassMetrics {
                    name: name.clone(),
                    objects: curves.objects(),
                    ap: curves.ap(Size::All),
                    ap50: curves.ap_at(0),
                })
                .collect(),
        }
    }
}

/// The mean of those there are.
fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let values: Vec<f64> = values.flatten().collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
