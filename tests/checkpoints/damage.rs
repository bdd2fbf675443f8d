//! Damaged files: whatever is wrong, reading gives an error or tensors, never a panic, and asks for
//! no more memory than the allocator of these tests grants.

use std::path::Path;

use fpn_wgpu::models::ModelConfig;
use fpn_wgpu::models::retinaface::MOBILENET025;
use fpn_wgpu::weights::{self, Checkpoint};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::files::{Parts, retinaface};
use crate::model_zoo::file as zoo;
use crate::origins::open;
use crate::pytorch::{StateDict, legacy, zipped};
use crate::torch_files::path as torch_file;

#[derive(Clone, Debug)]
enum Damage {
    Flip(Index, u8),
    /// A number as large as can be, or nearly.
    Exaggerate(Index, u32),
    Insert(Index, Vec<u8>),
    Delete(Index, usize),
    Truncate(Index),
}

impl Damage {
    fn any() -> impl Strategy<Value = Vec<Self>> {
        let place = any::<Index>;
        let one = prop_oneof![
            4 => (place(), 0..8_u32).prop_map(|(at, bit)| Self::Flip(at, 1 << bit)),
            2 => (place(), 0..4_u32).prop_map(|(at, less)| Self::Exaggerate(at, u32::MAX >> less)),
            1 => (place(), prop::collection::vec(any::<u8>(), 1..9))
                .prop_map(|(at, bytes)| Self::Insert(at, bytes)),
            1 => (place(), 1..9_usize).prop_map(|(at, count)| Self::Delete(at, count)),
            1 => place().prop_map(Self::Truncate),
        ];
        prop::collection::vec(one, 1..5)
    }

    /// `part` is how much of the file, from its start, may be hit.
    fn apply(&self, bytes: &mut Vec<u8>, part: usize) {
        let size = bytes.len().min(part);
        if size == 0 {
            return;
        }
        match self {
            Self::Flip(at, bits) => bytes[at.index(size)] ^= bits,
            Self::Exaggerate(at, number) => {
                let at = at.index(size);
                let target = bytes[at..].iter_mut();
                target
                    .zip(number.to_le_bytes())
                    .for_each(|(byte, new)| *byte = new);
            }
            Self::Insert(at, new) => {
                let at = at.index(size);
                bytes.splice(at..at, new.iter().copied());
            }
            Self::Delete(at, count) => {
                let at = at.index(size);
                bytes.drain(at..(at + count).min(bytes.len()));
            }
            Self::Truncate(at) => bytes.truncate(at.index(size)),
        }
    }
}

/// Read all there is in a damaged file, and load it.
fn survive(whole: &[u8], damages: &[Damage], part: usize) -> Result<(), TestCaseError> {
    let mut bytes = whole.to_vec();
    damages
        .iter()
        .for_each(|damage| damage.apply(&mut bytes, part));
    let said = |error: weights::WeightsError| {
        prop_assert!(!error.to_string().contains('\n'), "one sentence: {}", error);
        Ok(())
    };
    let from_memory = Checkpoint::from_bytes(bytes.clone()).map_err(|error| error.to_string());
    let checkpoint = match open(&bytes) {
        Ok(checkpoint) => checkpoint,
        Err(error) => {
            prop_assert_eq!(from_memory.map(drop), Err(error.to_string()));
            return said(error);
        }
    };
    prop_assert!(from_memory.is_ok());
    for tensor in checkpoint.tensors.values() {
        match tensor.read() {
            Ok(values) => prop_assert_eq!(values.len(), tensor.shape.iter().product::<usize>()),
            Err(error) => said(error)?,
        }
    }
    let config = ModelConfig::of(MOBILENET025);
    weights::load(&config, &checkpoint).map(drop).or_else(said)
}

/// A file of a few hundred bytes, so that every field of its format is hit often.
fn small() -> StateDict {
    [
        ("conv.weight", vec![2, 1, 1, 2]),
        ("conv.bias", vec![2]),
        ("eps", vec![]),
    ]
    .map(|(key, shape)| {
        let values = vec![0.25; shape.iter().product()];
        (key.to_owned(), (shape, values))
    })
    .into()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn small_safetensors(damages in Damage::any()) {
        let whole = Parts { metadata: Default::default(), tensors: small() }.to_bytes();
        survive(&whole, &damages, usize::MAX)?;
    }

    #[test]
    fn small_zip(damages in Damage::any()) {
        survive(&zipped(&small(), Some("model")), &damages, usize::MAX)?;
    }

    #[test]
    fn small_legacy_file(damages in Damage::any()) {
        survive(&legacy(&small()), &damages, usize::MAX)?;
    }
}

/// With views, parameters, objects and sums, as PyTorch writes them.
fn written_by_torch(name: &str) -> Vec<u8> {
    std::fs::read(torch_file(name)).expect("a golden")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn small_files_of_torch(
        damages in Damage::any(),
        name in prop::sample::select(vec!["plain", "packed", "lightning", "module", "older"]),
    ) {
        survive(&written_by_torch(name), &damages, usize::MAX)?;
    }

    #[test]
    fn small_model_zoo_file(damages in Damage::any(), protocol in 2..=4) {
        survive(&zoo(&format!("protocol{protocol}")), &damages, usize::MAX)?;
    }
}

/// A whole model's header takes the first tens of thousands of bytes: half of the damage goes there.
fn part() -> impl Strategy<Value = usize> {
    prop_oneof![Just(30_000), Just(usize::MAX)]
}

/// As many cases as take a second or two.
fn survive_often(whole: &[u8]) {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(100));
    let survived = runner.run(&(Damage::any(), part()), |(damages, part)| {
        survive(whole, &damages, part)
    });
    survived.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_model_as_safetensors() {
    survive_often(&retinaface());
}

#[test]
fn a_model_as_zip() {
    survive_often(&zipped(&Parts::of(&retinaface()).tensors, None));
}

#[test]
fn a_model_that_pytorch_wrote() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = path.join("../shared/weights/retinaface_mobilenet025.pth");
    match std::fs::read(&path) {
        Ok(whole) => survive_often(&whole),
        Err(error) => eprintln!("not run: {}: {error}", path.display()),
    }
}
