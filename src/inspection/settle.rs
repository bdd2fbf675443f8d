//! Which of the boxes that the host knows of an engine's are: the same numbers on the CPU engine, and numbers that
//! differ in the last bits on a GPU.

use crate::boxes::{BBox, Fate, Reason};

/// Pixels up to which a box that the host keeps is the engine's.
const TOLERANCE: f32 = 0.01;

/// A box that is no other than one of its group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Grouped {
    pub group: i32,
    pub bbox: BBox,
}

/// For each box that the engine `found` the index of the known one that it is, where there is one left of its
/// group no farther than `reach` pixels. `fates`, as the host has decided, are told as the engine did: kept is what it found, and nothing else.
pub(super) fn settle(
    found: &[Grouped],
    known: &[Grouped],
    fates: &mut [Fate],
    reach: f32,
) -> Vec<Option<usize>> {
    let mut is_free = vec![true; known.len()];
    let mut nearest = |found: &Grouped, is_kept: bool, reach: f32| {
        let free = (0..known.len()).filter(|&index| is_free[index]);
        let free = free.filter(|&index| known[index].group == found.group);
        let free = free.filter(|&index| !is_kept || matches!(fates[index], Fate::Kept(_)));
        let far = free.map(|index| (distance(known[index].bbox, found.bbox), index));
        let near = far.filter(|(distance, _)| *distance <= reach);
        let (_, index) = near.min_by(|a, b| a.0.total_cmp(&b.0))?;
        is_free[index] = false;
        Some(index)
    };
    let mut origins = vec![None; found.len()];
    // All that are the same before any that is only near, so that none is taken by another.
    for (is_kept, reach) in [(true, TOLERANCE), (false, reach)] {
        for (origin, found) in origins.iter_mut().zip(found) {
            *origin = origin.or_else(|| nearest(found, is_kept, reach));
        }
    }
    for fate in fates.iter_mut() {
        if let Fate::Kept(_) = fate {
            *fate = Fate::Dropped(Reason::Rounding);
        }
    }
    for (index, origin) in origins.iter().enumerate() {
        if let Some(origin) = *origin {
            fates[origin] = Fate::Kept(index);
        }
    }
    origins
}

/// Pixels by which the sides that differ most do.
fn distance(a: BBox, b: BBox) -> f32 {
    let sides = a.iter().zip(b);
    sides.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(group: i32, x: f32) -> Grouped {
        Grouped {
            group,
            bbox: [x, 0.0, x + 10.0, 10.0],
        }
    }

    #[test]
    fn no_box_takes_the_one_that_is_anothers() {
        // The first has none that the host knows; the second is the host's only one.
        let (known, found) = ([at(0, 0.0)], [at(0, 0.5), at(0, 0.0)]);
        let mut fates = [Fate::Kept(0)];
        assert_eq!(settle(&found, &known, &mut fates, 1.0), [None, Some(0)]);
        assert_eq!(fates, [Fate::Kept(1)]);
        let mut fates = [Fate::Kept(0)];
        assert_eq!(settle(&[at(0, 9.0)], &known, &mut fates, 1.0), [None]);
    }

    #[test]
    fn what_the_engine_found_is_kept_and_nothing_else() {
        let fallen = Fate::Suppressed {
            by: 0,
            overlap: 0.9,
        };
        let known = [at(0, 0.0), at(0, 0.001), at(0, 5.0), at(1, 5.0), at(1, 9.0)];
        // The nearest of the first is suppressed, the third is one that the host suppresses.
        let found = [at(0, 0.001), at(1, 9.002), at(1, 5.001), at(2, 0.0)];
        let mut fates = [Fate::Kept(0), fallen, Fate::Kept(2), fallen, Fate::Kept(1)];
        let origins = settle(&found, &known, &mut fates, 1.0);
        assert_eq!(origins, [Some(0), Some(4), Some(3), None]);
        let expected = [
            Fate::Kept(0),
            fallen,
            Fate::Dropped(Reason::Rounding),
            Fate::Kept(2),
            Fate::Kept(1),
        ];
        assert_eq!(fates, expected);
    }
}
