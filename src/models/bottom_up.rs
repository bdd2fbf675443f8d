//! The bottom-up networks that a two-stage detector's pyramid stands on.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::mobilenet_v3::{self, MobileNetV3};
use super::resnet::{ResNet, ResNetConfig, StemPool};

/// What a [`BottomUp`] is built from.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(clippy::large_enum_variant)] // one a model, while it is built
pub enum BottomUpConfig {
    /// A ResNet.
    ResNet(ResNetConfig),
    /// MobileNetV3-Large.
    MobileNetV3 {
        /// `eps` of every batch norm.
        bn_eps: f64,
    },
}

impl BottomUpConfig {
    /// Channels of the maps, finest first.
    pub fn channels(&self) -> Vec<usize> {
        match self {
            Self::ResNet(config) => config.channels(),
            Self::MobileNetV3 { .. } => mobilenet_v3::CHANNELS.to_vec(),
        }
    }

    /// Pixels of the input between the cells of the maps, finest first.
    pub fn strides(&self) -> Vec<usize> {
        match self {
            Self::ResNet(config) => {
                let finest = match config.stem_pool {
                    StemPool::None => 2,
                    StemPool::Padded | StemPool::Ceil => 4,
                };
                let stages = 0..config.channels().len();
                stages.map(|stage| finest << stage).collect()
            }
            Self::MobileNetV3 { .. } => mobilenet_v3::STRIDES.to_vec(),
        }
    }
}

/// A bottom-up network.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // one a model, and never moved once built
pub enum BottomUp {
    /// See [`ResNet`].
    ResNet(ResNet),
    /// See [`MobileNetV3`].
    MobileNetV3(MobileNetV3),
}

impl BottomUp {
    /// The network with unloaded weights.
    pub fn new(config: &BottomUpConfig, device: &Device) -> Self {
        match config {
            BottomUpConfig::ResNet(config) => Self::ResNet(ResNet::new(config, device)),
            BottomUpConfig::MobileNetV3 { bn_eps } => {
                Self::MobileNetV3(MobileNetV3::new(*bn_eps, device))
            }
        }
    }

    /// `[N, 3, H, W]` → the maps, finest first.
    pub fn forward(&self, image: Tensor<4>) -> Vec<Tensor<4>> {
        match self {
            Self::ResNet(network) => network.forward(image),
            Self::MobileNetV3(network) => network.forward(image),
        }
    }
}
