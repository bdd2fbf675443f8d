//! The files of detectron2's model zoo: a pickled dict of NumPy arrays.

use std::ops::Range;
use std::sync::Arc;

use super::element::ElementType;
use super::pickle::{Array, Dialect, Pickle, Value};
use super::{Checkpoint, Metadata, StoredTensor, WeightsError};

/// What the files' `__author__` begins with.
const AUTHOR: &str = "Detectron2";

/// How many of a file's first bytes tell what it is: a dict's first array is among them.
pub(super) const START: u64 = 4096;

/// Whether a file begins as those of the model zoo, with a pickled dict of arrays. PyTorch's files hold no NumPy
/// arrays, and are of protocol 2.
pub(super) fn is_likely(start: &[u8]) -> bool {
    let [0x80, protocol, rest @ ..] = start else {
        return false;
    };
    let first = match rest {
        // A frame's length in eight bytes.
        [0x95, _, _, _, _, _, _, _, _, rest @ ..] => rest,
        rest => rest,
    };
    let names_arrays = || start.windows(5).any(|part| part == b"numpy");
    first.starts_with(b"}") && (*protocol > 2 || names_arrays())
}

/// # Errors
/// If the file is none of detectron2's, or holds something else than arrays of floating-point numbers.
pub(super) fn read(bytes: Vec<u8>) -> Result<Checkpoint, WeightsError> {
    let bytes = Arc::new(bytes);
    let failed = |reason: String| WeightsError::ModelZoo(reason);
    let pickle = Pickle::read(&bytes, 0, Dialect::NumPy).map_err(failed)?;
    let Value::Dict(entries) = pickle.value(pickle.root()) else {
        return Err(failed("it holds no dict".to_owned()));
    };
    let entries = pickle.entries(entries);
    if entries.contains_key("blobs") || entries.contains_key("conv1_w") {
        return Err(WeightsError::Caffe2);
    }
    let author = entries.get("__author__").map(|id| pickle.value(*id));
    match author {
        Some(Value::Text(author)) if pickle.text(author).starts_with(AUTHOR) => {}
        Some(Value::Text(author)) => {
            let author = pickle.text(author).escape_debug();
            return Err(failed(format!(
                "its __author__ is '{author}', where {AUTHOR} is expected"
            )));
        }
        _ => {
            return Err(failed(format!(
                "it has no __author__, where {AUTHOR} is expected"
            )));
        }
    }
    let model = entries.get("model").map(|id| pickle.value(*id));
    let Some(Value::Dict(model)) = model else {
        return Err(failed("it has no dict 'model'".to_owned()));
    };
    let tensors = pickle.entries(model).into_iter().map(|(key, id)| {
        let stored = match pickle.value(id) {
            Value::Array(array) => stored(key, array, &pickle, &bytes),
            _ => Err("it is no array".to_owned()),
        };
        let stored = stored.map_err(|reason| WeightsError::Tensor {
            tensor: key.to_owned(),
            reason,
        });
        Ok((key.to_owned(), stored?))
    });
    let tensors: Result<Vec<_>, WeightsError> = tensors.collect();
    Checkpoint::new(tensors?, Metadata::default())
}

/// An array, whose values are read when they are asked for.
fn stored(
    key: &str,
    array: &Array,
    pickle: &Pickle<'_>,
    bytes: &Arc<Vec<u8>>,
) -> Result<StoredTensor, String> {
    let dtype = pickle.text(&array.dtype);
    let element = match dtype {
        "f2" => Some((ElementType::F16, 2)),
        "f4" => Some((ElementType::F32, 4)),
        "f8" => Some((ElementType::F64, 8)),
        name if name.starts_with('O') => return Err("it holds objects".to_owned()),
        _ => None,
    };
    let values = array
        .shape
        .iter()
        .try_fold(1, |n: usize, side| n.checked_mul(*side));
    let values = values.ok_or_else(|| format!("its shape {:?} is too large", array.shape))?;
    let Some((element, size)) = element else {
        let (key, dtype) = (key.to_owned(), dtype.to_owned());
        // Counters of training batches are such, and nobody reads them.
        return Ok(StoredTensor::whole(array.shape.clone(), move || {
            Err(WeightsError::ElementType {
                tensor: key.clone(),
                found: dtype.clone(),
            })
        }));
    };
    if array.is_swapped || (array.is_fortran && array.shape.len() > 1) {
        return Err("its numbers are not in the usual order".to_owned());
    }
    let expected = values.checked_mul(size);
    let check = |found: usize| match expected == Some(found) {
        true => Ok(()),
        false => Err(format!(
            "it holds {found} bytes, where its shape {:?} of {dtype} takes another number",
            array.shape
        )),
    };
    let shape = array.shape.clone();
    match pickle.value(array.data) {
        Value::Bytes(place) => {
            check(place.len())?;
            let (bytes, place) = (bytes.clone(), place.clone());
            Ok(StoredTensor::in_parts(shape, move |part: Range<usize>| {
                Ok(element.to_f32(&bytes[place.clone()], part))
            }))
        }
        Value::Latin1(text) => {
            let characters = pickle.text(text).chars();
            check(characters.clone().count())?;
            if characters.clone().any(|c| u8::try_from(c).is_err()) {
                return Err("its bytes are no bytes".to_owned());
            }
            let (bytes, text) = (bytes.clone(), text.clone());
            Ok(StoredTensor::whole(shape, move || {
                let characters = String::from_utf8_lossy(&bytes[text.clone()]);
                let raw: Vec<u8> = characters.chars().map(|c| c as u8).collect();
                Ok(element.to_f32(&raw, 0..usize::MAX))
            }))
        }
        _ => Err("its values are no bytes".to_owned()),
    }
}
