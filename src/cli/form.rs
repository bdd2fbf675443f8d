//! The options that say of a model without a checkpoint what that would tell.

use anyhow::Result;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use fpn_wgpu::models::{Architecture, Body, FttForm, ModelConfig};

use super::Usage;

/// What a checkpoint tells of detectron2's models and of EFPN.
#[derive(Args)]
pub struct FormArgs {
    /// How deep detectron2's bottom-up network is
    #[arg(long, value_name = "DEPTH", value_parser = body_parser())]
    depth: Option<Body>,

    /// What EFPN's feature texture transfer is made of
    #[arg(long, value_name = "FORM", value_parser = ftt_parser())]
    ftt: Option<Form>,
}

/// A form, or none.
type Form = std::option::Option<FttForm>;

/// Where there is none.
const NONE: &str = "none";

fn body_parser() -> impl TypedValueParser<Value = Body> {
    PossibleValuesParser::new(Body::NAMED.map(|(name, _)| name)).map(|name| {
        let mut named = Body::NAMED.into_iter();
        let found = named.find(|(known, _)| *known == name);
        found.expect("the name is one of the possible values").1
    })
}

fn ftt_parser() -> impl TypedValueParser<Value = Form> {
    let names = FttForm::ALL.map(FttForm::name).into_iter().chain([NONE]);
    PossibleValuesParser::new(names).map(|name| {
        let mut forms = FttForm::ALL.into_iter();
        forms.find(|form| form.name() == name)
    })
}

impl FormArgs {
    /// The model with its usual classes, of this form.
    ///
    /// # Errors
    /// If the model has no such choice.
    pub fn config(&self, model: Architecture) -> Result<ModelConfig> {
        let mut config = ModelConfig::of(model);
        // EFPN alone has strides of two kinds; its depth is in its name.
        let is_efpn = config.strides().is_some();
        if let Some(body) = self.depth {
            if config.body.is_none() || is_efpn {
                let told = format!("--depth: {model} says by its name how deep it is");
                return Err(Usage(told).into());
            }
            config = config.with_body(body);
        }
        if let Some(ftt) = self.ftt {
            if !is_efpn {
                let told = format!("--ftt: {model} has no feature texture transfer, as EFPN has");
                return Err(Usage(told).into());
            }
            config.ftt = ftt;
        }
        Ok(config)
    }
}
