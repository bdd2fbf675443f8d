//! PyTorch's checkpoints, from a file or from memory. Nothing in them is executed.

use std::ops::Range;
use std::sync::Arc;

use super::element::ElementType;
use super::pickle::{Dialect, Numbers, Pickle, Storage, Tensor, Value};
use super::{Checkpoint, Metadata, StoredTensor, WeightsError};
use archive::Archive;
pub(super) use archive::Source;
use packed::PackedRow;
use storage::{Row, Storages};
use stream::Stream;
use view::View;

mod archive;
mod packed;
mod search;
mod storage;
mod stream;
mod view;
mod wrappers;

/// The state dict in an archive, as PyTorch writes it since version 1.6, whatever is around it; what `metadata` and the
/// file say of it. Numbers are read when they are asked for.
///
/// # Errors
/// If it is cut short or broken, or holds tensors that are no plain ones.
pub(super) fn read_archive(
    source: impl Source + 'static,
    metadata: Metadata,
) -> Result<Checkpoint, WeightsError> {
    let failed = WeightsError::Pytorch;
    let archive = Arc::new(Archive::open(source).map_err(failed)?);
    archive.check_order().map_err(failed)?;
    let bytes = archive.pickle().map_err(failed)?;
    let pickle = Pickle::read(&bytes, 0, Dialect::Torch).map_err(failed)?;
    checkpoint(&pickle, &archive, metadata)
}

/// The same of a file before version 1.6, or of one that is a pickle and nothing more.
///
/// # Errors
/// If it is cut short or broken, or holds tensors that are no plain ones.
pub(super) fn read_pickles(bytes: Vec<u8>, metadata: Metadata) -> Result<Checkpoint, WeightsError> {
    let failed = WeightsError::Pytorch;
    let bytes = Arc::new(bytes);
    let is_stream = stream::is_stream(&bytes);
    let start = match is_stream {
        true => stream::state_dict(&bytes).map_err(failed)?,
        false => 0,
    };
    let pickle = Pickle::read(&bytes, start, Dialect::Torch).map_err(failed)?;
    match is_stream {
        true => {
            let stream = Stream::open(&bytes, &pickle).map_err(failed)?;
            checkpoint(&pickle, &stream, metadata)
        }
        false => checkpoint(&pickle, &Nowhere, metadata),
    }
}

/// No storages at all.
struct Nowhere;

impl Storages for Nowhere {
    fn row(&self, name: &str, _: &Storage) -> Result<Box<dyn Row>, String> {
        Err(format!("its storage '{name}' is not in the file"))
    }
}

impl Storages for Arc<Archive> {
    fn row(&self, name: &str, storage: &Storage) -> Result<Box<dyn Row>, String> {
        let row = PackedRow::open(self, name, storage.numbers.size)?;
        Ok(Box::new(row))
    }
}

fn checkpoint(
    pickle: &Pickle<'_>,
    storages: &dyn Storages,
    metadata: Metadata,
) -> Result<Checkpoint, WeightsError> {
    let failed = WeightsError::Pytorch;
    let root = match pickle.value(pickle.root()) {
        Value::Dict(root) => root,
        other => {
            return Err(failed(format!(
                "Expected a dictionary at the root of the PyTorch file, found {}",
                kind(pickle, other)
            )));
        }
    };
    let pooling_mode = pickle.entries(root).get("pooling_mode").copied();
    let metadata = Metadata {
        // What a C4 model's file says beside its tensors.
        pooling_mode: pooling_mode.and_then(|id| match pickle.value(id) {
            Value::Text(mode) => Some(pickle.text(mode).to_owned()),
            _ => None,
        }),
        ..metadata
    };
    let tensors = search::tensors(pickle).map_err(failed)?;
    let prefix = wrappers::prefix(tensors.keys().map(String::as_str));
    let tensors = tensors.iter().filter_map(|(path, tensor)| {
        let key = path.strip_prefix(&prefix)?.to_owned();
        let stored = stored(storages, pickle, key.clone(), tensor);
        Some(stored.map(|stored| (key, stored)))
    });
    let tensors: Result<Vec<_>, WeightsError> = tensors.collect();
    Checkpoint::new(tensors?, metadata)
}

/// What a value is, in a word or two.
fn kind(pickle: &Pickle<'_>, value: &Value) -> String {
    match value {
        Value::Sequence(_) => "list".to_owned(),
        Value::Tensor(_) => "a tensor".to_owned(),
        Value::Unknown(module, name) | Value::Object(Some((module, name))) => {
            format!("{}.{}", pickle.text(module), pickle.text(name))
        }
        _ => "something else".to_owned(),
    }
}

/// A tensor, whose values are read when they are asked for.
fn stored(
    storages: &dyn Storages,
    pickle: &Pickle<'_>,
    key: String,
    tensor: &Tensor,
) -> Result<StoredTensor, WeightsError> {
    let Value::Storage(storage) = pickle.value(tensor.storage) else {
        unreachable!("a tensor is made of a storage");
    };
    let shape = tensor.shape.clone();
    let Some(element) = element(storage.numbers) else {
        let found = storage.numbers.name;
        // Counters of training batches are such, and nobody reads them.
        return Ok(StoredTensor::whole(shape, move || {
            Err(WeightsError::element_type(&key, format_args!("{found}")))
        }));
    };
    let broken = move |reason| WeightsError::Tensor {
        tensor: key.clone(),
        reason,
    };
    let name = pickle.text(&storage.key);
    let view = View::of(tensor, name, storage).map_err(&broken)?;
    let row = storages.row(name, storage).map_err(&broken)?;
    let (is_in_parts, is_contiguous) = (row.is_in_parts(), view.is_contiguous());
    let count = view.place.len();
    let read = move |part: Range<usize>| {
        let there = row.count();
        if view.place.end > there {
            return Err(broken(format!(
                "Tensor with shape {:?} requires {} elements from storage '{}', but only {there} are available",
                view.shape, view.place.end, view.storage
            )));
        }
        let start = view.place.start;
        let bytes = row.read(start + part.start..start + part.end);
        let values = element.to_f32(&bytes.map_err(&broken)?, 0..usize::MAX);
        Ok(match is_contiguous {
            true => values,
            false => view.gather(&values),
        })
    };
    Ok(match is_in_parts && is_contiguous {
        true => StoredTensor::in_parts(shape, read),
        false => StoredTensor::whole(shape, move || read(0..count)),
    })
}

fn element(numbers: Numbers) -> Option<ElementType> {
    match numbers.name {
        "f16" => Some(ElementType::F16),
        "bf16" => Some(ElementType::BF16),
        "f32" => Some(ElementType::F32),
        "f64" => Some(ElementType::F64),
        _ => None,
    }
}
