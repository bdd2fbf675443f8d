//! What a checkpoint says of itself, so that nobody has to say it again.

use std::collections::HashMap;

use super::WeightsError;
use crate::models::{Architecture, ModelConfig, StrideIn, Strides};

const MODEL: &str = "fpn.model";
const CLASS_NAMES: &str = "fpn.class_names";
const BN_EPS: &str = "fpn.bn_eps";
const STRIDE_IN: &str = "fpn.stride_in";
const STRIDES: &str = "fpn.strides";
const PIXEL_MEAN: &str = "fpn.pixel_mean";
const PIXEL_STD: &str = "fpn.pixel_std";
const TRAINING: &str = "fpn.training";

/// What is known of a checkpoint besides its tensors; all of it optional.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    /// The model it belongs to.
    pub architecture: Option<Architecture>,
    /// A name for every label, background first.
    pub class_names: Option<Vec<String>>,
    /// `eps` of the batch norms.
    pub bn_eps: Option<f64>,
    /// Where bottlenecks have their stride.
    pub stride_in: Option<StrideIn>,
    /// Which strides anchors and RoIs go by.
    pub strides: Option<Strides>,
    /// Subtracted from the channels of the network's input, in their order.
    pub pixel_mean: Option<[f32; 3]>,
    /// The channels of the network's input are divided by this, in their order.
    pub pixel_std: Option<[f32; 3]>,
    /// How RoIs were cropped when a C4 model was trained, in its author's words: `pool`, `align` or
    /// `crop`. Files that this crate writes do not say it.
    pub pooling_mode: Option<String>,
    /// How far a training is, as its own JSON; none in weights that are for use.
    pub training: Option<String>,
}

impl Metadata {
    /// What a file should say of a model's form, since its tensors do not.
    pub fn of(config: &ModelConfig) -> Self {
        let specification = config.architecture.specification();
        let places = specification.stride_in;
        let of_pixels = |values| specification.has_extras.then_some(values);
        Self {
            architecture: Some(config.architecture),
            bn_eps: Some(config.bn_eps),
            stride_in: (places.len() > 1).then_some(config.stride_in),
            strides: config.strides(),
            pixel_mean: of_pixels(config.pixel_mean),
            pixel_std: of_pixels(config.pixel_std),
            ..Self::default()
        }
    }

    /// From the string map of a safetensors header; entries of others are passed over.
    pub(super) fn from_map(map: &HashMap<String, String>) -> Result<Self, WeightsError> {
        let entry = |key: &'static str, expected: &'static str| {
            move |found: &String| WeightsError::Metadata {
                key,
                expected,
                found: found.clone(),
            }
        };
        let architecture = map
            .get(MODEL)
            .map(|name| {
                name.parse()
                    .map_err(|_| entry(MODEL, "the name of a model")(name))
            })
            .transpose()?;
        let class_names = map
            .get(CLASS_NAMES)
            .map(|json| {
                serde_json::from_str(json)
                    .map_err(|_| entry(CLASS_NAMES, "a JSON list of strings")(json))
            })
            .transpose()?;
        let bn_eps = map
            .get(BN_EPS)
            .map(|number| match number.parse::<f64>() {
                Ok(eps) if eps.is_finite() && eps >= 0.0 => Ok(eps),
                _ => Err(entry(BN_EPS, "a number of 0 or more")(number)),
            })
            .transpose()?;
        let stride_in = named(StrideIn::ALL, StrideIn::name, map.get(STRIDE_IN));
        let strides = named(Strides::ALL, Strides::name, map.get(STRIDES));
        let channels = |key: &'static str| {
            let parse = |json: &String| match serde_json::from_str::<[f32; 3]>(json) {
                Ok(values) if values.iter().all(|value| *value > 0.0) => Ok(values),
                _ => Err(entry(key, "a JSON list of three numbers above 0")(json)),
            };
            map.get(key).map(parse).transpose()
        };
        Ok(Self {
            architecture,
            class_names,
            bn_eps,
            stride_in: stride_in.map_err(entry(STRIDE_IN, "1x1 or 3x3"))?,
            strides: strides.map_err(entry(STRIDES, "declared or true"))?,
            pixel_mean: channels(PIXEL_MEAN)?,
            pixel_std: channels(PIXEL_STD)?,
            pooling_mode: None,
            training: map.get(TRAINING).cloned(),
        })
    }

    pub(super) fn to_map(&self) -> HashMap<String, String> {
        let model = self.architecture.map(|a| a.name().to_owned());
        let names = self
            .class_names
            .as_ref()
            .map(|names| serde_json::json!(names).to_string());
        let eps = self.bn_eps.map(|eps| eps.to_string());
        let stride_in = self.stride_in.map(|place| place.name().to_owned());
        let strides = self.strides.map(|strides| strides.name().to_owned());
        let list = |[a, b, c]: [f32; 3]| format!("[{a:?},{b:?},{c:?}]");
        let training = self.training.clone();
        [
            (MODEL, model),
            (CLASS_NAMES, names),
            (BN_EPS, eps),
            (STRIDE_IN, stride_in),
            (STRIDES, strides),
            (PIXEL_MEAN, self.pixel_mean.map(list)),
            (PIXEL_STD, self.pixel_std.map(list)),
            (TRAINING, training),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect()
    }
}

/// The one of `all` that is called so, if there is a name; a name of none is given back.
fn named<T: Copy, const N: usize>(
    all: [T; N],
    name: fn(T) -> &'static str,
    found: Option<&String>,
) -> Result<Option<T>, &String> {
    let found = found.map(|found| {
        let mut all = all.into_iter();
        all.find(|value| name(*value) == found).ok_or(found)
    });
    found.transpose()
}
