//! Safetensors files, read and written.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use half::f16;
use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorView};

use super::element::ElementType;
use super::{Checkpoint, Metadata, StoredTensor, WeightsError};

pub(super) fn read(bytes: Vec<u8>) -> Result<Checkpoint, WeightsError> {
    let broken = |error| WeightsError::Safetensors(explain(&bytes, error));
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(broken)?;
    let metadata = match header.metadata() {
        Some(map) => Metadata::from_map(map)?,
        None => Metadata::default(),
    };
    let file = SafeTensors::deserialize(&bytes).map_err(broken)?;
    // Where each tensor lies in the file, so that the file can move.
    let start = bytes.as_ptr() as usize;
    let places: Vec<_> = file
        .iter()
        .map(|(key, view)| {
            let from = view.data().as_ptr() as usize - start;
            let place = from..from + view.data().len();
            (key.to_owned(), view.shape().to_vec(), view.dtype(), place)
        })
        .collect();
    let bytes = Arc::new(bytes);
    let tensors = places.into_iter().map(|(key, shape, dtype, place)| {
        let (bytes, name) = (bytes.clone(), key.clone());
        let read = move |part: Range<usize>| match ElementType::try_from(dtype) {
            Ok(element) => Ok(element.to_f32(&bytes[place.clone()], part)),
            Err(()) => Err(WeightsError::element_type(&name, dtype)),
        };
        (key, StoredTensor::in_parts(shape, read))
    });
    Checkpoint::new(tensors, metadata)
}

/// What is wrong with a file, where the error does not say it.
fn explain(bytes: &[u8], error: SafeTensorError) -> String {
    let length = bytes.len();
    let header = bytes
        .first_chunk()
        .map_or(0, |size| u64::from_le_bytes(*size));
    match error {
        SafeTensorError::HeaderTooLarge | SafeTensorError::InvalidHeaderLength => {
            format!("its header claims {header} bytes, but the file has {length}")
        }
        SafeTensorError::MetadataIncompleteBuffer => {
            format!(
                "its tensors do not end where the file does, at {length} bytes: is it cut short?"
            )
        }
        SafeTensorError::TensorInvalidInfo => {
            "the offsets of a tensor do not match its shape and type".to_owned()
        }
        error => error.to_string(),
    }
}

pub(super) fn write(checkpoint: &Checkpoint, halve: bool) -> Result<Vec<u8>, WeightsError> {
    let mut stored = Vec::new();
    for (key, tensor) in &checkpoint.tensors {
        let values = tensor.read()?;
        let (dtype, bytes) = match halve && tensor.shape.len() > 1 {
            true => (Dtype::F16, half_bytes(key, &values)?),
            false => (
                Dtype::F32,
                values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            ),
        };
        stored.push((key, dtype, &tensor.shape, bytes));
    }
    let views = stored.iter().map(|(key, dtype, shape, bytes)| {
        let view = TensorView::new(*dtype, shape.to_vec(), bytes);
        (
            key.as_str(),
            view.expect("the bytes are those of the shape"),
        )
    });
    let metadata: HashMap<String, String> = checkpoint.metadata.to_map();
    safetensors::serialize(views, Some(metadata))
        .map_err(|error| WeightsError::Safetensors(error.to_string()))
}

fn half_bytes(tensor: &str, values: &[f32]) -> Result<Vec<u8>, WeightsError> {
    let mut bytes = Vec::with_capacity(values.len() * 2);
    for &value in values {
        let half = f16::from_f32(value);
        if half.is_infinite() && value.is_finite() {
            return Err(WeightsError::TooLargeForF16 {
                tensor: tensor.to_owned(),
                found: value,
            });
        }
        bytes.extend(half.to_le_bytes());
    }
    Ok(bytes)
}

impl TryFrom<Dtype> for ElementType {
    type Error = ();

    fn try_from(dtype: Dtype) -> Result<Self, ()> {
        match dtype {
            Dtype::F16 => Ok(Self::F16),
            Dtype::BF16 => Ok(Self::BF16),
            Dtype::F32 => Ok(Self::F32),
            Dtype::F64 => Ok(Self::F64),
            _ => Err(()),
        }
    }
}
