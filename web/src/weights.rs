//! A checkpoint on its way into the page.

use fpn_wgpu::models::Source;
use fpn_wgpu::weights::{Checkpoint, official};
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

/// Weights that others published: for which model, and where they are.
#[wasm_bindgen(getter_with_clone)]
pub struct Published {
    pub model: String,
    pub url: String,
}

/// The published weights of this name, as `fpn detect --weights` takes it, of `model` if that is named.
///
/// # Errors
/// If there are none, or only a person can fetch them.
#[wasm_bindgen]
pub fn published(name: &str, model: Option<String>) -> Result<Published, JsError> {
    let known = match &model {
        None => official::find(name, None),
        // No model of another name has any.
        Some(model) => model
            .parse()
            .ok()
            .and_then(|model| official::find(name, Some(model))),
    };
    let of = model.map_or(String::new(), |model| format!(" for {model}"));
    let known =
        known.ok_or_else(|| JsError::new(&format!("no weights '{name}' are published{of}")))?;
    match known.file.source {
        Source::Folder(folder) => Ok(Published {
            model: known.model.name().to_owned(),
            url: format!("{folder}{}", known.file.file_name),
        }),
        Source::Page(page) => Err(JsError::new(&format!(
            "the weights '{name}'{of} must be fetched by hand, from {page}"
        ))),
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
