//! Tensors by name, whatever file they came from.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use burn::module::Module;

use super::format::Format;
use super::{Metadata, WeightsError, extras, model_zoo, official, pytorch, safetensors};
use crate::models::{Architecture, parameters};

/// How many values [`StoredTensor::parts`] reads at once: some milliseconds' work.
const PART: usize = 1 << 18;

type Values = Result<Vec<f32>, WeightsError>;

/// A tensor whose values are read when they are asked for.
#[derive(Clone)]
pub struct StoredTensor {
    /// In PyTorch's layout.
    pub shape: Vec<usize>,
    source: Source,
}

/// How a file gives a tensor.
#[derive(Clone)]
enum Source {
    Whole(Arc<dyn Fn() -> Values + Send + Sync>),
    Parts(Arc<dyn Fn(Range<usize>) -> Values + Send + Sync>),
}

impl StoredTensor {
    /// A tensor in memory: its values row-major, in PyTorch's layout.
    pub fn of(shape: Vec<usize>, values: Vec<f32>) -> Self {
        Self::whole(shape, move || Ok(values.clone()))
    }

    /// A tensor of which `read` gives all values.
    pub(crate) fn whole(
        shape: Vec<usize>,
        read: impl Fn() -> Values + Send + Sync + 'static,
    ) -> Self {
        Self {
            shape,
            source: Source::Whole(Arc::new(read)),
        }
    }

    /// A tensor of which `read` gives a range of the values.
    pub(super) fn in_parts(
        shape: Vec<usize>,
        read: impl Fn(Range<usize>) -> Values + Send + Sync + 'static,
    ) -> Self {
        Self {
            shape,
            source: Source::Parts(Arc::new(read)),
        }
    }

    /// The same tensor, its values passed to `check` whenever they are read.
    pub(super) fn checked(
        self,
        check: impl Fn(&[f32]) -> Result<(), WeightsError> + Send + Sync + 'static,
    ) -> Self {
        let checked = move |values: Vec<f32>| check(&values).map(|()| values);
        match self.source {
            Source::Whole(read) => Self::whole(self.shape, move || checked(read()?)),
            Source::Parts(read) => Self::in_parts(self.shape, move |part| checked(read(part)?)),
        }
    }

    /// The values, row-major, as f32.
    ///
    /// # Errors
    /// If they cannot be read, are no floating-point numbers, or are fewer than the shape says.
    pub fn read(&self) -> Result<Vec<f32>, WeightsError> {
        match &self.source {
            Source::Whole(read) => read(),
            Source::Parts(read) => read(0..self.shape.iter().product()),
        }
    }

    /// The values in parts, each some whole entries of the first dimension, with the index of its
    /// first. What a file gives only as a whole is one part.
    pub(crate) fn parts(
        &self,
    ) -> impl Iterator<Item = Result<(usize, Vec<f32>), WeightsError>> + use<'_> {
        let entries = self.shape.first().copied().unwrap_or(1);
        let entry: usize = self.shape.iter().skip(1).product();
        let step = match self.source {
            Source::Whole(_) => entries,
            Source::Parts(_) => PART / entry.max(1),
        };
        let step = step.max(1);
        (0..entries).step_by(step).map(move |first| {
            let values = match &self.source {
                Source::Whole(read) => read(),
                Source::Parts(read) => read(first * entry..entries.min(first + step) * entry),
            };
            Ok((first, values?))
        })
    }
}

impl fmt::Debug for StoredTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredTensor")
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}

/// The part that only training uses and a key is of, if it is of one.
fn training_part(architecture: Architecture, key: &str) -> Option<&'static str> {
    let mut parts = architecture.specification().training_parts.iter();
    parts.find(|part| key.starts_with(**part)).copied()
}

/// A file's tensors, and what it says of itself.
#[derive(Clone, Debug, Default)]
pub struct Checkpoint {
    /// By the file's keys, without the prefix that PyTorch's `DataParallel` adds; counters of
    /// training batches left out.
    pub tensors: BTreeMap<String, StoredTensor>,
    /// What the file says of itself.
    pub metadata: Metadata,
}

impl Checkpoint {
    /// The parameters of a module, by their paths.
    pub fn of(module: &impl Module) -> Self {
        let mut checkpoint = Self::default();
        parameters::for_each(module, |parameter| {
            let tensor = StoredTensor::of(parameter.shape.clone(), parameter.values());
            checkpoint.tensors.insert(parameter.path, tensor);
        });
        checkpoint
    }

    /// A safetensors file in memory.
    ///
    /// # Errors
    /// If it is none, or its metadata are not as this crate writes them.
    pub fn from_safetensors(bytes: Vec<u8>) -> Result<Self, WeightsError> {
        safetensors::read(bytes)
    }

    /// A file in memory, its format recognized by its content: safetensors, PyTorch (zip or older), or a pickle
    /// of detectron2's model zoo. Nothing in it is executed. Files that were published are known by their hash.
    ///
    /// # Errors
    /// If it is of another format, or is broken.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, WeightsError> {
        let sha256 = match Format::of(&bytes)? {
            Format::Zip | Format::Pickles => official::sha256(&*bytes)?,
            Format::Safetensors | Format::ModelZoo => String::new(),
        };
        Self::from_hashed_bytes(bytes, &sha256)
    }

    /// The same of bytes whose SHA-256 is known, in hexadecimal digits, as where they arrived one after the other.
    ///
    /// # Errors
    /// If the file is of another format, or is broken.
    pub fn from_hashed_bytes(bytes: Vec<u8>, sha256: &str) -> Result<Self, WeightsError> {
        let metadata = || official::by_sha256(sha256).unwrap_or_default();
        match Format::of(&bytes)? {
            Format::Safetensors => Self::from_safetensors(bytes),
            Format::ModelZoo => model_zoo::read(bytes),
            Format::Zip => pytorch::read_archive(std::io::Cursor::new(bytes), metadata()),
            Format::Pickles => pytorch::read_pickles(bytes, metadata()),
        }
    }

    /// The same of a file on disk. Of a zip no more is read than is asked for.
    ///
    /// # Errors
    /// If it cannot be read, is of another format, or is broken.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn open(path: &std::path::Path) -> Result<Self, WeightsError> {
        use std::fs::{self, File};

        match Format::of(&first_bytes(path)?)? {
            Format::Zip => {
                let sha256 = official::sha256(File::open(path)?)?;
                let metadata = official::by_sha256(&sha256).unwrap_or_default();
                pytorch::read_archive(File::open(path)?, metadata)
            }
            _ => Self::from_bytes(fs::read(path)?),
        }
    }

    /// Whether a file begins as the checkpoints do that [`open`](Self::open) reads. What cannot be read is none.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn is_in(path: &std::path::Path) -> bool {
        path.is_file() && first_bytes(path).is_ok_and(|start| Format::of(&start).is_ok())
    }

    /// The same of bytes in memory.
    pub fn is_in_bytes(bytes: &[u8]) -> bool {
        Format::of(bytes).is_ok()
    }

    /// Tensors by a file's keys.
    pub(super) fn new(
        tensors: impl IntoIterator<Item = (String, StoredTensor)>,
        metadata: Metadata,
    ) -> Result<Self, WeightsError> {
        let tensors = tensors.into_iter();
        let tensors = tensors.filter(|(key, _)| !key.ends_with(".num_batches_tracked"));
        let tensors = tensors.map(|(key, tensor)| match key.strip_prefix("module.") {
            Some(rest) => (rest.to_owned(), tensor),
            None => (key, tensor),
        });
        Self::without_repeats(tensors, metadata)
    }

    /// The same tensors by the keys that `architecture` gives them, however the file spells those, without
    /// those that are no parameters of its.
    ///
    /// # Errors
    /// If two of the file's keys mean one tensor.
    pub fn in_layout_of(&self, architecture: Architecture) -> Result<Self, WeightsError> {
        let specification = architecture.specification();
        let layout = specification.layout;
        let tensors = self.tensors.iter();
        let tensors =
            tensors.filter(|(key, _)| !specification.has_extras || !extras::is_extra(key));
        let tensors = tensors.map(|(key, tensor)| (layout(key), tensor.clone()));
        let tensors = tensors.filter(|(key, _)| training_part(architecture, key).is_none());
        Self::without_repeats(tensors, self.metadata.clone())
    }

    /// How many tensors there are that [`in_layout_of`](Self::in_layout_of) passes over because only training uses
    /// them, and of which parts they are.
    pub fn training_parts(&self, architecture: Architecture) -> (usize, BTreeSet<&'static str>) {
        let layout = architecture.specification().layout;
        let keys = self.tensors.keys();
        let parts: Vec<_> = keys
            .filter_map(|key| training_part(architecture, &layout(key)))
            .collect();
        (parts.len(), parts.into_iter().collect())
    }

    fn without_repeats(
        tensors: impl Iterator<Item = (String, StoredTensor)>,
        metadata: Metadata,
    ) -> Result<Self, WeightsError> {
        let mut checkpoint = Self {
            metadata,
            ..Self::default()
        };
        for (key, tensor) in tensors {
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

/// What a file's format is recognized by; less of a shorter file.
#[cfg(not(target_arch = "wasm32"))]
fn first_bytes(path: &std::path::Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;

    use super::format::START;

    let mut start = Vec::new();
    std::fs::File::open(path)?
        .take(START)
        .read_to_end(&mut start)?;
    Ok(start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::Specification;

    #[test]
    fn what_only_training_uses_is_passed_over_and_told() {
        static SPECIFICATION: Specification = Specification {
            name: "with_helpers",
            training_parts: &["aux_fpn.", "aux_head."],
            layout: |key| key.replace("old_fpn", "aux_fpn"),
            ..Specification::PLAIN
        };
        let architecture = Architecture(&SPECIFICATION);
        let keys = [
            "aux_fpn.bias",
            "old_fpn.weight",
            "aux_head.bias",
            "aux_headless.bias",
            "fpn.aux_fpn.bias",
        ];
        let tensor = || StoredTensor::of(vec![1], vec![0.0]);
        let checkpoint = Checkpoint {
            tensors: keys.map(|key| (key.to_owned(), tensor())).into(),
            ..Checkpoint::default()
        };
        let parts = BTreeSet::from(["aux_fpn.", "aux_head."]);
        assert_eq!(checkpoint.training_parts(architecture), (3, parts));
        let left = checkpoint
            .in_layout_of(architecture)
            .expect("nothing is there twice");
        assert!(
            left.tensors
                .keys()
                .eq(["aux_headless.bias", "fpn.aux_fpn.bias"])
        );
    }
}
