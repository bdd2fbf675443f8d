//! Data sets in files: what is read of them, and what is said of their faults.
#![cfg(feature = "train")]

mod coco;
mod damage;
mod voc;

use std::fs;
use std::path::PathBuf;

use fpn_wgpu::data::{ImageSet, check, open, open_as};
use image::RgbImage;
use tempfile::TempDir;

/// A folder for a test's files.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("made");
        fs::write(path, text).expect("written");
    }

    /// A picture, in the format that `name` says.
    fn picture(&self, name: &str, width: u32, height: u32) {
        self.write(name, "");
        let picture = RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, 0]));
        picture.save(self.path(name)).expect("it is encoded");
    }

    fn spec(&self, spec: &str) -> String {
        spec.replace("{}", &self.0.path().display().to_string())
    }

    fn open(&self, spec: &str) -> Box<dyn ImageSet> {
        open(&self.spec(spec)).unwrap_or_else(|error| panic!("{error}"))
    }

    /// What opening fails with, and all that a check finds; this folder's name left out.
    fn problems(&self, spec: &str) -> (String, Vec<String>) {
        let shorten = |text: String| text.replace(&self.spec("{}/"), "");
        let error = match open(&self.spec(spec)) {
            Ok(_) => "none".to_owned(),
            Err(error) => error.to_string(),
        };
        let found = check(&self.spec(spec), None, |_| {});
        (shorten(error), found.into_iter().map(shorten).collect())
    }

    /// Asserts that opening and a check find this one problem.
    #[track_caller]
    fn assert_problem(&self, spec: &str, sentence: &str) {
        let (error, problems) = self.problems(spec);
        assert!(error.starts_with(sentence), "{error}");
        assert_eq!(problems, [error]);
    }
}

#[test]
fn scenes_are_counted() {
    let folder = Folder::new();
    assert_eq!(folder.open("scenes:3:7").len(), 7);
    assert_eq!(folder.open("scenes:3").len(), 1000);
}

#[test]
fn sets_are_joined_and_their_classes_are_one() {
    let folder = Folder::new();
    for (name, class) in [("a", "ring"), ("b", "cat"), ("c", "ring")] {
        folder.picture(&format!("{name}/JPEGImages/x.png"), 40, 30);
        folder.write(
            &format!("{name}/Annotations/x.xml"),
            &voc::annotation("x.png", [40, 30], &[(class, [1, 1, 20, 20])]),
        );
    }
    let set = folder.open("voc:{}/a+voc:{}/b+scenes:1:2+voc:{}/c");
    let names = set.class_names();
    assert_eq!(&names[..4], ["background", "ring", "cat", "circle"]);
    assert_eq!((set.len(), names.len()), (5, 10));
    let labels = |index| -> Vec<usize> {
        let example = set.example(index).expect("it is there");
        example.objects.iter().map(|object| object.label).collect()
    };
    assert_eq!([labels(0), labels(1), labels(4)], [[1], [2], [1]]);
    assert!(labels(2).iter().all(|label| *label != 2));
    assert_eq!(set.name(2), "scenes:1#0");
    assert_eq!(set.size(4), [30, 40]);
}

#[test]
fn what_names_no_data_set_is_refused() {
    let folder = Folder::new();
    for spec in [
        "",
        "voc",
        "coco:a.json",
        "scenes:one",
        "scenes:1:2:3",
        "scenes:1+",
    ] {
        let (error, problems) = folder.problems(spec);
        assert!(
            error.contains("is no data set: expected voc:DIR"),
            "{error}"
        );
        assert_eq!(problems, [error]);
    }
    folder.assert_problem("scenes:1:0", "scenes:1:0 has no pictures");
    let (error, problems) = folder.problems("scenes:1:0+none+scenes:1:1+scenes:2:0");
    assert_eq!(problems.len(), 3, "{problems:?}");
    let ending = " (and 2 more: fpn train --check lists all)";
    assert_eq!(error, format!("{}{ending}", problems[0]));
}

#[test]
fn classes_are_those_that_are_asked_for() {
    let folder = Folder::new();
    folder.picture("JPEGImages/x.png", 40, 30);
    let objects = [("ring", [1, 1, 20, 20]), ("cat", [1, 1, 9, 9])];
    let annotation = voc::annotation("x.png", [40, 30], &objects);
    folder.write("Annotations/x.xml", &annotation);
    let classes = |names: &[&str]| -> Vec<String> {
        let names = ["background"].into_iter().chain(names.iter().copied());
        names.map(str::to_owned).collect()
    };

    let given = classes(&["ring", "dog", "cat"]);
    let set = open_as(&folder.spec("voc:{}"), &given).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(set.class_names(), given);
    let example = set.example(0).expect("it is there");
    let labels = example.objects.iter().map(|object| object.label);
    assert_eq!(labels.collect::<Vec<_>>(), [1, 3]);

    // Scenes have their own order.
    let mut given = fpn_wgpu::data::scenes::class_names();
    given[1..].reverse();
    let ordered = open_as("scenes:1:1", &given).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(ordered.class_names(), given);
    let names = |set: &dyn ImageSet| -> Vec<String> {
        let objects = set.example(0).expect("scenes are drawn").objects;
        let labels = objects.iter().map(|object| object.label);
        labels
            .map(|label| set.class_names()[label].clone())
            .collect()
    };
    assert_eq!(
        names(ordered.as_ref()),
        names(folder.open("scenes:1:1").as_ref())
    );

    let few = classes(&["dog", "ring"]);
    let sentence = "x.xml: object 2 is 'cat', expected one of dog, ring";
    let problems = check(&folder.spec("voc:{}"), Some(&few), |_| {});
    assert_eq!(problems.len(), 1);
    assert!(problems[0].ends_with(sentence), "{problems:?}");
    let error = open_as(&folder.spec("voc:{}"), &few)
        .err()
        .expect("a problem");
    assert_eq!(error.to_string(), problems[0]);
    let problems = check("scenes:1:1", Some(&few), |_| {});
    let sentence = "scenes:1:1: a class is 'circle', expected one of dog, ring";
    assert_eq!((problems.len(), problems[0].as_str()), (7, sentence));
}
