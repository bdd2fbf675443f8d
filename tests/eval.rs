//! Average precision: the values of pycocotools and of VOC's development kit, and what must hold for
//! any detections.
#![cfg(feature = "train")]

use fpn_wgpu::boxes::iou;
use fpn_wgpu::data::{Keypoints, Object};
use fpn_wgpu::eval::{Evaluation, Found, Metrics};
use fpn_wgpu::masks::Rle;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;

/// What `tests/goldens/coco.py` writes.
#[derive(Deserialize)]
struct Golden {
    class_names: Vec<String>,
    pictures: Vec<Picture>,
    metrics: Value,
    segm: Shapes<Masked>,
    keypoints: Shapes<People>,
}

#[derive(Deserialize)]
struct Shapes<T> {
    pictures: Vec<T>,
    metrics: Value,
}

#[derive(Deserialize)]
struct Masked {
    size: [usize; 2],
    objects: Vec<MaskedRow>,
    /// Label, score, runs.
    detections: Vec<(usize, f32, String)>,
}

#[derive(Deserialize)]
struct People {
    objects: Vec<PersonRow>,
    /// Label, score, keypoints.
    detections: Vec<(usize, f32, Vec<f32>)>,
}

#[derive(Deserialize)]
struct Picture {
    objects: Vec<ObjectRow>,
    detections: Vec<FoundRow>,
}

/// Label, corners, area, whether a crowd, whether difficult.
type ObjectRow = (usize, f32, f32, f32, f32, f32, bool, bool);

/// Label, corners, score.
type FoundRow = (usize, f32, f32, f32, f32, f32);

/// Label, area, whether a crowd, whether difficult, runs.
type MaskedRow = (usize, f32, bool, bool, String);

/// Label, corners, area, whether a crowd, how many keypoints are labelled, the keypoints.
type PersonRow = (usize, f32, f32, f32, f32, f32, bool, usize, Vec<f32>);

impl Picture {
    fn objects(&self) -> Vec<Object> {
        let object = |&(label, x1, y1, x2, y2, area, crowd, difficult): &ObjectRow| Object {
            bbox: [x1, y1, x2, y2],
            label,
            area,
            crowd,
            difficult,
        };
        self.objects.iter().map(object).collect()
    }

    fn found(&self) -> Vec<Found> {
        let found = |&(label, x1, y1, x2, y2, score): &FoundRow| Found {
            bbox: [x1, y1, x2, y2],
            label,
            score,
        };
        self.detections.iter().map(found).collect()
    }
}

impl Masked {
    fn mask(&self, runs: &str) -> Rle {
        Rle::from_counts_string(self.size, runs).expect("runs of all pixels")
    }

    fn objects(&self) -> Vec<(Object, Rle)> {
        let objects = self.objects.iter();
        let object = |&(label, area, crowd, difficult, ref runs): &MaskedRow| {
            let object = Object {
                bbox: [0.0; 4],
                label,
                area,
                crowd,
                difficult,
            };
            (object, self.mask(runs))
        };
        objects.map(object).collect()
    }

    fn found(&self) -> Vec<(Found, Rle)> {
        let found = self.detections.iter();
        found
            .map(|(label, score, runs)| (found_somewhere(*label, *score), self.mask(runs)))
            .collect()
    }
}

impl People {
    fn objects(&self) -> Vec<(Object, Option<Keypoints>)> {
        let objects = self.objects.iter();
        objects
            .map(
                |&(label, x1, y1, x2, y2, area, crowd, labelled, ref points)| {
                    let object = Object {
                        bbox: [x1, y1, x2, y2],
                        label,
                        area,
                        crowd,
                        difficult: false,
                    };
                    let points = seventeen(points);
                    (object, Some(Keypoints { points, labelled }))
                },
            )
            .collect()
    }

    fn found(&self) -> Vec<(Found, [[f32; 3]; 17])> {
        let found = self.detections.iter();
        found
            .map(|(label, score, points)| (found_somewhere(*label, *score), seventeen(points)))
            .collect()
    }
}

fn seventeen(numbers: &[f32]) -> [[f32; 3]; 17] {
    let (points, _) = numbers.as_chunks();
    points.try_into().expect("17 keypoints")
}

/// By masks and by keypoints, boxes do not matter.
fn found_somewhere(label: usize, score: f32) -> Found {
    found([0.0; 4], label, score)
}

const FIGURES: [&str; 8] = [
    "ap",
    "ap50",
    "ap75",
    "ap_small",
    "ap_medium",
    "ap_large",
    "ar100",
    "voc_ap50",
];

fn golden() -> Golden {
    serde_json::from_str(include_str!("goldens/coco.json")).expect("the golden file is valid")
}

#[track_caller]
fn assert_same(figures: &[&str], ours: &Value, theirs: &Value, what: &str) {
    for &figure in figures {
        // pycocotools has -1 where there is nothing to measure.
        let ours = ours[figure].as_f64().unwrap_or(-1.0);
        let theirs = theirs[figure].as_f64().expect("a number");
        assert!(
            (ours - theirs).abs() < 1e-12,
            "{figure} of {what}: {ours}, expected {theirs}"
        );
    }
}

#[test]
fn the_figures_are_those_of_pycocotools_and_of_vocs_kit() {
    let golden = golden();
    let mut evaluation = Evaluation::new(&golden.class_names);
    for picture in &golden.pictures {
        evaluation.add(picture.objects(), picture.found());
    }
    let metrics = serde_json::to_value(evaluation.metrics()).expect("metrics are JSON");
    assert_same(&FIGURES, &metrics, &golden.metrics, "all");
    for (label, name) in golden.class_names.iter().enumerate().skip(1) {
        let class = &metrics["classes"][label - 1];
        assert_eq!(class["name"], **name);
        assert_same(
            &["ap", "ap50", "voc_ap50"],
            class,
            &golden.metrics["classes"][label - 1],
            name,
        );
    }
}

/// Of all classes, and of each.
fn assert_shapes_same(figures: &[&str], names: &[String], ours: &Value, theirs: &Value) {
    assert_same(figures, ours, theirs, "all");
    for (index, name) in names[1..].iter().enumerate() {
        let class = &ours["classes"][index];
        assert_eq!(class["name"], **name);
        assert_same(&["ap", "ap50"], class, &theirs["classes"][index], name);
    }
}

#[test]
fn figures_by_masks_are_those_of_pycocotools() {
    let golden = golden();
    let mut evaluation = Evaluation::new(&golden.class_names);
    for picture in &golden.segm.pictures {
        let added = evaluation.add_masks(&picture.objects(), &picture.found());
        assert_eq!(added, Ok(()));
    }
    let metrics = serde_json::to_value(evaluation.metrics()).expect("metrics are JSON");
    let figures = [
        "ap",
        "ap50",
        "ap75",
        "ap_small",
        "ap_medium",
        "ap_large",
        "ar",
    ];
    let theirs = &golden.segm.metrics;
    assert_shapes_same(&figures, &golden.class_names, &metrics["segm"], theirs);
    assert_eq!(metrics["keypoints"], Value::Null);
}

#[test]
fn figures_by_keypoints_are_those_of_pycocotools() {
    let golden = golden();
    let mut evaluation = Evaluation::new(&golden.class_names);
    for picture in &golden.keypoints.pictures {
        evaluation.add_keypoints(&picture.objects(), &picture.found());
    }
    let metrics = serde_json::to_value(evaluation.metrics()).expect("metrics are JSON");
    let figures = ["ap", "ap50", "ap75", "ap_medium", "ap_large", "ar"];
    let theirs = &golden.keypoints.metrics;
    assert_shapes_same(&figures, &golden.class_names, &metrics["keypoints"], theirs);
    assert_eq!(metrics["keypoints"]["ap_small"], Value::Null);
    assert_eq!(metrics.get("segm"), None);
}

#[test]
fn masks_of_another_size_are_refused() {
    let names = ["background", "cat"].map(str::to_owned);
    let mask = |size| Rle::from_counts(size, [0, 6]).expect("runs of all pixels");
    let objects = [(object([0.0; 4], 1), mask([2, 3]))];
    let seen = [(found_somewhere(1, 0.5), mask([3, 2]))];
    let mut evaluation = Evaluation::new(&names);
    assert!(evaluation.add_masks(&objects, &seen).is_err());
    assert_eq!(evaluation.metrics().segm, None);
}

/// Keypoints of nobody are no one to be found; whoever is near does not count.
#[test]
fn people_without_keypoints_count_neither_way() {
    let names = ["background", "person"].map(str::to_owned);
    let known = |x: f32| Keypoints {
        points: [[x, 20.0, 2.0]; 17],
        labelled: 17,
    };
    let [with, without] = [0.0, 200.0].map(|x| object([x, 0.0, x + 40.0, 40.0], 1));
    let objects = [(with, Some(known(20.0))), (without, None)];
    let right = (found_somewhere(1, 0.5), [[20.0, 20.0, 1.0]; 17]);
    let near = (found_somewhere(1, 0.9), [[250.0, 30.0, 1.0]; 17]);
    let far = (found_somewhere(1, 0.9), [[600.0, 30.0, 1.0]; 17]);
    for (others, ap50) in [(vec![near], 1.0), (vec![near, far], 0.5)] {
        let mut evaluation = Evaluation::new(&names);
        evaluation.add_keypoints(&objects, &[others, vec![right]].concat());
        let metrics = evaluation.metrics().keypoints.expect("there are people");
        assert_is(metrics.ap50, ap50);
        assert_eq!(metrics.classes[0].objects, 1);
    }
}

#[test]
fn json_has_null_where_there_is_nothing_to_measure() {
    let names = ["background", "cat"].map(str::to_owned);
    let json = serde_json::to_string(&Evaluation::new(&names).metrics()).expect("metrics are JSON");
    let figures = r#""ap":null,"ap50":null,"ap75":null,"ap_small":null,"ap_medium":null,"ap_large":null,"ar100":null,"voc_ap50":null"#;
    assert_eq!(
        json,
        format!(
            r#"{{{figures},"classes":[{{"name":"cat","objects":0,"ap":null,"ap50":null,"voc_ap50":null}}]}}"#
        )
    );
}

#[test]
fn an_overlap_of_exactly_a_half_is_a_match() {
    let object = object([0.0, 0.0, 40.0, 40.0], 1);
    let half = found([0.0, 0.0, 40.0, 20.0], 1, 0.5);
    let metrics = measure(&[(vec![object], vec![half])]);
    assert_is(metrics.ap50, 1.0);
    assert_is(metrics.ap, 0.1);
    assert_is(metrics.voc_ap50, 1.0);
}

#[test]
fn detections_of_what_is_not_asked_for_count_neither_way() {
    let asked = object([0.0, 0.0, 40.0, 40.0], 1);
    let right = found(asked.bbox, 1, 0.5);
    let difficult = Object {
        difficult: true,
        ..object([100.0, 0.0, 140.0, 40.0], 1)
    };
    let crowd = Object {
        crowd: true,
        ..object([0.0, 100.0, 200.0, 200.0], 1)
    };
    let on_difficult = found(difficult.bbox, 1, 0.9);
    let in_crowd = |x: f32| found([x, 120.0, x + 20.0, 140.0], 1, 0.8);
    let objects = vec![difficult, crowd, asked];

    let metrics = measure(&[(objects.clone(), vec![on_difficult, right])]);
    assert_is(metrics.ap, 1.0);
    assert_is(metrics.voc_ap50, 1.0);
    assert_eq!(metrics.classes[0].objects, 1);

    let metrics = measure(&[(objects, vec![in_crowd(10.0), in_crowd(60.0), right])]);
    assert_is(metrics.ap, 1.0);
}

#[test]
fn a_duplicate_is_wrong() {
    let object = object([0.0, 0.0, 40.0, 40.0], 1);
    let twice = vec![found(object.bbox, 1, 0.9), found(object.bbox, 1, 0.8)];
    let other = (vec![object], vec![found(object.bbox, 1, 0.1)]);
    let metrics = measure(&[(vec![object], twice), other]);
    // Right, wrong, right: precision 1 up to half of the objects, then 2/3. COCO reads it at 51 and
    // 50 recalls.
    assert_is(metrics.voc_ap50, 0.5 + 0.5 * (2.0 / 3.0));
    assert_is(metrics.ap50, (51.0 + 50.0 * 2.0 / 3.0) / 101.0);
    assert_is(metrics.ar100, 1.0);
}

#[test]
fn boxes_without_area_match_nothing() {
    let point = object([20.0, 20.0, 20.0, 20.0], 1);
    let object = object([0.0, 0.0, 40.0, 40.0], 1);
    let seen = vec![found(point.bbox, 1, 0.9), found(object.bbox, 1, 0.8)];
    for objects in [vec![point, object], vec![object, point]] {
        let metrics = measure(&[(objects, seen.clone())]);
        // One wrong, then one of two right.
        assert_is(metrics.voc_ap50, 0.25);
        assert_is(metrics.ap50, 0.5 * 51.0 / 101.0);
    }
}

#[test]
fn labels_without_a_name_do_not_count() {
    let objects = vec![
        object([0.0, 0.0, 40.0, 40.0], 0),
        object([0.0, 0.0, 9.0, 9.0], 7),
    ];
    let found = vec![
        found([0.0, 0.0, 40.0, 40.0], 0, 1.0),
        found([0.0; 4], 9, 1.0),
    ];
    assert_eq!(measure(&[(objects, found)]).ap, None);
}

fn object(bbox: [f32; 4], label: usize) -> Object {
    Object {
        bbox,
        label,
        area: (bbox[2] - bbox[0]) * (bbox[3] - bbox[1]),
        crowd: false,
        difficult: false,
    }
}

fn found(bbox: [f32; 4], label: usize, score: f32) -> Found {
    Found { bbox, label, score }
}

#[track_caller]
fn assert_is(figure: Option<f64>, expected: f64) {
    let figure = figure.expect("there are objects");
    assert!(
        (figure - expected).abs() < 1e-12,
        "{figure}, expected {expected}"
    );
}

/// Over two classes.
fn measure(pictures: &[(Vec<Object>, Vec<Found>)]) -> Metrics {
    let mut evaluation = Evaluation::new(&["background", "one", "two"].map(str::to_owned));
    for (objects, found) in pictures {
        evaluation.add(objects.clone(), found.clone());
    }
    evaluation.metrics()
}

fn figures(metrics: &Metrics) -> [Option<f64>; 8] {
    [
        metrics.ap,
        metrics.ap50,
        metrics.ap75,
        metrics.ap_small,
        metrics.ap_medium,
        metrics.ap_large,
        metrics.ar100,
        metrics.voc_ap50,
    ]
}

prop_compose! {
    fn any_box()(x in 0_u8..200, y in 0_u8..200, width in 1_u8..200, height in 1_u8..200) -> [f32; 4] {
        let [x, y, width, height] = [x, y, width, height].map(f32::from);
        [x, y, x + width, y + height]
    }
}

fn any_objects() -> impl Strategy<Value = Vec<Object>> {
    let object = (any_box(), 1..3_usize).prop_map(|(bbox, label)| object(bbox, label));
    prop::collection::vec(object, 0..8)
}

/// Whether none could be taken for another.
fn are_apart(objects: &[Object]) -> bool {
    let mut pairs = objects.iter().enumerate().flat_map(|(index, one)| {
        let others = objects[index + 1..].iter();
        others.map(move |other| (one, other))
    });
    pairs.all(|(one, other)| one.label != other.label || iou(one.bbox, other.bbox) < 0.5)
}

fn any_found() -> impl Strategy<Value = Vec<Found>> {
    let found = (any_box(), 1..3_usize, 0_u8..9)
        .prop_map(|(bbox, label, score)| found(bbox, label, f32::from(score) / 8.0));
    prop::collection::vec(found, 0..12)
}

proptest! {
    #[test]
    fn perfect_detections_are_perfect(pictures in prop::collection::vec(any_objects(), 1..5)) {
        let apart = pictures.iter().all(|objects| are_apart(objects));
        let perfect: Vec<_> = pictures
            .into_iter()
            .map(|objects| {
                let found = objects.iter().map(|object| found(object.bbox, object.label, 0.5));
                let found = found.collect();
                (objects, found)
            })
            .collect();
        let mut metrics = measure(&perfect);
        if !apart {
            // COCO rather gives an object of another size's detection to one that counts than to its own,
            // which does not: then that one's is too many.
            (metrics.ap_small, metrics.ap_medium, metrics.ap_large) = (None, None, None);
        }
        for figure in figures(&metrics).into_iter().flatten() {
            prop_assert!((figure - 1.0).abs() < 1e-12, "{figure}");
        }
    }

    #[test]
    fn where_nothing_is_found_all_is_zero(objects in any_objects()) {
        for figure in figures(&measure(&[(objects, Vec::new())])).into_iter().flatten() {
            prop_assert_eq!(figure, 0.0);
        }
    }

    /// Only the order of scores matters, not the scores.
    #[test]
    fn figures_stay_in_their_range_and_depend_on_order_alone(
        pictures in prop::collection::vec((any_objects(), any_found()), 1..4),
    ) {
        let metrics = measure(&pictures);
        for figure in figures(&metrics).into_iter().flatten() {
            prop_assert!((0.0..=1.0 + 1e-12).contains(&figure), "{figure}");
        }
        if let (Some(ap), Some(ap50), Some(ap75)) = (metrics.ap, metrics.ap50, metrics.ap75) {
            prop_assert!(ap <= ap50 + 1e-12 && ap75 <= ap50 + 1e-12);
        }
        let mut halved = pictures.clone();
        for found in halved.iter_mut().flat_map(|(_, found)| found) {
            found.score /= 2.0;
        }
        prop_assert_eq!(measure(&halved), metrics);
    }

    #[test]
    fn an_empty_picture_changes_nothing(pictures in prop::collection::vec((any_objects(), any_found()), 1..4)) {
        let mut more = pictures.clone();
        more.insert(1, (Vec::new(), Vec::new()));
        prop_assert_eq!(measure(&more), measure(&pictures));
    }
}
