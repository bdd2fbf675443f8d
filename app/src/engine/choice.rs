//! Which detector is wanted.

use fpn_wgpu::compile::Precision;
use fpn_wgpu::models::Architecture;
use fpn_wgpu::weights::official::Known;

use crate::file::File;

/// A detector to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// Its weights.
    pub weights: WeightsChoice,
    /// Which model they are for; not needed where the checkpoint says so.
    pub architecture: Option<Architecture>,
    /// Where it computes.
    pub device: DeviceChoice,
    /// What a GPU stores and multiplies in.
    pub precision: Precision,
    /// How large pictures are brought to it.
    pub size: InputSize,
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            weights: WeightsChoice::BuiltIn,
            architecture: None,
            device: DeviceChoice::Auto,
            precision: Precision::F32,
            size: InputSize::Usual,
        }
    }
}

/// Where weights are from.
#[derive(Clone, Debug, PartialEq)]
pub enum WeightsChoice {
    /// They come with the program.
    BuiltIn,
    /// A checkpoint, PyTorch's or safetensors.
    File(File),
    /// Those that someone published: fetched, and kept.
    Published(Known),
}

impl WeightsChoice {
    /// Its name, for people.
    pub fn name(&self) -> String {
        match self {
            Self::BuiltIn => "built-in weights".to_owned(),
            Self::File(file) => file.name(),
            Self::Published(known) => format!("{} {}", known.model, known.file.name),
        }
    }
}

/// Where a detector computes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The adapter that draws the window, if it is a GPU; else the best adapter that is one, or else the CPU engine.
    #[default]
    Auto,
    /// The device that draws the window, shared with it.
    Window,
    /// The CPU engine.
    Cpu,
    /// The best adapter, software included.
    Gpu,
    /// The best adapter whose name contains this.
    Adapter(String),
}

/// How large pictures are brought to a detector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InputSize {
    /// As is usual for the model.
    #[default]
    Usual,
    /// The short side becomes this many pixels, unless the long side would pass twice as many.
    Short(usize),
}
