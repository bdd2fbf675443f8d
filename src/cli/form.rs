//! The options that say of a model without a checkpoint what that would tell.

use anyhow::Result;
use clap::Args;
use fpn_wgpu::models::{Architecture, Body, FttForm, ModelConfig};

use super::Usage;
use super::named::one_of;

/// What a checkpoint tells of detectron2's models and of EFPN.
#[derive(Args)]
pub struct FormArgs {
    /// How deep detectron2's bottom-up network is
    #[arg(long, value_name = "DEPTH", value_parser = one_of(Body::NAMED))]
    depth: Option<Body>,

    /// What EFPN's feature texture transfer is made of
    #[arg(long, value_name = "FORM", value_parser = one_of(FTT))]
    ftt: Option<Form>,
}

/// A form, or none.
type Form = std::option::Option<FttForm>;

/// What each name stands for.
const FTT: [(&str, Form); 4] = [
    (FttForm::Conv1x1.name(), Some(FttForm::Conv1x1)),
    (FttForm::Residual.name(), Some(FttForm::Residual)),
    (FttForm::Hat.name(), Some(FttForm::Hat)),
    ("none", None),
];

impl FormArgs {
    /// The model with its usual classes, of this form.
    ///
    /// # Errors
    /// If the model has no such choice.
    pub fn config(&self, model: Architecture) -> Result<ModelConfig> {
        self.chosen(ModelConfig::of(model))
    }

    /// The model in this form, where it is said, else in its own.
    ///
    /// # Errors
    /// If the model has no such choice.
    pub fn chosen(&self, mut config: ModelConfig) -> Result<ModelConfig> {
        let model = config.architecture;
        let forms = model.specification().ftts;
        if let Some(body) = self.depth {
            // EFPN's is in its name.
            if config.body.is_none() || !forms.is_empty() {
                let told = format!("--depth: {model} says by its name how deep it is");
                return Err(Usage(told).into());
            }
            config = config.with_body(body);
        }
        if let Some(ftt) = self.ftt {
            if forms.is_empty() {
                let told = format!("--ftt: {model} has no feature texture transfer, as EFPN has");
                return Err(Usage(told).into());
            }
            config.ftt = ftt;
        }
        Ok(config)
    }
}
