//! Files that the tests make: a small checkpoint, whole or with something wrong.

use std::collections::{BTreeMap, HashMap};

use fpn_wgpu::models::ModelConfig;
use fpn_wgpu::models::retinaface::MOBILENET025;
use fpn_wgpu::weights::seeded;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;

/// Seeded weights of the smallest model, as a safetensors file that names the model.
pub fn retinaface() -> Vec<u8> {
    let config = ModelConfig::of(MOBILENET025);
    let written = seeded(&config, 1).to_safetensors(false);
    written.expect("seeded weights can be written")
}

/// A safetensors file taken apart, to be changed and written again.
pub struct Parts {
    pub metadata: HashMap<String, String>,
    /// Shape and values by key.
    pub tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

impl Parts {
    pub fn of(bytes: &[u8]) -> Self {
        let (_, header) = SafeTensors::read_metadata(bytes).expect("a safetensors file");
        let file = SafeTensors::deserialize(bytes).expect("a safetensors file");
        let tensors = file.iter().map(|(key, view)| {
            let (values, _) = view.data().as_chunks();
            let values = values.iter().map(|value| f32::from_le_bytes(*value));
            (key.to_owned(), (view.shape().to_vec(), values.collect()))
        });
        Self {
            metadata: header.metadata().clone().unwrap_or_default(),
            tensors: tensors.collect(),
        }
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let stored: Vec<(&str, &[usize], Vec<u8>)> = self
            .tensors
            .iter()
            .map(|(key, (shape, values))| {
                let bytes = values.iter().flat_map(|value| value.to_le_bytes());
                (key.as_str(), shape.as_slice(), bytes.collect())
            })
            .collect();
        let views = stored.iter().map(|(key, shape, bytes)| {
            let view = TensorView::new(Dtype::F32, shape.to_vec(), bytes);
            (*key, view.expect("the values are those of the shape"))
        });
        safetensors::serialize(views, Some(self.metadata.clone())).expect("it can be written")
    }
}

/// A safetensors file with its header changed, and the header's length with it.
pub fn with_header(file: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let (length, rest) = file.split_first_chunk().expect("a header's length");
    let (header, tensors) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let mut header = serde_json::from_slice(header).expect("a header in JSON");
    change(&mut header);
    let header = header.to_string();
    let length = header.len() as u64;
    [&length.to_le_bytes(), header.as_bytes(), tensors].concat()
}

/// A safetensors file that lies about its header's length.
pub fn with_header_length(file: &[u8], claimed: u64) -> Vec<u8> {
    [&claimed.to_le_bytes(), &file[8..]].concat()
}
