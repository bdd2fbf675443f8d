//! The numbers of a storage in an archive.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use crc32fast::Hasher;

use super::archive::{Archive, Entry};
use super::storage::Row;

/// A file of numbers in an archive.
pub(super) struct PackedRow {
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

impl PackedRow {
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

impl Row for PackedRow {
    fn count(&self) -> usize {
        usize::try_from(self.entry.size).unwrap_or(usize::MAX) / self.size
    }

    fn is_in_parts(&self) -> bool {
        self.entry.is_stored
    }

    fn read(&self, part: Range<usize>) -> Result<Vec<u8>, String> {
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
}
