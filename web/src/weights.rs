//! A checkpoint on its way into the page.

use fpn_wgpu::weights::Checkpoint;
use wasm_bindgen::prelude::*;

/// A safetensors file, as it arrives.
#[wasm_bindgen]
pub struct Weights {
    bytes: Vec<u8>,
}

#[wasm_bindgen]
impl Weights {
    /// Nothing yet, with room for `expected` bytes.
    #[wasm_bindgen(constructor)]
    pub fn new(expected: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(expected),
        }
    }

    /// The bytes that came next.
    pub fn append(&mut self, part: &[u8]) {
        self.bytes.extend_from_slice(part);
    }
}

impl Weights {
    /// # Errors
    /// If the file is broken.
    pub fn checkpoint(self) -> Result<Checkpoint, JsError> {
        Checkpoint::from_safetensors(self.bytes)
            .map_err(|error| JsError::new(&format!("the weights file {error}")))
    }
}
