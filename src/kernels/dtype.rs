//! What kernels store and compute in.

use serde::Serialize;

/// The type of a map's or a weight's values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// Floats of 32 bits.
    #[default]
    F32,
    /// Floats of 16 bits.
    F16,
}

impl Dtype {
    /// Bytes of a channel block: four channels of a pixel.
    pub fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 16,
            Self::F16 => 8,
        }
    }
}

/// The dtypes of a kernel's maps and products. Boxes, scores, biases and sums are always of 32 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Dtypes {
    /// Of the maps and weights that are read.
    pub stored: Dtype,
    /// Of the map that is written.
    pub result: Dtype,
    /// Of a convolution's products.
    pub product: Dtype,
}

impl Dtypes {
    /// 32 bits throughout.
    pub const F32: Self = Self {
        stored: Dtype::F32,
        result: Dtype::F32,
        product: Dtype::F32,
    };

    /// What most kernels of maps exist in: either throughout, products in 32 bits.
    pub const MAPS: &[Self] = &[Self::F32, Self::stored(Dtype::F16, Dtype::F16)];

    /// The same, and to 32 bits: maps that boxes and scores are made of are not rounded.
    pub const MAPS_AND_HEADS: &[Self] = &[
        Self::F32,
        Self::stored(Dtype::F16, Dtype::F16),
        Self::stored(Dtype::F16, Dtype::F32),
    ];

    /// The same with products in 16 bits.
    pub const MAPS_AND_PRODUCTS: &[Self] = &[
        Self::F32,
        Self::stored(Dtype::F16, Dtype::F16),
        Self::stored(Dtype::F16, Dtype::F32),
        Self::stored(Dtype::F16, Dtype::F16).with_f16_products(),
        Self::stored(Dtype::F16, Dtype::F32).with_f16_products(),
    ];

    /// Maps read and written so, products in 32 bits.
    pub const fn stored(stored: Dtype, result: Dtype) -> Self {
        Self {
            stored,
            result,
            product: Dtype::F32,
        }
    }

    /// The same with products in 16 bits.
    pub const fn with_f16_products(self) -> Self {
        Self {
            product: Dtype::F16,
            ..self
        }
    }
}
