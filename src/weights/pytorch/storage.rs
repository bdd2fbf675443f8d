//! Where a state dict's numbers lie.

use std::ops::Range;

use crate::weights::pickle::Storage;

/// The storages of a file.
pub(super) trait Storages {
    /// The numbers of the storage of this name.
    ///
    /// # Errors
    /// If they are not there, in words.
    fn row(&self, name: &str, storage: &Storage) -> Result<Box<dyn Row>, String>;
}

/// The numbers of a storage.
pub(super) trait Row: Send + Sync {
    /// How many there are.
    fn count(&self) -> usize;

    /// Whether a part takes no more time than its length asks for.
    fn is_in_parts(&self) -> bool;

    /// The bytes of those numbers, of which there are so many.
    ///
    /// # Errors
    /// If the file is cut short or broken. Where a sum is kept of them, that it is another is found where all numbers
    /// are read, if in parts one after the other.
    fn read(&self, part: Range<usize>) -> Result<Vec<u8>, String>;
}
