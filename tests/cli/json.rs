//! The two formats for machines.

use serde_json::{Value, json};

use crate::folder::Folder;

fn keys(value: &Value) -> Vec<&str> {
    let map = value.as_object().expect("an object");
    map.keys().map(String::as_str).collect()
}

/// The four sides of a box.
fn numbers(value: &Value) -> [f64; 4] {
    [0, 1, 2, 3].map(|side| value[side].as_f64().expect("a number"))
}

#[test]
fn the_report_has_its_fields_and_no_others() {
    let folder = Folder::new();
    folder.picture("a.png", 96, 64);
    let report = folder.report("a.png");
    assert_eq!(keys(&report), ["device", "images", "model"]);
    assert_eq!(report["model"], "retinaface_mobilenet025");
    assert_eq!(report["device"], "cpu");

    let image = &report["images"][0];
    assert_eq!(keys(image), ["detections", "file", "height", "width"]);
    assert_eq!(image["file"], "a.png");
    assert_eq!([&image["width"], &image["height"]], [96, 64]);

    let detections = image["detections"].as_array().expect("a list");
    assert!(!detections.is_empty());
    for detection in detections {
        let fields = ["box", "label", "landmarks", "level", "name", "score"];
        assert_eq!(keys(detection), fields);
        let numbers = detection["box"].as_array().expect("a list");
        assert!(numbers.len() == 4 && numbers.iter().all(Value::is_number));
        let landmarks = detection["landmarks"].as_array().expect("a list");
        let points = landmarks.iter().map(|point| point.as_array().map(Vec::len));
        assert!(points.eq([Some(2); 5]));
        assert_eq!(detection["label"], 1);
        assert_eq!(detection["name"], "face");
        let score = detection["score"].as_f64().expect("a number");
        assert!((0.5..=1.0).contains(&score));
        let level = detection["level"].as_u64().expect("a whole number");
        assert!((3..=5).contains(&level));
    }
    let scores = detections.iter().map(|d| d["score"].as_f64());
    assert!(scores.rev().is_sorted(), "best first");
}

#[test]
fn the_file_holds_what_standard_output_would() {
    let folder = Folder::new();
    folder.picture("a.png", 96, 64);
    folder.picture("b.png", 64, 96);
    let printed = folder.detect("a.png b.png --json -").assert().success();
    folder
        .detect("a.png b.png --json out.json")
        .assert()
        .success();
    assert_eq!(folder.read("out.json"), printed.get_output().stdout);
}

/// https://cocodataset.org/#format-results
#[test]
fn coco_results_are_a_list_of_boxes_by_corner_and_size() {
    let folder = Folder::new();
    // COCO's own names are numbers.
    folder.picture("000000000139.png", 96, 64);
    folder.picture("street.png", 64, 96);
    let report = folder.report("000000000139.png street.png --coco coco.json");
    let found: Vec<Value> =
        serde_json::from_slice(&folder.read("coco.json")).expect("a list in JSON");

    let mut found = found.iter();
    for (image, id) in [(0, json!(139)), (1, json!("street"))] {
        let detections = report["images"][image]["detections"].as_array();
        for detection in detections.expect("a list") {
            let result = found.next().expect("a result for each detection");
            assert_eq!(keys(result), ["bbox", "category_id", "image_id", "score"]);
            assert_eq!(result["image_id"], id);
            assert_eq!(result["category_id"], 1);
            assert_eq!(result["score"], detection["score"]);
            let [x1, y1, x2, y2] = numbers(&detection["box"]);
            let sides = numbers(&result["bbox"])
                .into_iter()
                .zip([x1, y1, x2 - x1, y2 - y1]);
            for (found, expected) in sides {
                assert!((found - expected).abs() < 1e-3, "{result} for {detection}");
            }
        }
    }
    assert_eq!(found.next(), None);
}
