//! Average precision: pycocotools' figures on a made-up set (`goldens/coco.py`), and what must hold of
//! any.
#![cfg(feature = "train")]

use fpn_wgpu::data::Object;
use fpn_wgpu::eval::{Evaluation, Found, Metrics};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    class_names: Vec<String>,
    pictures: Vec<Picture>,
    /// pycocotools' twelve figures.
    stats: [f64; 12],
    classes: Vec<Class>,
}

#[derive(Deserialize)]
struct Picture {
    /// Corners, label, area, crowd, difficult.
    objects: Vec<(f32, f32, f32, f32, usize, f32, bool, bool)>,
    /// Corners, label, score.
    found: Vec<(f32, f32, f32, f32, usize, f32)>,
}

impl Picture {
    fn objects(&self) -> Vec<Object> {
        let objects = self.objects.iter();
        let objects = objects.map(|&(x1, y1, x2, y2, label, area, crowd, difficult)| Object {
            bbox: [x1, y1, x2, y2],
            label,
            area,
            crowd,
            difficult,
        });
        objects.collect()
    }
}

/// -1 stands for none.
#[derive(Deserialize)]
struct Class {
    ap: f64,
    ap50: f64,
    voc_ap50: f64,
}

/// The class that has the same object twice.
const TIED: usize = 3;

fn golden() -> Golden {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goldens/coco.json");
    let text = std::fs::read_to_string(path).expect("the golden can be read");
    serde_json::from_str(&text).expect("the golden is sound")
}

fn evaluation(golden: &Golden) -> Evaluation {
    let mut evaluation = Evaluation::new(&golden.class_names);
    for picture in &golden.pictures {
        let found = picture.found.iter();
        let found = found.map(|&(x1, y1, x2, y2, label, score)| Found {
            bbox: [x1, y1, x2, y2],
            score,
            label,
        });
        evaluation.add(picture.objects(), found.collect());
    }
    evaluation
}

#[track_caller]
fn assert_figure(name: &str, found: Option<f64>, expected: f64) {
    let found = found.unwrap_or(-1.0);
    assert!(
        (found - expected).abs() < 1e-9,
        "{name}: {found}, not {expected}"
    );
}

#[test]
fn figures_are_those_of_pycocotools_and_the_voc_development_kit() {
    let golden = golden();
    let metrics = evaluation(&golden).metrics();
    let [ap, ap50, ap75, small, medium, large, _, _, ar100, ..] = golden.stats;
    assert_figure("AP", metrics.ap, ap);
    assert_figure("AP50", metrics.ap50, ap50);
    assert_figure("AP75", metrics.ap75, ap75);
    assert_figure("AP small", metrics.ap_small, small);
    assert_figure("AP medium", metrics.ap_medium, medium);
    assert_figure("AP large", metrics.ap_large, large);
    assert_figure("AR100", metrics.ar100, ar100);

    let voc: Vec<f64> = golden.classes.iter().map(|class| class.voc_ap50).collect();
    let voc: Vec<f64> = voc.into_iter().filter(|&ap| ap >= 0.0).collect();
    let mean = voc.iter().sum::<f64>() / voc.len() as f64;
    assert_figure("VOC AP50", metrics.voc_ap50, mean);

    assert_eq!(metrics.classes.len(), golden.classes.len());
    for (label, (class, expected)) in metrics.classes.iter().zip(&golden.classes).enumerate() {
        let name = &class.name;
        assert_eq!(*name, golden.class_names[label + 1]);
        assert_figure(&format!("{name}, AP"), class.ap, expected.ap);
        assert_figure(&format!("{name}, AP50"), class.ap50, expected.ap50);
        assert_figure(&format!("{name}, VOC"), class.voc_ap50, expected.voc_ap50);
        let objects = golden.pictures.iter().flat_map(|picture| &picture.objects);
        let objects = objects.filter(|object| object.4 == label + 1 && !object.6);
        assert_eq!(class.objects, objects.count(), "{name}");
    }
}

const SQUARE: Object = Object {
    bbox: [10.0, 10.0, 50.0, 50.0],
    label: 1,
    area: 1600.0,
    crowd: false,
    difficult: false,
};

fn found_of(object: &Object, score: f32) -> Found {
    Found {
        bbox: object.bbox,
        score,
        label: object.label,
    }
}

/// Of pictures with cats (1) and dogs (2).
fn metrics(pictures: &[(&[Object], &[Found])]) -> Metrics {
    let names = ["background", "cat", "dog"].map(str::to_owned);
    let mut evaluation = Evaluation::new(&names);
    for (objects, found) in pictures {
        evaluation.add(objects.to_vec(), found.to_vec());
    }
    evaluation.metrics()
}

fn all(metrics: &Metrics) -> Vec<Option<f64>> {
    let Metrics {
        ap,
        ap50,
        ap75,
        ap_small,
        ap_medium,
        ap_large,
        ar100,
        voc_ap50,
        classes,
    } = metrics;
    let mut all = vec![
        *ap, *ap50, *ap75, *ap_small, *ap_medium, *ap_large, *ar100, *voc_ap50,
    ];
    all.extend(classes.iter().flat_map(|c| [c.ap, c.ap50, c.voc_ap50]));
    all
}

#[test]
fn finding_all_and_nothing_else_is_one_whatever_the_scores() {
    let golden = golden();
    let mut evaluation = Evaluation::new(&golden.class_names);
    for (index, picture) in golden.pictures.iter().enumerate() {
        // VOC's kit gives both detections of the same object twice to the first.
        let mut objects = picture.objects();
        objects.retain(|object| object.label != TIED);
        let found = objects.iter().enumerate();
        let score = |place| ((index * 7 + place * 3) % 11) as f32 / 11.0;
        let found = found.map(|(place, object)| found_of(object, score(place)));
        let found = found.collect();
        evaluation.add(objects, found);
    }
    let metrics = evaluation.metrics();
    // Rounding in precision is numpy's too: a hit of one is 1 / (1 + ε).
    for figure in all(&metrics).into_iter().flatten() {
        assert!((figure - 1.0).abs() < 1e-9, "{metrics:?}");
    }
    assert!(metrics.ap_small.is_some() && metrics.ap_large.is_some());
}

#[test]
fn finding_nothing_is_zero() {
    let golden = golden();
    let mut evaluation = evaluation(&Golden {
        pictures: Vec::new(),
        ..golden
    });
    for label in 1..4 {
        for side in [20.0, 60.0, 200.0] {
            let object = Object {
                bbox: [0.0, 0.0, side, side],
                label,
                area: side * side,
                ..SQUARE
            };
            evaluation.add(vec![object], Vec::new());
        }
    }
    let metrics = evaluation.metrics();
    assert_eq!(all(&metrics)[..8], [Some(0.0); 8]);
    for class in &metrics.classes[..3] {
        assert_eq!((class.objects, class.ap), (3, Some(0.0)));
    }
}

#[test]
fn without_objects_there_are_no_figures() {
    let nothing = metrics(&[]);
    assert!(all(&nothing).iter().all(Option::is_none));
    let empty = metrics(&[(&[], &[]), (&[], &[])]);
    assert_eq!(empty, nothing);
    let imagined = metrics(&[(&[], &[found_of(&SQUARE, 0.9)])]);
    assert_eq!(imagined, nothing);
}

#[test]
fn classes_without_objects_do_not_lower_the_mean() {
    let dog = Object { label: 2, ..SQUARE };
    let metrics = metrics(&[(&[SQUARE], &[found_of(&SQUARE, 0.5), found_of(&dog, 0.9)])]);
    assert_eq!(metrics.voc_ap50, Some(1.0));
    assert_figure("AP", metrics.ap, 1.0);
    assert_eq!(metrics.classes[1].ap, None);
    assert_eq!(metrics.classes[1].objects, 0);
}

#[test]
fn crowds_are_not_asked_for_and_excuse_what_is_in_them() {
    let crowd = Object {
        bbox: [0.0, 0.0, 300.0, 300.0],
        area: 90_000.0,
        crowd: true,
        ..SQUARE
    };
    let alone = metrics(&[(&[crowd], &[found_of(&crowd, 0.9), found_of(&SQUARE, 0.8)])]);
    assert!(all(&alone).iter().all(Option::is_none));
    assert_eq!(alone.classes[0].objects, 0);

    // As COCO has it, any number of detections within a crowd; as VOC's overlap has it, those that are
    // about as large.
    let far = Object {
        bbox: [400.0, 400.0, 440.0, 440.0],
        ..SQUARE
    };
    let seen = [
        found_of(&crowd, 0.9),
        found_of(&SQUARE, 0.8),
        found_of(&far, 0.5),
    ];
    let beside = metrics(&[(&[crowd, far], &seen)]);
    assert_figure("AP", beside.ap, 1.0);
    assert_figure("VOC AP50", beside.voc_ap50, 0.5);
}

#[test]
fn voc_does_not_ask_for_difficult_objects_but_coco_does() {
    let difficult = Object {
        difficult: true,
        ..SQUARE
    };
    let far = Object {
        bbox: [100.0, 100.0, 140.0, 140.0],
        ..SQUARE
    };
    let alone = metrics(&[(&[difficult], &[found_of(&difficult, 0.9)])]);
    assert_eq!(alone.voc_ap50, None);
    assert_figure("AP", alone.ap, 1.0);
    assert_eq!(alone.classes[0].objects, 1);

    let missed = metrics(&[(&[difficult, far], &[found_of(&far, 0.9)])]);
    assert_eq!(missed.voc_ap50, Some(1.0));
    // Precision 1 up to a recall of one half: 51 of 101.
    assert_figure("AP", missed.ap, 51.0 / 101.0);

    // Found twice, a difficult object still counts neither way.
    let seen = [
        found_of(&difficult, 0.9),
        found_of(&difficult, 0.8),
        found_of(&far, 0.5),
    ];
    let twice = metrics(&[(&[difficult, far], &seen)]);
    assert_eq!(twice.voc_ap50, Some(1.0));
}

#[test]
fn an_object_found_twice_is_found_once() {
    let twice = [found_of(&SQUARE, 0.5), found_of(&SQUARE, 0.9)];
    let far = Object {
        bbox: [100.0, 100.0, 140.0, 140.0],
        ..SQUARE
    };
    let metrics = metrics(&[(&[SQUARE, far], &[twice[0], twice[1], found_of(&far, 0.1)])]);
    // Recall 1/2 at precision 1, recall 1 at precision 2/3.
    assert_figure("VOC AP50", metrics.voc_ap50, 0.5 + 0.5 * 2.0 / 3.0);
    let expected = (51.0 + 50.0 * 2.0 / 3.0) / 101.0;
    assert_figure("AP50", metrics.ap50, expected);
    assert_figure("AR100", metrics.ar100, 1.0);
}

#[test]
fn boxes_without_area_match_nothing() {
    let point = Object {
        bbox: [20.0, 20.0, 20.0, 20.0],
        area: 0.0,
        ..SQUARE
    };
    let seen = [found_of(&point, 0.9), found_of(&SQUARE, 0.8)];
    for objects in [[point, SQUARE], [SQUARE, point]] {
        let metrics = metrics(&[(&objects, &seen)]);
        // One wrong, then one of two.
        assert_figure("VOC AP50", metrics.voc_ap50, 0.25);
        assert_figure("AP50", metrics.ap50, 0.5 * 51.0 / 101.0);
    }
}
