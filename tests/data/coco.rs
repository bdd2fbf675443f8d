//! COCO's instances.

use fpn_wgpu::data::open;
use fpn_wgpu::masks::Rle;
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

/// Of 10 × 4 pixels in a picture of 20 × 50; as runs, in a column.
fn shapes(json: &mut Value) {
    let square = json!([2, 3, 12, 3, 12, 7, 2, 7]);
    json["annotations"][0]["segmentation"] = json!([square, [0, 0, 1, 0, 1, 1, 0, 1]]);
    json["annotations"][0]["keypoints"] = json!([2.5, 3.5, 2.0].repeat(17));
    json["annotations"][0]["num_keypoints"] = 16.into();
    json["annotations"][1]["segmentation"] = json!({"size": [30, 40], "counts": [30, 60, 1110]});
}

#[test]
fn masks_and_keypoints_are_read() {
    let folder = folder(shapes);
    let set = folder.open(SPEC);
    assert!(set.has_masks() && set.has_keypoints());
    let mask = &set.masks(1).expect("polygons")[0];
    assert_eq!((mask.area(), mask.bbox()), (41, Some([0, 0, 12, 7])));
    let column = Rle::from_counts([30, 40], [30, 60, 1110]).expect("runs");
    assert_eq!(set.masks(0).expect("runs"), std::slice::from_ref(&column));
    let keypoints = set.keypoints(1).expect("17 of them")[0].expect("they are there");
    assert_eq!(
        (keypoints.points[16], keypoints.labelled),
        ([2.5, 3.5, 2.0], 16)
    );
    assert_eq!(set.keypoints(0).expect("none"), [None]);

    // The text of the same runs; keypoints that nobody counted.
    let folder = self::folder(|json| {
        shapes(json);
        json["annotations"][1]["segmentation"]["counts"] = column.to_counts_string().into();
        json["annotations"][0]["num_keypoints"] = Value::Null;
    });
    let set = folder.open(SPEC);
    assert_eq!(set.masks(0).expect("text"), [column]);
    let keypoints = set.keypoints(1).expect("17 of them")[0].expect("they are there");
    assert_eq!(keypoints.labelled, 17);
}

/// Neither is read before it is asked for: what is wrong with it does not matter to who wants boxes.
#[test]
fn a_set_of_boxes_has_no_more() {
    let folder = folder(|_| ());
    let set = folder.open(SPEC);
    assert!(!set.has_masks() && !set.has_keypoints());
    assert!(set.masks(1).expect("none").is_empty());
    assert!(set.keypoints(1).expect("none").is_empty());
    let broken = self::folder(|json| json["annotations"][0]["segmentation"] = json!([[1, 2]]));
    assert_eq!(broken.problems(SPEC), ("none".to_owned(), Vec::new()));
}

#[test]
fn broken_masks_and_keypoints_are_told() {
    type Change = fn(&mut Value);
    let masks: [(Change, &str); 7] = [
        (
            |json| json["annotations"][0]["segmentation"] = json!([[1, 2, 3, 4]]),
            "has a mask that has a polygon of 4 numbers, expected 6 or more in pairs",
        ),
        (
            |json| json["annotations"][0]["segmentation"] = json!([["a", "b"]]),
            "has a segmentation that is neither polygons nor runs",
        ),
        (
            |json| json["annotations"][0]["segmentation"] = 5.into(),
            "has a segmentation that is neither polygons nor runs",
        ),
        (
            |json| json["annotations"][0]["segmentation"] = json!([]),
            "has no segmentation, but others have",
        ),
        (
            |json| json["annotations"][0]["segmentation"] = json!({"size": [5, 2], "counts": [9]}),
            "has a mask that has runs over 9 pixels, expected 2 × 5",
        ),
        (
            |json| json["annotations"][0]["segmentation"] = json!({"size": [5, 2], "counts": "~"}),
            "has a mask that has '~' as character 0 of its runs, expected one of '0' to 'o'",
        ),
        (
            |json| json["annotations"][0]["segmentation"] = json!({"size": [5, 2], "counts": [10]}),
            "has a mask of 2 × 5 pixels in a picture of 20 × 50",
        ),
    ];
    for (change, sentence) in masks {
        let folder = folder(|json| {
            shapes(json);
            change(json);
        });
        let error = folder.open(SPEC).masks(1).expect_err("it is broken");
        let end = format!("a.json: annotation 1 {sentence}");
        assert!(error.to_string().ends_with(&end), "{error}");
    }
    let keypoints: [(Change, &str); 3] = [
        (
            |json| json["annotations"][0]["keypoints"] = json!([1, 2, 2]),
            "has keypoints of 3 numbers, expected 17 times x, y and visibility",
        ),
        (
            |json| json["annotations"][0]["keypoints"][7] = 1e99.into(),
            "has keypoints of 51 numbers, expected 17 times x, y and visibility",
        ),
        (
            |json| json["annotations"][0]["keypoints"] = "none".into(),
            "has keypoints that are no list of numbers",
        ),
    ];
    for (change, sentence) in keypoints {
        let folder = folder(|json| {
            shapes(json);
            change(json);
        });
        let error = folder.open(SPEC).keypoints(1).expect_err("they are broken");
        let end = format!("a.json: annotation 1 {sentence}");
        assert!(error.to_string().ends_with(&end), "{error}");
    }
}

/// Where one of several sets has no masks, there are none.
#[test]
fn masks_are_those_of_all_sets() {
    let folder = folder(shapes);
    folder.write("boxes.json", &instances().to_string());
    let both = "coco:{}/a.json:{}/images+coco:{}/boxes.json:{}/images";
    assert!(!folder.open(both).has_masks());
    let twice = folder.open("coco:{}/a.json:{}/images+coco:{}/a.json:{}/images");
    assert!(twice.has_masks() && twice.has_keypoints());
    let masks = twice.masks(3).expect("the second set's second picture's");
    assert_eq!(masks[0].area(), 41);
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
