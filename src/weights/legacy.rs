//! PyTorch's checkpoints from before version 1.6, and plain pickles. The reader interprets the pickle's few allowed
//! types; it executes nothing.

use std::io::ErrorKind;
use std::path::Path;

use pytorch_reader::{DType, PickleError, PickleValue, PytorchError, PytorchReader, Tensor};

use super::element::ElementType;
use super::{Checkpoint, Metadata, StoredTensor, WeightsError, wrappers};

/// # Errors
/// If it is cut short or broken, or holds something else than tensors in plain containers.
pub(super) fn read(path: &Path, metadata: Metadata) -> Result<Checkpoint, WeightsError> {
    let reader = PytorchReader::new(path).map_err(explain)?;
    let tensors = reader.into_tensors();
    let prefix = wrappers::prefix(tensors.keys().map(String::as_str));
    let tensors = tensors.into_iter().filter_map(|(key, tensor)| {
        let key = key.strip_prefix(&prefix)?.to_owned();
        Some((key.clone(), stored(key, tensor)))
    });
    let metadata = Metadata {
        pooling_mode: pooling_mode(path),
        ..metadata
    };
    Checkpoint::new(tensors, metadata)
}

/// What a C4 model's file says beside its tensors.
fn pooling_mode(path: &Path) -> Option<String> {
    match PytorchReader::read_pickle_data(path, Some("pooling_mode")) {
        Ok(PickleValue::String(mode)) => Some(mode),
        _ => None,
    }
}

fn explain(error: PytorchError) -> WeightsError {
    WeightsError::Pytorch(match error {
        PytorchError::Pickle(PickleError::Io(error))
            if error.kind() == ErrorKind::UnexpectedEof =>
        {
            "it is cut short".to_owned()
        }
        PytorchError::InvalidFormat(reason) => reason,
        error => error.to_string(),
    })
}

fn stored(key: String, mut tensor: Tensor) -> StoredTensor {
    // Our errors name it.
    tensor.name.clear();
    let shape = tensor.shape().to_vec();
    StoredTensor::whole(shape, move || {
        let bytes = tensor.read().map_err(|error| WeightsError::Tensor {
            tensor: key.clone(),
            reason: error.to_string(),
        })?;
        match ElementType::try_from(tensor.dtype()) {
            Ok(element) => Ok(element.to_f32(&bytes, 0..usize::MAX)),
            Err(()) => Err(WeightsError::element_type(&key, tensor.dtype())),
        }
    })
}

impl TryFrom<DType> for ElementType {
    type Error = ();

    fn try_from(dtype: DType) -> Result<Self, ()> {
        match dtype {
            DType::F16 => Ok(Self::F16),
            DType::BF16 => Ok(Self::BF16),
            DType::F32 => Ok(Self::F32),
            DType::F64 => Ok(Self::F64),
            _ => Err(()),
        }
    }
}
