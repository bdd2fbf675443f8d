//! COCO's instances.

use fpn_wgpu::data::open;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::Folder;

fn instances() -> Value {
    json!({
        "info": {"year": 2017},
        "images": [
            {"id": 9, "file_name": "a.png", "width": 40, "height": 30, "license": 1},
            {"id": 4, "file_name": "b.png", "width": 20, "height": 50},
        ],
        "annotations": [
            {"id": 1, "image_id": 4, "category_id": 7, "bbox": [1.5, 2.0, 10.0, 20.5],
             "area": 99.5, "iscrowd": 0, "segmentation": []},
            {"id": 2, "image_id": 9, "category_id": 3, "bbox": [0, 0, 40, 30], "iscrowd": 1},
        ],
        "categories": [{"id": 7, "name": "cat"}, {"id": 3, "name": "dog"}],
    })
}

/// The pictures, and the instances changed.
fn folder(change: impl FnOnce(&mut Value)) -> Folder {
    let folder = Folder::new();
    folder.picture("images/a.png", 40, 30);
    folder.picture("images/b.png", 20, 50);
    let mut instances = instances();
    change(&mut instances);
    folder.write("a.json", &instances.to_string());
    folder
}

const SPEC: &str = "coco:{}/a.json:{}/images";

#[test]
fn instances_are_read() {
    let folder = folder(|_| ());
    let set = folder.open(SPEC);
    assert_eq!(set.class_names(), ["background", "dog", "cat"]);
    assert_eq!(set.len(), 2);
    let crowd = set.example(0).expect("it is there").objects[0];
    assert_eq!((crowd.label, crowd.crowd, crowd.area), (1, true, 1200.0));
    // A crowd is nothing to learn from.
    assert_eq!([set.has_objects(0), set.has_objects(1)], [false, true]);
    let object = set.example(1).expect("it is there").objects[0];
    assert_eq!((object.label, object.crowd, object.area), (2, false, 99.5));
    assert_eq!(object.bbox, [1.5, 2.0, 11.5, 22.5]);
    assert_eq!(set.size(1), [50, 20]);
    assert_eq!(folder.problems(SPEC), ("none".to_owned(), Vec::new()));
}

#[test]
fn what_does_not_fit_together_is_told() {
    type Change = fn(&mut Value);
    let cases: [(Change, &str); 8] = [
        (
            |json| json["annotations"][0]["image_id"] = 5.into(),
            "a.json: annotation 1 is of image 5, which is not listed",
        ),
        (
            |json| json["annotations"][0]["category_id"] = 5.into(),
            "a.json: annotation 1 is of category 5, which is not listed",
        ),
        (
            |json| json["annotations"][0]["bbox"] = json!([1, 1, 30, 5]),
            "a.json: annotation 1 has the box 1, 1, 30 wide and 5 high, which is not in a picture of 20 × 50 pixels",
        ),
        (
            |json| json["annotations"][0]["bbox"] = json!([1, 1, 0, 5]),
            "a.json: annotation 1 has the box 1, 1, 0 wide and 5 high, which is not in a picture of 20 × 50 pixels",
        ),
        (
            |json| json["images"][1]["id"] = 9.into(),
            "a.json has image 9 twice",
        ),
        (
            |json| json["annotations"][1]["id"] = 1.into(),
            "a.json has annotation 1 twice",
        ),
        (
            |json| json["categories"][1]["id"] = 7.into(),
            "a.json has category 7 twice",
        ),
        (
            |json| json["categories"][0]["name"] = "background".into(),
            "a.json: annotation 1 is 'background', expected one of dog",
        ),
    ];
    for (change, sentence) in cases {
        let (error, problems) = folder(change).problems(SPEC);
        assert!(error.starts_with(sentence), "{error}");
        assert_eq!(problems[0], sentence);
    }
}

#[test]
fn files_that_cannot_be_used_are_told() {
    let missing = folder(|json| json["images"][0]["file_name"] = "c.png".into());
    // Once, and nothing of its annotations.
    missing.assert_problem(SPEC, "images/c.png is missing");
    let empty = folder(|json| *json = json!({"images": [], "annotations": [], "categories": []}));
    let (error, problems) = empty.problems("scenes:1:1+coco:{}/a.json:{}/images");
    assert!(error.ends_with(" has no pictures"), "{error}");
    assert_eq!(problems, [error]);
    let other = folder(|json| *json = json!({"images": []}));
    other.assert_problem(
        SPEC,
        "a.json holds no COCO instances: missing field `annotations`",
    );
    other.assert_problem("coco:{}/b.json:{}", "b.json cannot be read: ");
}

#[test]
fn categories_of_one_name_are_one_class() {
    let folder = folder(|json| json["categories"][1]["name"] = "cat".into());
    let set = folder.open(SPEC);
    assert_eq!(set.class_names(), ["background", "cat"]);
    let label = |index| set.example(index).expect("it is there").objects[0].label;
    assert_eq!([label(0), label(1)], [1, 1]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Quarters of pixels, so that sums are exact.
    #[test]
    fn a_box_is_its_corner_and_its_sides(left in 0..79u16, top in 0..199u16, wide in 1..80u16, high in 1..200u16) {
        let [x, y, width, height] = [left, top, wide, high].map(|quarters| f32::from(quarters) / 4.0);
        let folder = folder(|json| json["annotations"][0]["bbox"] = json!([x, y, width, height]));
        let fits = x + width <= 21.0 && y + height <= 51.0;
        let opened = open(&folder.spec(SPEC));
        prop_assert_eq!(opened.is_ok(), fits);
        if let Ok(set) = opened {
            let bbox = set.example(1).expect("it is there").objects[0].bbox;
            prop_assert_eq!(bbox, [x, y, (x + width).min(20.0), (y + height).min(50.0)]);
        }
    }
}
