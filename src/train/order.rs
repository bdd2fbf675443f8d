//! Which pictures make a batch, and in which order batches come.

use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;

use crate::data::ImageSet;
use crate::models::Rules;

/// A picture of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its index in the set.
    pub index: usize,
    /// Whether it is mirrored, left to right; none where chance says so.
    pub is_mirrored: Option<bool>,
}

/// The pictures with objects that batches are made of.
pub(super) enum Order {
    /// Those at least as wide as high, and the others: the two do not meet in a batch.
    Orientation([Vec<usize>; 2]),
    /// Each and its mirror image, narrow ones first: a batch's have about the same proportions.
    Ratio(Vec<Entry>),
}

/// Widest and narrowest proportions, width by height, that batches are ordered by.
pub(super) const RATIOS: [f64; 2] = [0.5, 2.0];

/// How many batches go through all pictures of a set that have objects once, where a batch has `size`: for a model
/// that follows these rules.
pub fn steps_of_epoch(set: &dyn ImageSet, rules: Rules, size: usize) -> usize {
    Order::of(set, rules).steps_of_epoch(size)
}

impl Order {
    /// As a model is trained that follows these rules.
    pub fn of(set: &dyn ImageSet, rules: Rules) -> Self {
        let pictures = (0..set.len()).filter(|&index| set.has_objects(index));
        match rules {
            Rules::Torchvision | Rules::Detectron2 => {
                let is_wide = |index: &usize| {
                    let [height, width] = set.size(*index);
                    height <= width
                };
                let (wide, high) = pictures.partition(is_wide);
                Self::Orientation([wide, high])
            }
            Rules::Legacy => {
                let ratio = |entry: &Entry| {
                    let [height, width] = set.size(entry.index);
                    (width as f64 / height as f64).clamp(RATIOS[0], RATIOS[1])
                };
                let both = |index| {
                    [false, true].map(|is_mirrored| Entry {
                        index,
                        is_mirrored: Some(is_mirrored),
                    })
                };
                let mut entries: Vec<Entry> = pictures.flat_map(both).collect();
                entries.sort_by(|a, b| ratio(a).total_cmp(&ratio(b)));
                Self::Ratio(entries)
            }
        }
    }

    /// Whether there is no picture.
    pub fn is_empty(&self) -> bool {
        self.steps_of_epoch(1) == 0
    }

    /// Batches of `size` that all pictures make.
    pub fn steps_of_epoch(&self, size: usize) -> usize {
        match self {
            Self::Orientation(groups) => {
                groups.iter().map(|group| group.len().div_ceil(size)).sum()
            }
            Self::Ratio(entries) => entries.len().div_ceil(size),
        }
    }

    /// The pictures of each batch of an epoch. Of two groups, each one's last batch is filled up with its first
    /// pictures.
    pub fn batches(&self, size: usize, chance: &mut Pcg64Mcg) -> Vec<Vec<Entry>> {
        let mut batches = Vec::new();
        match self {
            Self::Orientation(groups) => {
                for group in groups {
                    let mut group = group.clone();
                    group.shuffle(chance);
                    let whole = group.len().next_multiple_of(size);
                    let entries = group.iter().map(|&index| Entry {
                        index,
                        is_mirrored: None,
                    });
                    let filled: Vec<Entry> = entries.cycle().take(whole).collect();
                    batches.extend(filled.chunks(size).map(<[Entry]>::to_vec));
                }
            }
            Self::Ratio(entries) => batches.extend(entries.chunks(size).map(<[Entry]>::to_vec)),
        }
        batches.shuffle(chance);
        batches
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::data::{DataError, Example};

    struct Sizes(Vec<[usize; 2]>);

    impl ImageSet for Sizes {
        fn class_names(&self) -> &[String] {
            &[]
        }

        fn len(&self) -> usize {
            self.0.len()
        }

        fn name(&self, index: usize) -> String {
            index.to_string()
        }

        fn size(&self, index: usize) -> [usize; 2] {
            self.0[index]
        }

        fn has_objects(&self, index: usize) -> bool {
            index != 3
        }

        fn example(&self, _index: usize) -> Result<Example, DataError> {
            unreachable!("no picture is read")
        }
    }

    fn chance(seed: u64) -> Pcg64Mcg {
        Pcg64Mcg::seed_from_u64(seed)
    }

    #[test]
    fn an_epoch_has_every_picture() {
        let order = Order::Orientation([(0..7).collect(), (7..9).collect()]);
        for epoch in 0..3 {
            let batches = order.batches(4, &mut chance(epoch));
            assert_eq!(batches.len(), order.steps_of_epoch(4));
            assert!(batches.iter().all(|batch| batch.len() == 4));
            let is_wide = |entry: &Entry| entry.index < 7;
            assert!(batches.iter().all(|batch| {
                batch
                    .iter()
                    .all(|entry| is_wide(entry) == is_wide(&batch[0]))
            }));
            let mut seen: Vec<usize> = batches.concat().iter().map(|e| e.index).collect();
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen, (0..9).collect::<Vec<_>>());
        }
        let batches = |seed| order.batches(4, &mut chance(seed));
        assert_ne!(batches(1), batches(0));
        assert_eq!(batches(2), batches(2));
    }

    #[test]
    fn batches_of_the_first_faster_rcnn_are_of_like_proportions() {
        // The fourth has no objects; the last two are taken for 1:2 and 2:1.
        let set = Sizes(vec![
            [100, 150],
            [100, 90],
            [100, 120],
            [100, 100],
            [100, 20],
            [100, 700],
        ]);
        let order = Order::of(&set, Rules::Legacy);
        assert_eq!(order.steps_of_epoch(4), 3);
        let mut batches = order.batches(4, &mut chance(1));
        batches.sort_by_key(|batch| batch[0].index != 4);
        assert_eq!(
            batches[0].iter().map(|e| e.index).collect::<Vec<_>>(),
            [4, 4, 1, 1]
        );
        let mirrored =
            |batch: &[Entry]| batch.iter().filter(|e| e.is_mirrored == Some(true)).count();
        let whole: Vec<usize> = batches.iter().map(|batch| mirrored(batch)).collect();
        assert_eq!(whole.iter().sum::<usize>(), 5);
        assert_eq!(steps_of_epoch(&set, Rules::Torchvision, 4), 2);
    }
}
