//! The zip archive that `torch.save` writes: a pickle, and a file for each row of numbers.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard};

use zip::{CompressionMethod, ZipArchive, ZipReadOptions};

/// Largest pickle that is read, in bytes.
const LARGEST_PICKLE: u64 = 100 << 20;

/// Largest of the small texts beside it, in bytes.
const LARGEST_TEXT: u64 = 4096;

/// Where an archive's bytes come from.
pub(in crate::weights) trait Source: Read + Seek + Send {}

impl<T: Read + Seek + Send> Source for T {}

/// An archive of which nothing but the table of contents was read.
pub(super) struct Archive {
    zip: Mutex<ZipArchive<Box<dyn Source>>>,
    /// What all names begin with.
    root: String,
    /// Of the whole archive, in bytes.
    length: u64,
}

/// A file of an archive.
pub(super) struct Entry {
    index: usize,
    pub name: String,
    /// Of its content, in bytes, as the archive says.
    pub size: u64,
    /// Whether its content lies there as it is.
    pub is_stored: bool,
    /// The sum that its content must have; none where nobody computed it.
    pub crc32: Option<u32>,
}

impl Archive {
    /// # Errors
    /// If it is cut short, no archive, or none that `torch.save` writes.
    pub fn open(mut source: impl Source + 'static) -> Result<Self, String> {
        let broken =
            |error: &dyn std::fmt::Display| format!("its archive is cut short or broken: {error}");
        let length = source
            .seek(SeekFrom::End(0))
            .map_err(|error| broken(&error))?;
        let source: Box<dyn Source> = Box::new(source);
        let zip = ZipArchive::new(source).map_err(|error| broken(&error))?;
        let mut roots = Vec::new();
        for name in zip.file_names() {
            let name = name.map_err(|error| broken(&error))?;
            let root = name.strip_suffix("data.pkl");
            let root = root.filter(|root| root.is_empty() || root.ends_with('/'));
            roots.extend(root.map(str::to_owned));
        }
        let root = roots.into_iter().min_by_key(String::len);
        let root = root
            .ok_or("No data.pkl entry found in ZIP archive. Expected a PyTorch 1.6+ checkpoint")?;
        Ok(Self {
            zip: Mutex::new(zip),
            root,
            length,
        })
    }

    /// The pickle.
    ///
    /// # Errors
    /// If it cannot be read, or is too large.
    pub fn pickle(&self) -> Result<Vec<u8>, String> {
        let entry = self.entry("data.pkl")?;
        self.whole(&entry.ok_or("its data.pkl is gone")?, LARGEST_PICKLE)
    }

    /// Whether its numbers' bytes have the order that is read here, the lowest first.
    ///
    /// # Errors
    /// If it does not say so.
    pub fn check_order(&self) -> Result<(), String> {
        let Some(entry) = self.entry("byteorder")? else {
            return Ok(());
        };
        match self.whole(&entry, LARGEST_TEXT)?.trim_ascii() {
            b"little" => Ok(()),
            other => Err(format!(
                "its order of bytes is '{}': expected little",
                String::from_utf8_lossy(other).escape_debug()
            )),
        }
    }

    fn zip(&self) -> MutexGuard<'_, ZipArchive<Box<dyn Source>>> {
        // A reader that panicked left nothing behind: whoever comes next seeks first.
        self.zip
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// A file of this name, the root's left out, if there is one.
    ///
    /// # Errors
    /// If what is said of it cannot be read.
    pub fn entry(&self, name: &str) -> Result<Option<Entry>, String> {
        let name = format!("{}{name}", self.root);
        let zip = self.zip();
        let Some(index) = zip.index_for_name(&name) else {
            return Ok(None);
        };
        let found = zip.by_index_data(index);
        let found = found.map_err(|error| format!("'{name}' in it: {error}"))?;
        Ok(Some(Entry {
            index,
            size: found.size(),
            is_stored: found.compression() == CompressionMethod::Stored && !found.encrypted(),
            crc32: Some(found.crc32()).filter(|sum| *sum != 0),
            name,
        }))
    }

    fn whole(&self, entry: &Entry, largest: u64) -> Result<Vec<u8>, String> {
        match entry.size <= largest {
            true => self.unpacked(entry, 0..entry.size),
            false => Err(format!(
                "'{}' in it has {} bytes: expected at most {largest}",
                entry.name, entry.size
            )),
        }
    }

    /// A part of an entry that is stored, which lies within its size. Its sum is the caller's to check.
    ///
    /// # Errors
    /// If the archive ends before, or cannot be read.
    pub fn stored(&self, entry: &Entry, part: Range<u64>) -> Result<Vec<u8>, String> {
        let failed =
            |error: &dyn std::fmt::Display| format!("'{}' in the archive: {error}", entry.name);
        let length = part.end - part.start;
        // What the table of contents claims takes no memory.
        if length > self.length {
            return Err(failed(&"it is larger than the whole archive"));
        }
        let mut zip = self.zip();
        let file = zip.by_index_seek(entry.index);
        let mut file = file.map_err(|error| failed(&error))?;
        let mut bytes = vec![0; length as usize];
        file.seek(SeekFrom::Start(part.start))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(|error| failed(&error))?;
        Ok(bytes)
    }

    /// A part of any entry, which lies within its size; read up to its end, its sum is checked. All before it is
    /// unpacked as well.
    ///
    /// # Errors
    /// If it is cut short or broken, or packed in a way that `torch.save` does not use.
    pub fn unpacked(&self, entry: &Entry, part: Range<u64>) -> Result<Vec<u8>, String> {
        let failed =
            |error: &dyn std::fmt::Display| format!("'{}' in the archive: {error}", entry.name);
        let mut zip = self.zip();
        let options = ZipReadOptions::new().ignore_crc32(entry.crc32.is_none());
        let file = zip.by_index_with_options(entry.index, options);
        let mut file = file.map_err(|error| failed(&error))?;
        let skipped = std::io::copy(&mut file.by_ref().take(part.start), &mut std::io::sink());
        skipped.map_err(|error| failed(&error))?;
        let length = part.end - part.start;
        // It grows with what is really there.
        let mut bytes = Vec::with_capacity(length.min(self.length) as usize);
        let read = file.by_ref().take(length).read_to_end(&mut bytes);
        read.map_err(|error| failed(&error))?;
        if bytes.len() as u64 != length {
            return Err(failed(&"it is cut short"));
        }
        // The sum is compared when the end is met.
        if part.end == entry.size && file.read(&mut [0]).map_err(|error| failed(&error))? > 0 {
            return Err(failed(&"it is longer than it claims"));
        }
        Ok(bytes)
    }
}
