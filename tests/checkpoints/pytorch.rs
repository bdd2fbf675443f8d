//! A writer of PyTorch's files, for the reader's tests: the pickle of a state dict as `torch.save`
//! makes it, in a zip or in the format before that.

use std::collections::BTreeMap;

/// Shape and values by key.
pub type StateDict = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Opcodes of pickle's protocol 2, as far as they are needed.
struct Pickle(Vec<u8>);

impl Pickle {
    fn new() -> Self {
        Self(b"\x80\x02".to_vec())
    }

    fn code(&mut self, code: &[u8]) -> &mut Self {
        self.0.extend(code);
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        let length = text.len() as u32;
        self.code(b"X")
            .code(&length.to_le_bytes())
            .code(text.as_bytes())
    }

    fn integer(&mut self, value: usize) -> &mut Self {
        self.code(b"J").code(&(value as i32).to_le_bytes())
    }

    fn tuple(&mut self, values: &[usize]) -> &mut Self {
        self.code(b"(");
        for &value in values {
            self.integer(value);
        }
        self.code(b"t")
    }

    /// A contiguous tensor of f32 on the storage `storage`.
    fn tensor(&mut self, storage: usize, shape: &[usize]) -> &mut Self {
        let strides: Vec<usize> = (0..shape.len())
            .map(|axis| shape[axis + 1..].iter().product())
            .collect();
        self.code(b"ctorch._utils\n_rebuild_tensor_v2\n((")
            .text("storage")
            .code(b"ctorch\nFloatStorage\n")
            .text(&storage.to_string())
            .text("cpu")
            .integer(shape.iter().product())
            // The storage is a persistent id; then its offset, and what comes after the strides:
            // no gradient, no hooks.
            .code(b"tQ")
            .integer(0)
            .tuple(shape)
            .tuple(&strides)
            .code(b"\x89}tR")
    }

    /// A dictionary of tensors, storages numbered in their order.
    fn state_dict(&mut self, tensors: &StateDict) -> &mut Self {
        self.code(b"}(");
        for (storage, (key, (shape, _))) in tensors.iter().enumerate() {
            self.text(key).tensor(storage, shape);
        }
        self.code(b"u")
    }

    fn finish(&mut self) -> Vec<u8> {
        self.code(b".").0.clone()
    }
}

/// The pickle of a state dict, by itself or as `{"epoch": 3, "pooling_mode": "align", wrapper: state_dict}`.
fn pickle(tensors: &StateDict, wrapper: Option<&str>) -> Vec<u8> {
    let mut pickle = Pickle::new();
    match wrapper {
        None => pickle.state_dict(tensors),
        Some(wrapper) => pickle
            .code(b"}")
            .text("epoch")
            .integer(3)
            .code(b"s")
            .text("pooling_mode")
            .text("align")
            .code(b"s")
            .text(wrapper)
            .state_dict(tensors)
            .code(b"s"),
    };
    pickle.finish()
}

fn storage(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// As `torch.save` writes it today.
pub fn zipped(tensors: &StateDict, wrapper: Option<&str>) -> Vec<u8> {
    let mut entries = vec![("archive/data.pkl".to_owned(), pickle(tensors, wrapper))];
    for (number, (_, values)) in tensors.values().enumerate() {
        entries.push((format!("archive/data/{number}"), storage(values)));
    }
    zip(&entries)
}

/// As `torch.save` wrote it before PyTorch 1.6.
pub fn legacy(tensors: &StateDict) -> Vec<u8> {
    let magic = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.";
    let protocol = Pickle::new().integer(1001).finish();
    let system = Pickle::new()
        .code(b"}")
        .text("little_endian")
        .code(b"\x88s")
        .finish();
    let mut keys = Pickle::new();
    keys.code(b"](");
    for number in 0..tensors.len() {
        keys.text(&number.to_string());
    }
    let mut file = [
        magic.as_slice(),
        &protocol,
        &system,
        &pickle(tensors, None),
        &keys.code(b"e").finish(),
    ]
    .concat();
    for (_, values) in tensors.values() {
        file.extend((values.len() as u64).to_le_bytes());
        file.extend(storage(values));
    }
    file
}

/// A zip of stored entries. Their checksums are 0, as PyTorch leaves them when told to save time.
fn zip(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in entries {
        let offset = file.len() as u32;
        let size = (data.len() as u32).to_le_bytes();
        // Version 2.0, no flags, stored, midnight on 1 January 1980, no checksum.
        let start = b"\x14\0\0\0\0\0\0\0\x21\0\0\0\0\0".as_slice();
        let lengths = [name.len() as u8, 0, 0, 0];
        let common = [start, &size, &size, &lengths].concat();
        file.extend([b"PK\x03\x04", common.as_slice(), name.as_bytes(), data].concat());
        // No comment, disk 0, no attributes.
        let rest = [[0; 10].as_slice(), &offset.to_le_bytes(), name.as_bytes()].concat();
        directory.extend([b"PK\x01\x02\x14\0".as_slice(), &common, &rest].concat());
    }
    let count = (entries.len() as u16).to_le_bytes();
    let size = (directory.len() as u32).to_le_bytes();
    let offset = (file.len() as u32).to_le_bytes();
    file.extend(directory);
    let end = [
        b"PK\x05\x06\0\0\0\0".as_slice(),
        &count,
        &count,
        &size,
        &offset,
        &[0; 2],
    ];
    file.extend(end.concat());
    file
}
