//! Runs, one after the other.

/// Collects the lengths of runs, which are without and with the object by turns. Neighbours of a kind become one
/// run.
#[derive(Default)]
pub struct Runs(Vec<u32>);

impl Runs {
    /// The next `length` pixels, with the object or without.
    pub fn push(&mut self, is_set: bool, length: u32) {
        if length == 0 {
            return;
        }
        // After an odd number of runs, the last is without.
        let is_other_kind = is_set == (self.0.len() % 2 == 1);
        match self.0.last_mut() {
            _ if is_other_kind => self.0.push(length),
            Some(last) => *last += length,
            None => self.0.extend([0, length]),
        }
    }

    /// Their lengths; the first is without the object, and the only one that may be 0.
    pub fn into_counts(self) -> Vec<u32> {
        self.0
    }
}
