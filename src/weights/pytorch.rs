//! PyTorch's checkpoints since version 1.6, from a file or from memory. Nothing in them is executed.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::archive::{Archive, Row, Source};
use super::element::ElementType;
use super::pickle::{Dialect, Id, Numbers, Pickle, Tensor, Value};
use super::{Checkpoint, Metadata, StoredTensor, WeightsError, wrappers};

/// Most values that are looked at in search of tensors, since a file may refer to one again and again.
const MOST_VISITS: usize = 1 << 20;

/// How deep containers are looked into.
const DEEPEST: usize = 64;

/// Most values of a tensor that has more than its storage, as an expanded one does.
const MOST_REPEATED: usize = 1 << 20;

/// The state dict in an archive, whatever is around it, and what `metadata` and the file say of it.
///
/// # Errors
/// If it is cut short or broken, or holds tensors that are no plain ones.
pub(super) fn read(
    source: impl Source + 'static,
    metadata: Metadata,
) -> Result<Checkpoint, WeightsError> {
    let failed = WeightsError::Pytorch;
    let archive = Arc::new(Archive::open(source).map_err(failed)?);
    archive.check_order().map_err(failed)?;
    let bytes = archive.pickle().map_err(failed)?;
    let pickle = Pickle::read(&bytes, Dialect::Torch).map_err(failed)?;
    let root = match pickle.value(pickle.root()) {
        Value::Dict(root) => root,
        other => {
            let found = match other {
                Value::Tensor(_) => "a tensor",
                Value::Sequence(_) => "a list",
                _ => "something else",
            };
            return Err(failed(format!(
                "Expected a dictionary at the root of the PyTorch file, found {found}"
            )));
        }
    };
    let pooling_mode = pickle.entries(root).get("pooling_mode").copied();
    let metadata = Metadata {
        pooling_mode: pooling_mode.and_then(|id| match pickle.value(id) {
            Value::Text(mode) => Some(pickle.text(mode).to_owned()),
            _ => None,
        }),
        ..metadata
    };
    let mut search = Search {
        pickle: &pickle,
        visits: 0,
        tensors: BTreeMap::new(),
    };
    search.visit(pickle.root(), "", 0).map_err(failed)?;
    let tensors = search.tensors;
    let prefix = wrappers::prefix(tensors.keys().map(String::as_str));
    let tensors = tensors.iter().filter_map(|(path, tensor)| {
        let key = path.strip_prefix(&prefix)?.to_owned();
        let stored = stored(&archive, &pickle, key.clone(), tensor);
        Some(stored.map(|stored| (key, stored)))
    });
    let tensors: Result<Vec<_>, WeightsError> = tensors.collect();
    Checkpoint::new(tensors?, metadata)
}

/// A look for tensors in containers in each other.
struct Search<'a> {
    pickle: &'a Pickle<'a>,
    visits: usize,
    /// By the keys and places that lead to them, with dots between.
    tensors: BTreeMap<String, &'a Tensor>,
}

impl<'a> Search<'a> {
    fn visit(&mut self, id: Id, path: &str, depth: usize) -> Result<(), String> {
        self.visits += 1;
        if self.visits > MOST_VISITS || depth > DEEPEST {
            return Err("its values are in each other too often or too deep".to_owned());
        }
        let pickle = self.pickle;
        let mut enter = |key: &dyn std::fmt::Display, id| {
            let path = match path {
                "" => key.to_string(),
                _ => format!("{path}.{key}"),
            };
            self.visit(id, &path, depth + 1)
        };
        match pickle.value(id) {
            Value::Tensor(tensor) => {
                self.tensors.insert(path.to_owned(), tensor);
                Ok(())
            }
            Value::Dict(entries) => {
                entries
                    .iter()
                    .try_for_each(|(key, id)| match pickle.value(*key) {
                        Value::Text(key) => enter(&pickle.text(key), *id),
                        Value::Integer(key) => enter(key, *id),
                        _ => Ok(()),
                    })
            }
            Value::Sequence(items) => {
                let mut items = items.iter().enumerate();
                items.try_for_each(|(place, id)| enter(&place, *id))
            }
            _ => Ok(()),
        }
    }
}

/// A tensor, whose values are read when they are asked for.
fn stored(
    archive: &Arc<Archive>,
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
    let view = View::of(tensor, name, storage.count).map_err(&broken)?;
    let row = Row::open(archive, name, storage.numbers.size).map_err(&broken)?;
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

/// Which numbers of a storage a tensor is.
struct View {
    storage: String,
    /// From the first to behind the last.
    place: Range<usize>,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

impl View {
    /// A tensor on a storage of this name and so many numbers, as the pickle says.
    ///
    /// # Errors
    /// If it is none, in words.
    fn of(tensor: &Tensor, storage: &str, declared: usize) -> Result<Self, String> {
        let Tensor {
            offset,
            shape,
            strides,
            ..
        } = tensor;
        if shape.len() != strides.len() {
            return Err(format!(
                "its shape is {shape:?}, but its strides are {strides:?}"
            ));
        }
        let too_large = || format!("its shape {shape:?} is too large");
        let count = shape
            .iter()
            .try_fold(1_usize, |count, side| count.checked_mul(*side));
        let count = count.ok_or_else(too_large)?;
        let mut steps = shape.iter().zip(strides);
        let last = steps.try_fold(*offset, |last, (side, stride)| {
            last.checked_add(side.saturating_sub(1).checked_mul(*stride)?)
        });
        let end = match count {
            0 => *offset,
            _ => last
                .and_then(|last| last.checked_add(1))
                .ok_or_else(too_large)?,
        };
        if end > declared {
            return Err(format!(
                "Tensor with shape {shape:?} and strides {strides:?} at {offset} needs {end} elements, but storage \
                 '{storage}' declares {declared}"
            ));
        }
        let place = (*offset).min(end)..end;
        if count > place.len().max(MOST_REPEATED) {
            return Err(format!(
                "its shape {shape:?} repeats {} values {count} times in all",
                place.len()
            ));
        }
        Ok(Self {
            storage: storage.to_owned(),
            place,
            shape: shape.clone(),
            strides: strides.clone(),
        })
    }

    /// Whether its numbers lie side by side in their order.
    fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        let sides = self.shape.iter().zip(&self.strides).rev();
        self.place.is_empty()
            || sides.into_iter().all(|(side, stride)| {
                let is_next = *side == 1 || *stride == expected;
                expected *= side;
                is_next
            })
    }

    /// Its values out of those at its place, row-major.
    fn gather(&self, values: &[f32]) -> Vec<f32> {
        let places = self.shape.iter().zip(&self.strides);
        let places = places.fold(vec![0], |places, (side, stride)| {
            let along = |place: usize| (0..*side).map(move |index| place + index * stride);
            places.into_iter().flat_map(along).collect()
        });
        places.into_iter().map(|place| values[place]).collect()
    }
}
