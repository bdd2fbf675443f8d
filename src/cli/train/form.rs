//! The options that say which model is trained, and in which form.

use std::path::Path;

use anyhow::Result;
use clap::Args;
use fpn_wgpu::models::faster_rcnn::PYRAMID_TINY;
use fpn_wgpu::models::faster_rcnn_c4::TWELVE_ANCHORS;
use fpn_wgpu::models::{ModelConfig, Rules, Strides};
use fpn_wgpu::ops::anchors::AnchorLayout;
use fpn_wgpu::weights::Checkpoint;
use fpn_wgpu::{BuildError, Detector, DetectorBuilder};

use crate::cli::Usage;
use crate::cli::form::FormArgs;
use crate::cli::model::ModelArgs;
use crate::cli::named::one_of;

/// A model and its form.
#[derive(Args)]
pub struct TrainedArgs {
    #[command(flatten)]
    pub model: ModelArgs,

    #[command(flatten)]
    form: FormArgs,

    /// Give a RoI one box for all classes, as C4 models may have
    #[arg(long)]
    class_agnostic: bool,

    /// Anchors of a cell of a C4 model: 9, or 12 with half as large ones too, as the original has on COCO
    #[arg(long, value_name = "N", value_parser = one_of([("9", AnchorLayout::legacy()), ("12", TWELVE_ANCHORS)]))]
    cell_anchors: Option<AnchorLayout>,
}

impl TrainedArgs {
    /// The model's form, but for its classes: that of the checkpoint to start from, as far as options do not say
    /// otherwise. Where that tells none, because it is a part of one or another model's, the usual form is meant.
    pub fn config(&self, init: Option<(&Path, &Checkpoint)>) -> Result<ModelConfig> {
        let told = init.and_then(|(_, checkpoint)| checkpoint.metadata.architecture);
        let model = self.model.model.or(told).unwrap_or(PYRAMID_TINY);
        let builder = |checkpoint| -> Result<DetectorBuilder> {
            let builder = Detector::builder(checkpoint).architecture(model);
            let builder = self.model.told(builder)?;
            let has_choice = model.specification().true_anchors.is_some();
            Ok(match has_choice && self.model.strides.is_none() {
                true => builder.strides(Strides::True),
                false => builder,
            })
        };
        let mut form = None;
        if let Some((path, checkpoint)) = init {
            match builder(checkpoint.clone())?.config() {
                Ok(told) => form = Some(self.form.chosen(told)?),
                Err(error @ (BuildError::Weights(_) | BuildError::OtherArchitecture { .. })) => {
                    eprintln!(
                        "{}: the model's form is the usual one, as far as options do not say otherwise",
                        self.model.misbuilt(error, path)
                    );
                }
                Err(error) => return Err(self.model.misbuilt(error, path)),
            }
        }
        let form = match form {
            Some(form) => form,
            None => {
                let usual = builder(Checkpoint::default())?.chosen(self.form.config(model)?);
                usual.map_err(|error| self.model.misbuilt(error, Path::new("the model")))?
            }
        };
        let choices = [
            ("--class-agnostic", self.class_agnostic),
            ("--cell-anchors", self.cell_anchors.is_some()),
        ];
        let is_c4 = model.specification().rules == Some(Rules::Legacy);
        if let Some((option, _)) = choices.iter().find(|(_, is_made)| *is_made && !is_c4) {
            let told = format!("{option}: {model} leaves no such choice, as C4 models do");
            return Err(Usage(told).into());
        }
        Ok(ModelConfig {
            is_class_agnostic: form.is_class_agnostic || self.class_agnostic,
            anchors: self.cell_anchors.or(form.anchors),
            ..form
        })
    }
}
