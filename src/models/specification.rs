//! What an architecture takes for granted. A value of it stands beside each module, and whatever
//! lists, builds, fills or trains models reads it there.

use std::ops::RangeInclusive;

use burn::tensor::Device;

use super::detectron2::Body;
use super::distribution::Distribution;
use super::ftt::FttForm;
use super::{COCO_NAMES, Model, ModelConfig, Rules, Selection, Stage, StrideIn, Upsampling};
use crate::ops::anchors::AnchorLayout;
use crate::transform::Transform;

/// All that is particular to an architecture but its forward pass.
pub struct Specification {
    /// The name that `--model` takes.
    pub name: &'static str,
    /// What it is, in a few words.
    pub description: &'static str,
    /// Whose checkpoints fit, and in which files they come.
    pub accepts: &'static str,
    /// How its pictures are prepared.
    pub transform: Transform,
    /// Which boxes it keeps unless told otherwise; none where it finds no boxes and gives maps only.
    pub selection: Option<Selection>,
    /// The stage of each part's parameters, by what their paths begin with.
    pub stages: &'static [(&'static str, Stage)],
    /// Numbers of the pyramid's levels, finest first. A pixel of level n is 2ⁿ of the input's wide.
    pub levels: RangeInclusive<usize>,
    /// Where its boxes start from, level by level; none where it finds no boxes.
    pub anchors: Option<AnchorLayout>,
    /// How many anchors of each level a two-stage model makes proposals of; 0 where it makes none.
    pub proposals_per_level: usize,
    /// Whose arithmetic of boxes a two-stage model follows; none where it makes no proposals.
    pub rules: Option<Rules>,
    /// How its coarse levels may be upsampled on the way down, the usual way first.
    pub top_down: &'static [Upsampling],
    /// Where its bottlenecks may have their stride, the usual place first; none where there are no
    /// bottlenecks.
    pub stride_in: &'static [StrideIn],
    /// Where its boxes start from instead if anchors and RoIs go by the strides that maps really have; none
    /// where they do.
    pub true_anchors: Option<AnchorLayout>,
    /// What its feature texture transfer may be made of; none where it has none.
    pub ftts: &'static [FttForm],
    /// Its bottom-up network where its checkpoint says which; none where that is always the same.
    pub body: Option<Body>,
    /// What it tells apart.
    pub classes: Classes,
    /// What the shapes of a checkpoint's tensors say of the module's form, besides its classes.
    pub form: fn(&Shapes<'_>, ModelConfig) -> Result<ModelConfig, String>,
    /// The checkpoint key of the parameter at a path in the module.
    pub key: fn(path: &str) -> String,
    /// A checkpoint's key as [`key`](Self::key) spells it. Keys that are spelled so already stay as
    /// they are, and so do those that mean nothing here.
    pub layout: fn(key: &str) -> String,
    /// Whether its older checkpoints hold tensors that are no parameters, as detectron2's do: the picture's
    /// mean and deviation, and a cell's anchors.
    pub has_extras: bool,
    /// What the keys of the parts begin with that detection does not use, as those of training alone. A checkpoint may
    /// hold such tensors, and they are passed over.
    pub training_parts: &'static [&'static str],
    /// Where the values of seeded weights lie, by key and by shape in PyTorch's layout.
    pub seeded: fn(key: &str, shape: &[usize]) -> Distribution,
    /// Files that others published.
    pub published: &'static [Published],
    /// The weights that come with this crate, as a safetensors file.
    pub builtin: Option<&'static [u8]>,
    /// What it is trained with; none where it cannot be trained.
    pub training: Option<TrainingDefaults>,
    /// The module with unloaded weights.
    pub build: fn(&ModelConfig, &Device) -> Model,
}

impl Specification {
    /// What an architecture is that says nothing: it finds no boxes, leaves no choice, and spells keys as its
    /// module's paths.
    pub(crate) const PLAIN: Self = Self {
        name: "",
        description: "",
        accepts: "",
        transform: Transform::torchvision(),
        selection: None,
        stages: &[],
        levels: 2..=5,
        anchors: None,
        proposals_per_level: 0,
        rules: None,
        top_down: &[Upsampling::Nearest],
        stride_in: &[],
        true_anchors: None,
        ftts: &[],
        body: None,
        classes: Classes::Fixed(&[]),
        form: |_, config| Ok(config),
        key: str::to_owned,
        layout: str::to_owned,
        has_extras: false,
        training_parts: &[],
        seeded: |key, shape| Distribution::usual(key, shape, &[]),
        published: &[],
        builtin: None,
        training: None,
        build: |_, _| unreachable!("each architecture builds its own"),
    };
}

/// The shape of the tensor of a checkpoint by its key, if it is there.
pub type Shapes<'a> = dyn Fn(&str) -> Option<&'a [usize]> + 'a;

/// What a model tells apart.
#[derive(Clone, Copy, Debug)]
pub enum Classes {
    /// Always these, by name, the background first; none where it only gives maps.
    Fixed(&'static [&'static str]),
    /// As many as its checkpoint has.
    Counted {
        /// Key of a tensor with a value for each class, the background included, or several.
        tensor: &'static str,
        /// How many.
        each: usize,
        /// How many values it has beside these.
        beside: usize,
        /// How many where there is no checkpoint.
        usual: usize,
        /// What they are called where there are just as many and nothing says otherwise, the background
        /// first; labels that no class has are "N/A".
        names: &'static [&'static str],
    },
}

/// A checkpoint that others published. It is known by its hash, if that is told, and can be had by its name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Published {
    /// What it is asked for by, beside the model's name: what it was trained on. A model has one of a name.
    pub name: &'static str,
    /// As its publisher names it.
    pub file_name: &'static str,
    /// Where it is to be had.
    pub source: Source,
    /// How large it is in millions of bytes, as far as its publisher says.
    pub megabytes: Option<f64>,
    /// First hexadecimal digits of the file's SHA-256, as many as its publisher tells, if any.
    pub sha256_prefix: Option<&'static str>,
    /// Whose terms it is under.
    pub licence: &'static str,
    /// A name for every label, the background's first.
    pub class_names: &'static [&'static str],
    /// `eps` of the batch norms.
    pub bn_eps: f64,
}

impl Published {
    /// A detector of torchvision, trained on COCO with things' names as usual. Its name ends with the hash's
    /// first eight digits; `mebibytes` is what torchvision's documentation calls its size in MB.
    pub const fn torchvision(file_name: &'static str, mebibytes: f64) -> Self {
        let (stem, _) = file_name.split_at(file_name.len() - ".pth".len());
        let (_, hash) = stem.split_at(stem.len() - 8);
        Self {
            name: "coco",
            file_name,
            source: Source::Folder("https://download.pytorch.org/models/"),
            megabytes: Some(mebibytes * 1.048576),
            sha256_prefix: Some(hash),
            licence: "torchvision's, BSD-3-Clause; trained on COCO, whose terms may apply",
            class_names: &COCO_NAMES,
            bn_eps: 1e-5,
        }
    }
}

/// Where a published file is to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// At this URL with the file's name behind it.
    Folder(&'static str),
    /// At a page that only a person can fetch it from.
    Page(&'static str),
}

/// What a two-stage model is trained with unless told otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainingDefaults {
    /// Anchors that the RPN learns from, a picture.
    pub anchors: usize,
    /// Proposals that RoIs are chosen from, a picture.
    pub proposals: usize,
    /// RoIs that the box head learns from, a picture.
    pub rois: usize,
    /// Pictures in a batch.
    pub batch: usize,
    /// The learning rate after the warm-up.
    pub learning_rate: f64,
    /// Most steps of the warm-up.
    pub warm_up: usize,
    /// Whether batch norms never learn.
    pub are_norms_frozen: bool,
    /// How many parts of the bottom-up network stay as they are, from the stem on.
    pub frozen_stages: usize,
    /// What a batch's short sides are resized to, in pixels: one of these, by chance.
    pub short_sides: &'static [usize],
    /// What long sides are resized to at most, in pixels.
    pub long_side: usize,
    /// How often all pictures are gone through; none where steps are counted instead.
    pub epochs: Option<EpochDefaults>,
}

/// How a training that counts epochs goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochDefaults {
    /// How many there are.
    pub count: usize,
    /// The learning rate falls to a tenth at each epoch, counted from 1, that one more than this divides.
    pub decay_after: usize,
}
