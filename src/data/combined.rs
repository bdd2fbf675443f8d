//! Several sets as one.

use super::{DataError, Example, ImageSet, Keypoints};
use crate::masks::Rle;

/// The pictures of several sets, one after the other. Classes of the same name are one.
pub struct Combined {
    class_names: Vec<String>,
    sets: Vec<Part>,
}

struct Part {
    set: Box<dyn ImageSet>,
    /// The label here of each label there.
    labels: Vec<usize>,
}

impl Combined {
    /// Of these sets: with these classes first, then the others in the order in which the sets bring
    /// them.
    pub fn new(sets: Vec<Box<dyn ImageSet>>, mut class_names: Vec<String>) -> Self {
        let mut label = |name: &String| match class_names.iter().position(|known| known == name) {
            Some(label) => label,
            None => {
                class_names.push(name.clone());
                class_names.len() - 1
            }
        };
        let sets = sets
            .into_iter()
            .map(|set| Part {
                labels: set.class_names().iter().map(&mut label).collect(),
                set,
            })
            .collect();
        Self { class_names, sets }
    }

    /// The set of a picture, and its index in there.
    fn place(&self, mut index: usize) -> (&Part, usize) {
        for part in &self.sets {
            if index < part.set.len() {
                return (part, index);
            }
            index -= part.set.len();
        }
        panic!("there are {} pictures", self.len())
    }
}

impl ImageSet for Combined {
    fn class_names(&self) -> &[String] {
        &self.class_names
    }

    fn len(&self) -> usize {
        self.sets.iter().map(|part| part.set.len()).sum()
    }

    fn name(&self, index: usize) -> String {
        let (part, index) = self.place(index);
        part.set.name(index)
    }

    fn size(&self, index: usize) -> [usize; 2] {
        let (part, index) = self.place(index);
        part.set.size(index)
    }

    fn has_objects(&self, index: usize) -> bool {
        let (part, index) = self.place(index);
        part.set.has_objects(index)
    }

    fn example(&self, index: usize) -> Result<Example, DataError> {
        let (part, index) = self.place(index);
        let mut example = part.set.example(index)?;
        for object in &mut example.objects {
            object.label = part.labels[object.label];
        }
        Ok(example)
    }

    fn has_masks(&self) -> bool {
        self.sets.iter().all(|part| part.set.has_masks())
    }

    fn has_keypoints(&self) -> bool {
        self.sets.iter().all(|part| part.set.has_keypoints())
    }

    fn masks(&self, index: usize) -> Result<Vec<Rle>, DataError> {
        let (part, index) = self.place(index);
        part.set.masks(index)
    }

    fn keypoints(&self, index: usize) -> Result<Vec<Option<Keypoints>>, DataError> {
        let (part, index) = self.place(index);
        part.set.keypoints(index)
    }
}
