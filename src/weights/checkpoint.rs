//! Tensors by name, whatever file they came from.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::{Metadata, WeightsError, keys, safetensors};

type Read = dyn Fn() -> Result<Vec<f32>, WeightsError> + Send + Sync;

/// A tensor whose values are read when they are asked for.
#[derive(Clone)]
pub struct StoredTensor {
    /// In PyTorch's layout.
    pub shape: Vec<usize>,
    read: Arc<Read>,
}

impl StoredTensor {
    pub(super) fn new(
        shape: Vec<usize>,
        read: impl Fn() -> Result<Vec<f32>, WeightsError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            shape,
            read: Arc::new(read),
        }
    }

    /// The values, row-major, as f32.
    ///
    /// # Errors
    /// If they cannot be read, are no floating-point numbers, or are fewer than the shape says.
    pub fn read(&self) -> Result<Vec<f32>, WeightsError> {
        (self.read)()
    }
}

impl fmt::Debug for StoredTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredTensor")
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}

/// A file's tensors, and what it says of itself.
#[derive(Clone, Debug, Default)]
pub struct Checkpoint {
    /// By key, in the older of torchvision's two layouts; counters of training batches left out.
    pub tensors: BTreeMap<String, StoredTensor>,
    /// What the file says of itself.
    pub metadata: Metadata,
}

impl Checkpoint {
    /// A safetensors file in memory.
    ///
    /// # Errors
    /// If it is none, or its metadata are not as this crate writes them.
    pub fn from_safetensors(bytes: Vec<u8>) -> Result<Self, WeightsError> {
        safetensors::read(bytes)
    }

    /// A file, its format recognized by its content: safetensors or PyTorch (zip or older). Nothing
    /// in it is executed. Files that torchvision published are known by their hash.
    ///
    /// # Errors
    /// If it cannot be read, is of another format, or is broken.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn open(path: &std::path::Path) -> Result<Self, WeightsError> {
        use std::io::Read;

        let mut start = Vec::new();
        std::fs::File::open(path)?.take(9).read_to_end(&mut start)?;
        match start.as_slice() {
            [] => Err(WeightsError::Empty),
            // A header's length in eight bytes, then the header, a JSON object.
            [_, _, _, _, _, _, _, _, b'{'] => Self::from_safetensors(std::fs::read(path)?),
            [b'P', b'K', ..] | [0x80, ..] => super::pytorch::read(path),
            _ => Err(WeightsError::UnknownFormat),
        }
    }

    /// Tensors by the keys of their origin.
    pub(super) fn new(
        tensors: impl IntoIterator<Item = (String, StoredTensor)>,
        metadata: Metadata,
    ) -> Result<Self, WeightsError> {
        let mut checkpoint = Self {
            metadata,
            ..Self::default()
        };
        for (key, tensor) in tensors {
            if key.ends_with(".num_batches_tracked") {
                continue;
            }
            let key = keys::older_layout(&key);
            if checkpoint.tensors.insert(key.clone(), tensor).is_some() {
                return Err(WeightsError::Twice { tensor: key });
            }
        }
        Ok(checkpoint)
    }

    /// The checkpoint as safetensors, keys unchanged. With `f16` the weights of layers are halved;
    /// biases and batch norms stay f32, whose variances would vanish.
    ///
    /// # Errors
    /// If a tensor cannot be read, or holds a number too large for f16.
    pub fn to_safetensors(&self, f16: bool) -> Result<Vec<u8>, WeightsError> {
        safetensors::write(self, f16)
    }
}
