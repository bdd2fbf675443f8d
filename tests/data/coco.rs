//! COCO's instances.

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
    let cases: [(Change, &str); 5] = [
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
    let other = folder(|json| *json = json!({"images": []}));
    other.assert_problem(
        SPEC,
        "a.json holds no COCO instances: missing field `annotations`",
    );
    other.assert_problem("coco:{}/b.json:{}", "b.json cannot be read: ");
}
