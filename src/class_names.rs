//! What a model's labels are called, and which label is whose.

use crate::error::BuildError;

/// What a label is called that no class has.
const NO_CLASS: &str = "N/A";

/// A name for every label, the background's first, and the label of every class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClassNames {
    names: Vec<String>,
    labels: Vec<usize>,
}

impl ClassNames {
    /// Of a model that tells so many classes apart, the background included, whose name may be left out. Where
    /// there are more names, those count that are not "N/A": labels are COCO's category ids, say, which
    /// are 1 to 90 for 80 classes.
    ///
    /// # Errors
    /// If there are not as many names as classes.
    pub fn new(mut names: Vec<String>, classes: usize) -> Result<Self, BuildError> {
        let found = names.len();
        if labels(&names, classes).is_none() {
            names.insert(0, "background".to_owned());
        }
        match labels(&names, classes) {
            Some(labels) => Ok(Self { names, labels }),
            None => Err(BuildError::ClassNames { classes, found }),
        }
    }

    /// By label.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The label of a class, 0 the background.
    pub fn label(&self, class: usize) -> usize {
        self.labels[class]
    }

    /// The name of a class.
    pub fn name(&self, class: usize) -> &str {
        &self.names[self.label(class)]
    }
}

/// The labels of so many classes, if there are names for so many.
fn labels(names: &[String], classes: usize) -> Option<Vec<usize>> {
    if names.len() == classes {
        return Some((0..classes).collect());
    }
    let labels = (0..names.len()).filter(|&label| names[label] != NO_CLASS);
    let labels: Vec<usize> = labels.collect();
    (labels.len() == classes).then_some(labels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{COCO_CLASSES, COCO_NAMES};

    fn named(names: &[&str], classes: usize) -> Result<ClassNames, String> {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        ClassNames::new(names, classes).map_err(|error| error.to_string())
    }

    #[test]
    fn classes_have_the_labels_of_their_names() {
        for names in [&COCO_NAMES[..], &COCO_NAMES[1..]] {
            let names = named(names, 81).expect("80 have names");
            assert_eq!(names.names(), COCO_NAMES);
            assert_eq!([0, 12, 80].map(|class| names.label(class)), [0, 13, 90]);
        }
    }

    #[test]
    fn as_many_names_as_classes_are_numbered_on() {
        for (names, classes) in [(&COCO_CLASSES[..], 81), (&COCO_CLASSES[1..], 81)] {
            let names = named(names, classes).expect("all have names");
            assert_eq!(names.names(), COCO_CLASSES);
            assert!((0..81).all(|class| names.label(class) == class));
        }
        // What torchvision's models tell apart are labels, those without a category included.
        let names = named(&COCO_NAMES, 91).expect("all have names");
        assert_eq!(names.label(12), 12);
    }

    #[test]
    fn other_numbers_of_names_are_told() {
        let sentence =
            "5 class names for 9 classes: expected 9, or one less without the background";
        assert_eq!(named(&COCO_NAMES[..5], 9), Err(sentence.to_owned()));
    }
}
