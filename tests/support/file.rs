//! Files of expected tensors: the goldens of this folder, and those shared between checkouts.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use burn::tensor::{Device, Tensor, TensorData};
use safetensors::{Dtype, SafeTensors};

/// A safetensors file in memory. Whatever is asked of it must be there: its absence is a broken
/// checkout, so every method panics with the file's name.
pub struct TensorFile {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl TensorFile {
    pub fn open(path: PathBuf) -> Self {
        let bytes =
            std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { path, bytes }
    }

    /// `tests/goldens/<name>.safetensors`, made by the scripts beside it.
    pub fn golden(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens");
        Self::open(folder.join(name).with_added_extension("safetensors"))
    }

    /// The names of the goldens that are wanted, sorted.
    pub fn goldens(is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goldens");
        let files = std::fs::read_dir(folder).expect("the folder of the goldens");
        let mut names: Vec<String> = files
            .filter_map(|file| file.expect("a file").file_name().into_string().ok())
            .filter_map(|name| Some(name.strip_suffix(".safetensors")?.to_owned()))
            .filter(|name| is_wanted(name))
            .collect();
        names.sort();
        names
    }

    /// An entry of the file's string map.
    pub fn metadata(&self, key: &str) -> String {
        let value = self.find_metadata(key);
        value.unwrap_or_else(|| panic!("{}: no metadata '{key}'", self.path.display()))
    }

    /// The same, where it may be missing.
    pub fn find_metadata(&self, key: &str) -> Option<String> {
        let (_, header) = SafeTensors::read_metadata(&self.bytes).expect("a safetensors header");
        header.metadata().as_ref()?.get(key).cloned()
    }

    /// An entry of the file's string map, as the number it stands for.
    pub fn number<T: FromStr>(&self, key: &str) -> T {
        let value = self.metadata(key);
        value.parse().unwrap_or_else(|_| {
            panic!("{}: metadata '{key}' is '{value}'", self.path.display());
        })
    }

    /// What the names of tensors that begin so go on with.
    pub fn names(&self, beginning: &str) -> Vec<String> {
        let file = SafeTensors::deserialize(&self.bytes).expect("a safetensors file");
        let names = file.names().into_iter();
        let ends = names.filter_map(|name| name.strip_prefix(beginning));
        ends.map(str::to_owned).collect()
    }

    pub fn shape(&self, name: &str) -> Vec<usize> {
        self.read(name).0
    }

    pub fn floats(&self, name: &str) -> Vec<f32> {
        self.numbers(name, Dtype::F32, f32::from_le_bytes)
    }

    pub fn bytes(&self, name: &str) -> Vec<u8> {
        self.numbers(name, Dtype::U8, |[byte]| byte)
    }

    pub fn integers(&self, name: &str) -> Vec<i64> {
        self.numbers(name, Dtype::I64, i64::from_le_bytes)
    }

    /// Integers that stand for sizes, indices or labels.
    pub fn counts(&self, name: &str) -> Vec<usize> {
        let counts = self.integers(name).into_iter();
        counts
            .map(|value| usize::try_from(value).expect("no count is negative"))
            .collect()
    }

    /// Rows of four.
    pub fn boxes(&self, name: &str) -> Vec<[f32; 4]> {
        let values = self.floats(name);
        let (boxes, rest) = values.as_chunks();
        assert!(rest.is_empty(), "{}: '{name}'", self.path.display());
        boxes.to_vec()
    }

    /// Floats as a tensor of the CPU engine.
    pub fn tensor<const D: usize>(&self, name: &str) -> Tensor<D> {
        let data = TensorData::new(self.floats(name), self.shape(name));
        Tensor::from_data(data, &Device::flex())
    }

    fn numbers<const N: usize, T>(
        &self,
        name: &str,
        dtype: Dtype,
        read: fn([u8; N]) -> T,
    ) -> Vec<T> {
        let (_, found, bytes) = self.read(name);
        assert_eq!(found, dtype, "{}: '{name}'", self.path.display());
        let (chunks, _) = bytes.as_chunks();
        chunks.iter().map(|chunk| read(*chunk)).collect()
    }

    fn read(&self, name: &str) -> (Vec<usize>, Dtype, &[u8]) {
        let file = SafeTensors::deserialize(&self.bytes).expect("a safetensors file");
        let tensor = file
            .tensor(name)
            .unwrap_or_else(|error| panic!("{}: {error}", self.path.display()));
        (tensor.shape().to_vec(), tensor.dtype(), tensor.data())
    }
}

/// A file of the folder beside the checkout, which holds what is too large or too foreign for the
/// repository. Where it is missing the caller has nothing to test, and the output says so.
pub fn shared(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../shared")
        .join(path);
    let exists = path.exists();
    if !exists {
        eprintln!("not run: {} is missing", path.display());
    }
    exists.then_some(path)
}

/// The values that the goldens keep of a large tensor: at most `limit`, at the flat indices
/// floor((2k + 1) N / 2n).
pub fn sample(values: &[f32], limit: usize) -> Vec<f32> {
    let (count, kept) = (values.len(), values.len().min(limit));
    (0..kept)
        .map(|k| values[(2 * k + 1) * count / (2 * kept)])
        .collect()
}
