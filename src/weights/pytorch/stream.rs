//! The form before version 1.6: pickles one after the other, then all numbers.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::storage::{Row, Storages};
use crate::weights::pickle::{Dialect, Pickle, Storage, Value};

/// What the first pickle holds: 0x1950a86a20f9469cfc6c.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// How far into a file that is looked for, whatever the pickle's protocol.
const MAGIC_WITHIN: usize = 64;

/// The version of the form, which is always the same.
const VERSION: i64 = 1001;

/// Whether a file is of this form; otherwise it is one pickle.
pub(super) fn is_stream(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(MAGIC_WITHIN)];
    start.windows(MAGIC.len()).any(|bytes| bytes == MAGIC)
}

/// Where the pickle of the state dict begins.
///
/// # Errors
/// If the pickles before it are none of this form, or say that numbers have another order of bytes than here.
pub(super) fn state_dict(bytes: &[u8]) -> Result<usize, String> {
    let magic = Pickle::read(bytes, 0, Dialect::Torch)?;
    let version = Pickle::read(bytes, magic.end(), Dialect::Torch)?;
    match version.value(version.root()) {
        Value::Integer(VERSION) => {}
        _ => return Err(format!("its version is another than {VERSION}")),
    }
    let system = Pickle::read(bytes, version.end(), Dialect::Torch)?;
    let order = match system.value(system.root()) {
        Value::Dict(entries) => system.entries(entries).get("little_endian").copied(),
        _ => None,
    };
    match order.map(|id| system.value(id)) {
        Some(Value::Integer(1)) => Ok(system.end()),
        Some(Value::Integer(_)) => Err("its order of bytes is big: expected little".to_owned()),
        _ => Err("it does not say its order of bytes".to_owned()),
    }
}

/// The numbers behind the pickles.
pub(super) struct Stream {
    bytes: Arc<Vec<u8>>,
    places: BTreeMap<String, Range<usize>>,
}

impl Stream {
    /// The storages of `pickle`, the state dict's.
    ///
    /// # Errors
    /// If they are more than the file holds, or the list of them is broken.
    pub fn open(bytes: &Arc<Vec<u8>>, pickle: &Pickle<'_>) -> Result<Self, String> {
        // How many bytes a storage has.
        let mut sizes = BTreeMap::new();
        for value in pickle.values() {
            let Value::Storage(storage) = value else {
                continue;
            };
            let name = pickle.text(&storage.key);
            let size = storage.count.checked_mul(storage.numbers.size);
            let size = size.ok_or_else(|| format!("storage '{name}' is too large"))?;
            if sizes.insert(name, size).is_some_and(|other| other != size) {
                return Err(format!("storage '{name}' has two sizes"));
            }
        }
        let names = Pickle::read(bytes, pickle.end(), Dialect::Torch)?;
        let Value::Sequence(ids) = names.value(names.root()) else {
            return Err("it has no list of its storages".to_owned());
        };
        let mut places = BTreeMap::new();
        let mut at = names.end();
        for id in ids {
            let Value::Text(name) = names.value(*id) else {
                return Err("a storage's name is no text".to_owned());
            };
            let name = names.text(name);
            let size = sizes.get(name).copied();
            let size = size.ok_or_else(|| format!("no tensor is of storage '{name}'"))?;
            // How many numbers there are, in eight bytes, then these.
            let start = at.saturating_add(8);
            let end = start.checked_add(size).filter(|end| *end <= bytes.len());
            at = end.ok_or_else(|| {
                format!("storage '{name}' ({size} bytes) extends beyond the end of the file")
            })?;
            places.insert(name.to_owned(), start..at);
        }
        Ok(Self {
            bytes: bytes.clone(),
            places,
        })
    }
}

impl Storages for Stream {
    fn row(&self, name: &str, storage: &Storage) -> Result<Box<dyn Row>, String> {
        let place = self.places.get(name).cloned();
        let place = place.ok_or_else(|| format!("its storage '{name}' is not in the file"))?;
        let told = self.bytes[..place.start].last_chunk();
        let told = told.map_or(0, |told| u64::from_le_bytes(*told));
        match u64::try_from(storage.count) == Ok(told) {
            true => Ok(Box::new(PlainRow {
                bytes: self.bytes.clone(),
                place,
                size: storage.numbers.size,
            })),
            false => Err(format!(
                "storage '{name}' holds {told} elements but the pickle declares {}",
                storage.count
            )),
        }
    }
}

/// Numbers in memory.
struct PlainRow {
    bytes: Arc<Vec<u8>>,
    place: Range<usize>,
    /// Bytes of a number.
    size: usize,
}

impl Row for PlainRow {
    fn count(&self) -> usize {
        self.place.len() / self.size
    }

    fn is_in_parts(&self) -> bool {
        true
    }

    fn read(&self, part: Range<usize>) -> Result<Vec<u8>, String> {
        let place = &self.bytes[self.place.clone()];
        Ok(place[part.start * self.size..part.end * self.size].to_vec())
    }
}
