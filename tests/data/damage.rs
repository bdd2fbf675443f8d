//! Damaged files: a sentence or a picture, never a panic.

use std::fs;

use proptest::prelude::*;

use super::{Folder, voc};

/// One annotated picture.
fn folder(picture: &str) -> Folder {
    let folder = Folder::new();
    folder.picture(&format!("JPEGImages/{picture}"), 40, 30);
    let annotation = voc::annotation(picture, [40, 30], &[("cat", [1, 1, 20, 20])]);
    folder.write("Annotations/a.xml", &annotation);
    folder
}

/// A byte here and there is another, and the end is missing.
fn damage(bytes: &mut Vec<u8>, changes: &[(prop::sample::Index, u8)], kept: usize) {
    for (place, byte) in changes {
        let place = place.index(bytes.len());
        bytes[place] = *byte;
    }
    bytes.truncate(bytes.len() * kept / 100);
}

fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    prop::collection::vec(any::<(prop::sample::Index, u8)>(), 0..6)
}

proptest! {
    #[test]
    fn a_picture(is_jpeg: bool, changes in changes(), kept in 0..=100_usize) {
        let name = if is_jpeg { "a.jpg" } else { "a.png" };
        let folder = folder(name);
        let file = folder.path(&format!("JPEGImages/{name}"));
        let mut bytes = fs::read(&file).expect("it was written");
        damage(&mut bytes, &changes, kept);
        fs::write(&file, bytes).expect("written");
        let (error, problems) = folder.problems("voc:{}");
        // It is not looked at before it is needed.
        prop_assert_eq!(error, "none");
        for problem in problems {
            prop_assert!(problem.starts_with(&format!("JPEGImages/{name} ")), "{}", problem);
            prop_assert!(!problem.contains('\n'), "{:?}", problem);
        }
    }

    #[test]
    fn an_annotation(changes in changes(), kept in 0..=100_usize) {
        let folder = folder("a.png");
        let file = folder.path("Annotations/a.xml");
        let mut bytes = fs::read(&file).expect("it was written");
        damage(&mut bytes, &changes, kept);
        fs::write(&file, bytes).expect("written");
        let (error, problems) = folder.problems("voc:{}");
        prop_assert!(error == "none" || error == problems[0], "{}: {:?}", error, problems);
        prop_assert!(problems.len() <= 1 && !error.contains('\n'), "{:?}", problems);
    }
}

#[test]
fn a_picture_that_is_cut_is_told_in_a_line() {
    let folder = folder("a.jpg");
    let file = folder.path("JPEGImages/a.jpg");
    let bytes = fs::read(&file).expect("it was written");
    fs::write(&file, &bytes[..bytes.len() / 2]).expect("written");
    let (_, problems) = folder.problems("voc:{}");
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("JPEGImages/a.jpg cannot be read: "));
    assert!(!problems[0].contains('\n'), "{problems:?}");
}

#[test]
fn an_annotation_that_is_cut_is_told_once() {
    let folder = folder("a.png");
    for text in ["", "<annotation>"] {
        folder.write("Annotations/a.xml", text);
        folder.assert_problem("voc:{}", "Annotations/a.xml is no annotation: ");
    }
}
