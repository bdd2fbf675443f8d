//! Pascal VOC's folders.

use std::path::Path;

use fpn_wgpu::data::{check, open};
use proptest::prelude::*;

use super::Folder;

/// An annotation of a picture of `size` (width, height); of each object the name, and xmin, ymin, xmax,
/// ymax.
pub fn annotation(file: &str, [width, height]: [u32; 2], objects: &[(&str, [i32; 4])]) -> String {
    let objects = objects.iter().map(|(name, [xmin, ymin, xmax, ymax])| {
        format!(
            "<object><name>{name}</name><pose>Left</pose><difficult>0</difficult><bndbox>\
             <xmin>{xmin}</xmin><ymin>{ymin}</ymin><xmax>{xmax}</xmax><ymax>{ymax}</ymax>\
             </bndbox></object>"
        )
    });
    format!(
        "<?xml version=\"1.0\"?><annotation><folder>any</folder><filename>{file}</filename><size>\
         <width>{width}</width><height>{height}</height><depth>3</depth></size>{}</annotation>",
        objects.collect::<String>()
    )
}

/// Two pictures of 40 by 30, in a split each.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.picture("JPEGImages/a.png", 40, 30);
    folder.picture("JPEGImages/b.jpg", 40, 30);
    let a = annotation(
        "a.png",
        [40, 30],
        &[("dog", [1, 1, 40, 30]), ("cat", [3, 5, 3, 5])],
    );
    folder.write("Annotations/a.xml", &a);
    // The file that it names is not there: the one of its own name is.
    let b = annotation("gone.jpg", [40, 30], &[("ant", [11, 12, 20, 22])]);
    folder.write(
        "Annotations/b.xml",
        &b.replace("<difficult>0", "<difficult>1"),
    );
    folder.write("ImageSets/Main/one.txt", "a\n");
    folder.write("ImageSets/Main/two.txt", "b  1\n\n");
    folder.write("ImageSets/Main/none.txt", "\n");
    folder
}

#[test]
fn pixels_are_counted_from_one_and_within_the_box() {
    let folder = folder();
    let set = folder.open("voc:{}");
    assert_eq!(set.class_names(), ["background", "ant", "cat", "dog"]);
    assert_eq!(set.len(), 2);
    let example = set.example(0).expect("it is there");
    assert_eq!(example.picture.dimensions(), (40, 30));
    let found: Vec<_> = example
        .objects
        .iter()
        .map(|object| (object.label, object.bbox, object.area))
        .collect();
    assert_eq!(
        found,
        [
            (3, [0.0, 0.0, 40.0, 30.0], 1200.0),
            (2, [2.0, 4.0, 3.0, 5.0], 1.0)
        ]
    );
    let hard = set.example(1).expect("it is there").objects[0];
    assert_eq!(
        (hard.bbox, hard.difficult),
        ([10.0, 11.0, 20.0, 22.0], true)
    );
}

#[test]
fn splits_have_the_same_classes() {
    let folder = folder();
    for (split, file) in [("one", "a.png"), ("two", "b.jpg")] {
        let set = folder.open(&format!("voc:{{}}:{split}"));
        assert_eq!(set.len(), 1);
        assert_eq!(set.class_names(), ["background", "ant", "cat", "dog"]);
        assert!(set.name(0).ends_with(file), "{}", set.name(0));
        assert!(set.has_objects(0));
    }
    folder.assert_problem("voc:{}:none", "ImageSets/Main/none.txt lists no pictures");
    folder.assert_problem("voc:{}:three", "ImageSets/Main/three.txt cannot be read: ");
    folder.assert_problem("voc:{}/gone", "folder gone/Annotations cannot be read: ");
}

#[test]
fn a_size_that_is_not_told_is_the_pictures() {
    let folder = folder();
    let untold = annotation("a.png", [0, 0], &[("cat", [1, 1, 40, 30])]);
    folder.write("Annotations/a.xml", &untold);
    assert_eq!(folder.open("voc:{}:one").size(0), [30, 40]);
}

#[test]
fn a_box_off_by_a_pixel_is_cut() {
    let folder = folder();
    let off = annotation("a.png", [40, 30], &[("cat", [0, 0, 41, 31])]);
    folder.write("Annotations/a.xml", &off);
    let example = folder.open("voc:{}:one").example(0).expect("it is there");
    assert_eq!(example.objects[0].bbox, [0.0, 0.0, 40.0, 30.0]);
}

#[test]
fn boxes_that_cannot_be_are_told() {
    for corners in [
        [5, 5, 42, 20],
        [-2, 5, 20, 20],
        [20, 5, 10, 20],
        [50, 50, 60, 60],
    ] {
        let folder = folder();
        let wrong = annotation(
            "a.png",
            [40, 30],
            &[("cat", [1, 1, 2, 2]), ("dog", corners)],
        );
        folder.write("Annotations/a.xml", &wrong);
        let [xmin, ymin, xmax, ymax] = corners;
        folder.assert_problem(
            "voc:{}:one",
            &format!(
                "Annotations/a.xml: object 2 (dog) has the box {xmin}, {ymin} to {xmax}, {ymax}, \
                 which is not in a picture of 40 × 30 pixels"
            ),
        );
        // Another split is not touched.
        assert_eq!(folder.open("voc:{}:two").len(), 1);
    }
}

#[test]
fn all_problems_are_listed() {
    let folder = folder();
    folder.write("ImageSets/Main/all.txt", "a\nb\nc\nd\n");
    let far = annotation("a.png", [40, 30], &[("cat", [1, 1, 90, 20])]);
    folder.write("Annotations/a.xml", &far);
    folder.write("JPEGImages/b.jpg", "no picture");
    folder.write("Annotations/c.xml", "<annotation><object></annotation>");
    folder.write("Annotations/d.xml", &annotation("d.png", [40, 30], &[]));
    let (error, problems) = folder.problems("voc:{}:all");
    let starts = [
        "Annotations/a.xml: object 1 (cat) has the box 1, 1 to 90, 20, which is not in",
        "Annotations/c.xml is no annotation: ",
        "JPEGImages/d.jpg is missing",
        "JPEGImages/b.jpg cannot be read: ",
    ];
    assert_eq!(problems.len(), starts.len(), "{problems:?}");
    for (problem, start) in problems.iter().zip(starts) {
        assert!(problem.starts_with(start), "{problem}");
    }
    let ending = " (and 2 more: fpn train --check lists all)";
    assert_eq!(error, format!("{}{ending}", problems[0]));
}

#[test]
fn a_check_finds_pictures_of_another_size() {
    let folder = folder();
    folder.write(
        "Annotations/a.xml",
        &annotation("a.png", [41, 30], &[("cat", [1, 1, 9, 9])]),
    );
    let (error, problems) = folder.problems("voc:{}:one");
    assert_eq!(error, "none");
    let sentence = "JPEGImages/a.png is 40 × 30 pixels, but its annotation says 41 × 30";
    assert_eq!(problems, [sentence]);
}

#[test]
fn blood_cells_are_read_as_they_come() {
    let folder = "../shared/datasets/bccd/BCCD";
    if !Path::new(folder).is_dir() {
        eprintln!("not run: the blood cells of ../shared");
        return;
    }
    for (split, pictures) in [("train", 205), ("val", 87), ("trainval", 292), ("test", 72)] {
        let set = open(&format!("voc:{folder}:{split}")).expect("it can be used");
        assert_eq!(set.len(), pictures);
        assert_eq!(set.class_names(), ["background", "Platelets", "RBC", "WBC"]);
        assert_eq!(set.size(0), [480, 640]);
    }
    let all = format!("voc:{folder}");
    assert_eq!(check(&all, None, |_| {}), Vec::<String>::new());
    let set = open(&all).expect("it can be used");
    assert_eq!(set.len(), 364);
    let mut counts = [0; 4];
    for index in 0..set.len() {
        for object in set.example(index).expect("it is there").objects {
            counts[object.label] += 1;
        }
    }
    // Two red cells are marked by a single pixel, which is a box where all four sides are within.
    assert_eq!(counts, [0, 361, 4155, 372]);
}

#[test]
fn a_picture_is_that_of_its_annotations_name() {
    let folder = folder();
    // Renamed without the name within, which another picture has by now.
    let renamed = annotation("a.png", [24, 18], &[("ant", [1, 1, 24, 18])]);
    folder.write("Annotations/b.xml", &renamed);
    folder.picture("JPEGImages/b.jpg", 24, 18);
    let set = folder.open("voc:{}:two");
    assert!(set.name(0).ends_with("b.jpg"), "{}", set.name(0));
    // A file of no usual extension is found by the name within.
    std::fs::rename(
        folder.path("JPEGImages/b.jpg"),
        folder.path("JPEGImages/b.JPG"),
    )
    .expect("renamed");
    folder.write("Annotations/b.xml", &renamed.replace("a.png", "b.JPG"));
    let example = folder.open("voc:{}:two").example(0).expect("it is there");
    assert_eq!(example.picture.dimensions(), (24, 18));
}

#[test]
fn annotations_written_by_hand_are_read() {
    let folder = folder();
    let object = |name, x| {
        format!(
            "<object><name> {name}\n</name><part><name>ear</name><bndbox><xmin>1</xmin></bndbox></part>\
             <bndbox><ymax> 9 </ymax><xmax>9.5</xmax><ymin>2</ymin><xmin>{x}</xmin></bndbox></object>"
        )
    };
    let (dog, cat) = (object("dog", 1), object("cat &amp; dog", 3));
    let size = "<size><width>40</width><height>30</height></size>";
    folder.write(
        "Annotations/a.xml",
        &format!("<annotation>{dog}{size}{cat}</annotation>"),
    );
    let set = folder.open("voc:{}:one");
    assert_eq!(set.class_names(), ["background", "ant", "cat & dog", "dog"]);
    let objects = set.example(0).expect("it is there").objects;
    let found: Vec<_> = objects
        .iter()
        .map(|object| (object.label, object.bbox))
        .collect();
    assert_eq!(
        found,
        [(3, [0.0, 1.0, 9.5, 9.0]), (2, [2.0, 1.0, 9.5, 9.0])]
    );
}

#[test]
fn what_is_twice_or_no_class_is_told() {
    let folder = folder();
    folder.write("ImageSets/Main/twice.txt", "a\nb\na\n");
    folder.assert_problem("voc:{}:twice", "ImageSets/Main/twice.txt lists a twice");
    let nothing = annotation("b.jpg", [40, 30], &[("background", [1, 1, 9, 9])]);
    folder.write("Annotations/b.xml", &nothing);
    folder.assert_problem(
        "voc:{}:two",
        "Annotations/b.xml: object 1 is 'background', expected one of cat, dog",
    );
}

#[test]
fn pictures_that_are_cut_short_or_of_another_size_are_not_learnt_from() {
    let folder = folder();
    let path = folder.path("JPEGImages/b.jpg");
    let jpeg = std::fs::read(&path).expect("it is there");
    std::fs::write(&path, &jpeg[..jpeg.len() * 2 / 3]).expect("written");
    let other = annotation("a.png", [41, 30], &[("cat", [1, 1, 9, 9])]);
    folder.write("Annotations/a.xml", &other);
    let set = folder.open("voc:{}");
    let starts_and_ends = [
        (
            "a.png",
            "is 40 × 30 pixels, but its annotation says 41 × 30",
        ),
        ("b.jpg", "cannot be read: it is cut short"),
    ];
    for (index, (file, sentence)) in starts_and_ends.into_iter().enumerate() {
        let error = set.example(index).expect_err("a problem").to_string();
        assert!(error.ends_with(&format!("{file} {sentence}")), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_box_covers_the_pixels_that_are_counted(a in -2..44i32, b in -2..44i32, c in -2..34i32, d in -2..34i32) {
        let folder = folder();
        let corners = [a.min(b), c.min(d), a.max(b), c.max(d)];
        folder.write("Annotations/a.xml", &annotation("a.png", [40, 30], &[("dog", corners)]));
        // The pixels of the box that the picture has.
        let columns = (1..=40).filter(|x| (corners[0]..=corners[2]).contains(x)).count();
        let rows = (1..=30).filter(|y| (corners[1]..=corners[3]).contains(y)).count();
        let is_near = corners[0] >= 0 && corners[1] >= 0 && corners[2] <= 41 && corners[3] <= 31;
        let opened = open(&folder.spec("voc:{}:one"));
        prop_assert_eq!(opened.is_ok(), is_near && columns * rows > 0);
        if let Ok(set) = opened {
            let [x1, y1, x2, y2] = set.example(0).expect("it is there").objects[0].bbox;
            prop_assert_eq!([x2 - x1, y2 - y1], [columns as f32, rows as f32]);
            prop_assert_eq!([x1, y1], [(corners[0] - 1).max(0) as f32, (corners[1] - 1).max(0) as f32]);
        }
    }
}
