//! PyTorch checkpoints. The reader interprets the pickle's few allowed types; it executes nothing.

use std::io::{ErrorKind, Read};
use std::path::Path;

use pytorch_reader::{DType, PickleError, PickleValue, PytorchError, PytorchReader, Tensor};
use sha2::{Digest, Sha256};

use super::element::ElementType;
use super::{Checkpoint, Metadata, StoredTensor, WeightsError, official};

/// Under which keys training scripts keep the state dict beside other things.
const WRAPPERS: [&str; 2] = ["model.", "state_dict."];

pub(super) fn read(path: &Path) -> Result<Checkpoint, WeightsError> {
    let reader = PytorchReader::new(path).map_err(explain)?;
    let tensors = reader.into_tensors();
    let wrapper = WRAPPERS
        .into_iter()
        .find(|wrapper| tensors.keys().any(|key| key.starts_with(wrapper)));
    let tensors = tensors.into_iter().filter_map(|(key, tensor)| {
        let key = match wrapper {
            Some(wrapper) => key.strip_prefix(wrapper)?.to_owned(),
            None => key,
        };
        Some((key.clone(), stored(key, tensor)))
    });
    let metadata = official::by_sha256(&sha256(path)?);
    let metadata = Metadata {
        pooling_mode: pooling_mode(path),
        ..metadata.unwrap_or_default()
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
        PytorchError::Zip(error) => format!("its archive is cut short or broken: {error}"),
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

fn sha256(path: &Path) -> Result<String, WeightsError> {
    let mut file = std::fs::File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            count => hasher.update(&buffer[..count]),
        }
    }
    Ok(hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
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
