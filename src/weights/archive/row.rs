//! A row of numbers in an archive, read in parts.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use crc32fast::Hasher;

use super::{Archive, Entry};

/// The numbers of a storage.
pub(in crate::weights) struct Row {
    archive: Arc<Archive>,
    entry: Entry,
    /// Bytes of a number.
    size: usize,
    sum: Mutex<Sum>,
}

/// The checksum of what was read from the beginning on without a gap.
struct Sum {
    next: u64,
    hasher: Hasher,
}

impl Row {
    /// The storage of that name, of numbers of so many bytes.
    ///
    /// # Errors
    /// If it is not there.
    pub fn open(archive: &Arc<Archive>, name: &str, size: usize) -> Result<Self, String> {
        let entry = archive.entry(&format!("data/{name}"))?;
        Ok(Self {
            archive: archive.clone(),
            entry: entry.ok_or_else(|| format!("its storage '{name}' is not in the archive"))?,
            size,
            sum: Mutex::new(Sum {
                next: 0,
                hasher: Hasher::new(),
            }),
        })
    }

    /// How many numbers there are, as the archive says.
    pub fn count(&self) -> usize {
        usize::try_from(self.entry.size).unwrap_or(usize::MAX) / self.size
    }

    /// Whether a part takes no more time than its length asks for.
    pub fn is_in_parts(&self) -> bool {
        self.entry.is_stored
    }

    /// The bytes of those numbers, of which there are so many.
    ///
    /// # Errors
    /// If the archive is cut short or broken. That a sum is another is found where all numbers are read, if in parts
    /// one after the other.
    pub fn read(&self, part: Range<usize>) -> Result<Vec<u8>, String> {
        let part = (part.start * self.size) as u64..(part.end * self.size) as u64;
        if !self.entry.is_stored {
            return self.archive.unpacked(&self.entry, part);
        }
        let bytes = self.archive.stored(&self.entry, part.clone())?;
        match self.entry.crc32 {
            Some(expected) if self.sum(part, &bytes).is_some_and(|sum| sum != expected) => Err(
                format!("'{}' in the archive: Invalid checksum", self.entry.name),
            ),
            _ => Ok(bytes),
        }
    }

    /// The sum of all bytes where these are the last, and all before them were read.
    fn sum(&self, part: Range<u64>, bytes: &[u8]) -> Option<u32> {
        let mut sum = self
            .sum
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if part.start == 0 {
            *sum = Sum {
                next: 0,
                hasher: Hasher::new(),
            };
        }
        if part.start != sum.next {
            return None;
        }
        sum.hasher.update(bytes);
        sum.next = part.end;
        (sum.next == self.entry.size).then(|| sum.hasher.clone().finalize())
    }
}
