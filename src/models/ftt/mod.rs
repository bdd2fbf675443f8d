//! The feature texture transfer of EFPN (Deng et al., 2020, <https://arxiv.org/abs/2003.07021>): a level of
//! the pyramid with the content of the coarser level and the texture of its own, in several forms.
//!
//! Each form reads P4 and P3 after their output convolutions. The published code makes these layers anew in every
//! pass and keeps them in no checkpoint; here they are ordinary parameters.

mod conv1x1;
mod hat;
mod residual;

use std::fmt;

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::Shapes;

pub use conv1x1::Conv1x1Ftt;
pub use hat::HatFtt;
pub use residual::ResidualFtt;

/// What a feature texture transfer is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FttForm {
    /// 1×1 convolutions, each used three times.
    Conv1x1,
    /// Residual blocks of 3×3 convolutions, as the paper's authors have it.
    Residual,
    /// Groups of [HAT](super::hat)'s blocks.
    Hat,
}

impl FttForm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Conv1x1, Self::Residual, Self::Hat];

    /// That of a checkpoint, if it has one.
    pub fn of(shapes: &Shapes<'_>) -> Option<Self> {
        let has = |key: &str| shapes(&format!("backbone.ftt.{key}")).is_some();
        if has("sub_pixel.0.weight") {
            Some(Self::Residual)
        } else if has("channel_scaler.bias") {
            Some(Self::Hat)
        } else if has("channel_scaler.weight") {
            Some(Self::Conv1x1)
        } else {
            None
        }
    }

    /// Its name for `--ftt`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Conv1x1 => "conv1x1",
            Self::Residual => "residual",
            Self::Hat => "hat",
        }
    }
}

impl fmt::Display for FttForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A feature texture transfer.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // one a model, and never moved once built
pub enum Ftt {
    /// Of that form.
    Conv1x1(Conv1x1Ftt),
    /// Of that form.
    Residual(ResidualFtt),
    /// Of that form.
    Hat(HatFtt),
}

impl Ftt {
    /// Of a form, for a pyramid of so many `channels` a level (EFPN's has 256), with unloaded weights.
    pub fn new(form: FttForm, channels: usize, device: &Device) -> Self {
        match form {
            FttForm::Conv1x1 => Self::Conv1x1(Conv1x1Ftt::new(channels, device)),
            FttForm::Residual => Self::Residual(ResidualFtt::new(channels, device)),
            FttForm::Hat => Self::Hat(HatFtt::new(channels, device)),
        }
    }

    /// P4, `coarse`: `[N, C, h, w]`, and P3, `fine`: `[N, C, 2h, 2w]`, → P3′, of P3's shape. Captured,
    /// `N` is 1.
    pub fn forward(&self, coarse: Tensor<4>, fine: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Conv1x1(ftt) => ftt.forward(coarse, fine),
            Self::Residual(ftt) => ftt.forward(coarse, fine),
            Self::Hat(ftt) => ftt.forward(coarse, fine),
        }
    }
}

/// A parameter's path in any of the forms as checkpoints spell it.
pub fn key(path: &str) -> String {
    super::hat::key(&residual::key(path))
}
