//! Files that PyTorch itself wrote (`tests/goldens/torch_files.py`), from a path and from memory.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use fpn_wgpu::weights::{Checkpoint, StoredTensor, WeightsError};

/// Shape and values by key; values as bits, so that NaN equals itself.
type Found = BTreeMap<String, (Vec<usize>, Vec<u32>)>;

/// A file of the goldens.
pub fn path(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/torch_files");
    folder.join(format!("{name}.pth"))
}

/// All tensors of a file, whole and in parts, by whichever way they are read.
fn read(path: &Path) -> Result<Found, WeightsError> {
    let of = |checkpoint: Checkpoint| -> Result<Found, WeightsError> {
        let tensors = checkpoint.tensors.iter();
        let tensors = tensors.map(|(key, tensor): (_, &StoredTensor)| {
            let values = tensor.read()?.into_iter().map(f32::to_bits).collect();
            Ok((key.clone(), (tensor.shape.clone(), values)))
        });
        tensors.collect()
    };
    let from_path = of(Checkpoint::open(path)?);
    let bytes = fs::read(path).expect("it was read before");
    let from_bytes = of(Checkpoint::from_bytes(bytes)?);
    match (from_path, from_bytes) {
        (Ok(a), Ok(b)) => {
            assert_eq!(a, b);
            Ok(a)
        }
        (Err(a), Err(b)) => {
            assert_eq!(a.to_string(), b.to_string());
            Err(a)
        }
        (a, b) => panic!("{a:?}, but from memory {b:?}"),
    }
}

/// The tensor of that number in the golden's list.
fn tensor(k: usize, shape: &[usize]) -> (Vec<usize>, Vec<u32>) {
    let count = shape.iter().product::<usize>();
    let values = (0..count).map(|index| (0.5 * index as f32 - k as f32).to_bits());
    (shape.to_vec(), values.collect())
}

fn expected() -> Found {
    let numbered: [(&str, &[usize]); 8] = [
        ("matrix", &[2, 3]),
        ("turned", &[3, 2]),
        ("row", &[3]),
        ("half", &[2, 1, 2]),
        ("brain", &[4]),
        ("double", &[2]),
        ("scalar", &[]),
        ("parameter", &[2, 2]),
    ];
    let mut found: Found = numbered
        .iter()
        .enumerate()
        .map(|(k, (key, shape))| ((*key).to_owned(), tensor(k, shape)))
        .collect();
    found.insert("empty".to_owned(), (vec![0, 3], Vec::new()));
    // On the same storage as the matrix.
    found.insert("again".to_owned(), tensor(0, &[2, 3]));
    let part = tensor(0, &[2, 3]).1.split_off(3);
    found.insert("part".to_owned(), (vec![3], part));
    found
}

#[test]
fn everything_a_state_dict_may_hold() {
    for name in ["plain", "protocol4", "packed", "lightning", "older"] {
        let found = read(&path(name)).unwrap_or_else(|error| panic!("{name} {error}"));
        assert_eq!(found, expected(), "{name}");
    }
}

#[test]
fn a_whole_module_is_its_state_dict() {
    let found = read(&path("module")).expect("it can be read");
    let expected = [
        ("inner.bias", tensor(3, &[1])),
        ("inner.weight", tensor(2, &[1, 2])),
        ("kept", tensor(0, &[2])),
    ];
    assert_eq!(
        found,
        expected
            .map(|(key, tensor)| (key.to_owned(), tensor))
            .into()
    );
}

#[test]
fn what_are_no_plain_tensors_is_refused() {
    let file = "is no readable PyTorch checkpoint: ";
    for (name, said) in [
        (
            "sparse",
            "it makes something of a tensor by torch._utils._rebuild_sparse_tensor, which is none of the ways that \
             plain tensors are made by",
        ),
        (
            "complex",
            "it refers to a storage of torch.ComplexFloatStorage, which is of no known kind of numbers",
        ),
        (
            "list",
            "Expected a dictionary at the root of the PyTorch file, found list",
        ),
    ] {
        let error = read(&path(name)).expect_err(name);
        assert_eq!(error.to_string(), format!("{file}{said}"));
    }
    let error = read(&path("bzip2")).expect_err("no crate unpacks it");
    assert!(
        error
            .to_string()
            .contains("'archive/byteorder' in the archive: "),
        "{error}"
    );
}

/// The sum of each storage's bytes is kept beside them.
#[test]
fn a_changed_number_is_found() {
    let whole = fs::read(path("plain")).expect("a golden");
    // -4.0 in bfloat16, twice: no other tensor begins so.
    let brain = [0x80, 0xc0, 0x60, 0xc0, 0x40, 0xc0, 0x20, 0xc0];
    let mut places = whole.windows(brain.len()).enumerate();
    let (place, _) = places
        .find(|(_, bytes)| *bytes == brain)
        .expect("its values");
    let mut changed = whole.clone();
    changed[place] ^= 1;
    let checkpoint = Checkpoint::from_bytes(changed).expect("its contents are sound");
    for (key, tensor) in &checkpoint.tensors {
        match (key.as_str(), tensor.read()) {
            ("brain", Err(error)) => {
                let said = error.to_string();
                assert!(said.ends_with("in the archive: Invalid checksum"), "{said}");
            }
            ("brain", Ok(values)) => panic!("{values:?}"),
            (key, read) => drop(read.unwrap_or_else(|error| panic!("{key}: {error}"))),
        }
    }
}

#[test]
fn a_cut_file_is_refused() {
    let whole = fs::read(path("plain")).expect("a golden");
    for length in 2..whole.len() {
        let read = Checkpoint::from_bytes(whole[..length].to_vec());
        let error = read.expect_err("it is cut short").to_string();
        assert!(
            error.contains("its archive is cut short or broken: "),
            "{length}: {error}"
        );
    }
}

#[test]
fn published_weights_are_the_same_from_memory() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/weights");
    for (name, tensors) in [
        ("retinaface_mobilenet025.pth", 253),
        ("nanodet_m_320.pth", 421 - 67),
        ("nanodet_plus_m_416.pth", 645 - 106),
    ] {
        let path = shared.join(name);
        if !path.is_file() {
            eprintln!("not run: {} is missing", path.display());
            continue;
        }
        let found = read(&path).unwrap_or_else(|error| panic!("{name} {error}"));
        assert_eq!(found.len(), tensors, "{name}");
    }
}
