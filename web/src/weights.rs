//! A checkpoint on its way into the page.

use fpn_wgpu::weights::Checkpoint;
use sha2::{Digest, Sha256};
use wasm_bindgen::prelude::*;

/// A checkpoint's file, as it arrives: safetensors or PyTorch's.
#[wasm_bindgen]
pub struct Weights {
    bytes: Vec<u8>,
    /// Made part by part, because all at once it would hold the page up.
    hasher: Sha256,
}

#[wasm_bindgen]
impl Weights {
    /// Nothing yet, with room for `expected` bytes.
    #[wasm_bindgen(constructor)]
    pub fn new(expected: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(expected),
            hasher: Sha256::new(),
        }
    }

    /// The bytes that came next.
    pub fn append(&mut self, part: &[u8]) {
        self.bytes.extend_from_slice(part);
        self.hasher.update(part);
    }
}

impl Weights {
    /// # Errors
    /// If the file is broken.
    pub fn checkpoint(self) -> Result<Checkpoint, JsError> {
        let digest = self.hasher.finalize();
        let sha256: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Checkpoint::from_hashed_bytes(self.bytes, &sha256)
            .map_err(|error| JsError::new(&format!("the weights file {error}")))
    }
}
