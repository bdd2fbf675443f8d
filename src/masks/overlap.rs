//! What two masks have in common.

use super::rle::{Rle, RleError};
use super::runs::Runs;

impl Rle {
    /// The pixels of either.
    ///
    /// # Errors
    /// If the masks are of pictures of different size.
    pub fn union(&self, other: &Self) -> Result<Self, RleError> {
        self.combined(other, |here, there| here || there)
    }

    /// The pixels of both.
    ///
    /// # Errors
    /// As [`union`](Self::union).
    pub fn intersection(&self, other: &Self) -> Result<Self, RleError> {
        self.combined(other, |here, there| here && there)
    }

    /// How much two masks overlap, from 0 to 1: intersection over union; 0 if there is no intersection.
    ///
    /// # Errors
    /// As [`union`](Self::union).
    pub fn iou(&self, other: &Self) -> Result<f64, RleError> {
        let (mut shared, mut all) = (0, 0);
        for (length, here, there) in self.beside(other)? {
            shared += u64::from(length) * u64::from(here && there);
            all += u64::from(length) * u64::from(here || there);
        }
        Ok(ratio(shared, all))
    }

    /// The part of this mask, from 0 to 1, that lies in another one, COCO's overlap of a detection with a crowd.
    ///
    /// # Errors
    /// As [`union`](Self::union).
    pub fn part_in(&self, crowd: &Self) -> Result<f64, RleError> {
        let (mut shared, mut all) = (0, 0);
        for (length, here, there) in self.beside(crowd)? {
            shared += u64::from(length) * u64::from(here && there);
            all += u64::from(length) * u64::from(here);
        }
        Ok(ratio(shared, all))
    }

    fn combined(
        &self,
        other: &Self,
        is_set: impl Fn(bool, bool) -> bool,
    ) -> Result<Self, RleError> {
        let mut runs = Runs::default();
        for (length, here, there) in self.beside(other)? {
            runs.push(is_set(here, there), length);
        }
        Ok(Self::from_runs(self.size(), runs))
    }

    /// The longest stretches of pixels in which neither mask changes, in order: how many pixels, and whether they
    /// belong to this mask and to the other.
    fn beside<'a>(
        &'a self,
        other: &'a Self,
    ) -> Result<impl Iterator<Item = (u32, bool, bool)> + 'a, RleError> {
        if self.size() != other.size() {
            return Err(RleError::Sizes {
                sizes: [self.size(), other.size()],
            });
        }
        let mut masks = [self, other].map(|mask| Rest {
            counts: mask.counts(),
            index: 0,
            used: 0,
        });
        Ok(std::iter::from_fn(move || {
            let [here, there] = &mut masks;
            // They end together.
            let length = here.length()?.min(there.length()?);
            let stretch = (length, here.is_set(), there.is_set());
            here.used += length;
            there.used += length;
            Some(stretch)
        }))
    }
}

fn ratio(shared: u64, all: u64) -> f64 {
    match shared {
        0 => 0.0,
        _ => shared as f64 / all as f64,
    }
}

/// What is left of a mask's runs.
struct Rest<'a> {
    counts: &'a [u32],
    /// The run that is being looked at, and how much of it is behind.
    index: usize,
    used: u32,
}

impl Rest<'_> {
    /// What is left of the run, or the length of the next one; none at the end.
    fn length(&mut self) -> Option<u32> {
        while *self.counts.get(self.index)? == self.used {
            self.index += 1;
            self.used = 0;
        }
        Some(self.counts[self.index] - self.used)
    }

    fn is_set(&self) -> bool {
        self.index % 2 == 1
    }
}
