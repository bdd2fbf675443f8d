//! detectron2's models and EFPN, made slim: what a checkpoint does not tell is asked for and recorded.

use fpn_wgpu::models::{Architecture, Body, FttForm, ModelConfig};
use fpn_wgpu::weights::{self, Metadata};
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;

use crate::files::Parts;
use crate::folder::{Folder, assert_fails, assert_misused};

impl Folder {
    /// With seeded weights of a model, as its own code would have saved them: `<name>.safetensors`.
    pub fn with_model(name: &str, model: &str, blocks: [usize; 5], ftt: Option<FttForm>) -> Self {
        let architecture: Architecture = model.parse().expect("the name is known");
        let body = Body {
            blocks,
            groups: 2,
            width: 8,
        };
        let config = ModelConfig {
            classes: 4,
            ftt,
            ..ModelConfig::of(architecture).with_body(body)
        };
        let mut checkpoint = weights::seeded(&config, 1);
        checkpoint.metadata = Metadata::default();
        let bytes = checkpoint.to_safetensors(false).expect("it can be written");
        let folder = Self::new();
        folder.write(&format!("{name}.safetensors"), &bytes);
        folder.picture("a.png", 96, 80);
        folder
    }
}

#[test]
fn what_a_checkpoint_does_not_tell_is_recorded() {
    let name = "detectron2_faster_rcnn_fpn";
    let folder = Folder::with_model("slim", name, [1, 1, 1, 1, 0], None);
    let convert = |options: &str, out: &str| {
        let arguments = format!("convert slim.safetensors {out} --model {name} {options}");
        folder.fpn(&arguments).assert().success();
        let metadata = Parts::of(&folder.read(out)).metadata;
        ["fpn.stride_in", "fpn.pixel_std"].map(|key| metadata[key].clone())
    };
    assert_eq!(
        convert("", "usual.safetensors"),
        ["3x3", "[57.375,57.12,58.395]"]
    );
    assert_eq!(
        convert("--stride-in 1x1 --pixel-std 1,1,2.5", "other.safetensors"),
        ["1x1", "[1.0,1.0,2.5]"]
    );
    // The files differ in nothing else, and need no options.
    let report = |file: &str| -> Value {
        let detect =
            format!("detect a.png --weights {file} --device cpu --min-size 64 --score 0 --json -");
        let ran = folder.fpn(&detect).assert().success();
        serde_json::from_slice(&ran.get_output().stdout).expect("JSON")
    };
    let usual = report("usual.safetensors");
    assert_ne!(report("other.safetensors")["images"], usual["images"]);
    let same = report(&format!("slim.safetensors --model {name}"));
    assert_eq!(same["images"], usual["images"]);
}

#[test]
fn efpn_gives_its_textured_level_too() {
    let levels = [32, 16, 8, 4, 2, 1].into_iter().zip(2..);
    let expected: Vec<(String, Vec<usize>)> = levels
        .map(|(side, level)| (format!("P{level}"), vec![1, 256, side, side]))
        .collect();
    let blocks = [3, 1, 4, 6, 3];
    for ftt in [None, Some(FttForm::Conv1x1)] {
        let folder = Folder::with_model("slim", "efpn_resnext50", blocks, ftt);
        let arguments = "pyramid a.png --weights slim.safetensors --model efpn_resnext50 --device cpu --min-size 48 --out o";
        let ran = folder.fpn(arguments).assert().success();
        let why = contains("slim.safetensors has no layers of a feature texture transfer");
        match ftt {
            None => ran.stderr(why),
            Some(_) => ran.stderr(why.not()),
        };
        let tensors = Parts::of(&folder.read("o/a.safetensors")).tensors;
        let found = tensors.into_iter().filter(|(name, _)| name != "input");
        let found: Vec<(String, Vec<usize>)> =
            found.map(|(name, (shape, _))| (name, shape)).collect();
        let mut expected = expected.clone();
        if ftt.is_some() {
            expected.insert(2, ("P3'".to_owned(), vec![1, 256, 16, 16]));
        }
        assert_eq!(found, expected);
    }
}

#[test]
fn options_of_other_models_are_refused() {
    let folder = Folder::new();
    folder.picture("a.png", 96, 64);
    for (arguments, sentence) in [
        (
            "summary --model pyramid_tiny --depth 50",
            "--depth: pyramid_tiny says by its name how deep it is",
        ),
        (
            "plan --model efpn_resnext50 --depth 101",
            "--depth: efpn_resnext50 says by its name how deep it is",
        ),
        (
            "verify --stages --model pyramid_tiny --ftt hat",
            "--ftt: pyramid_tiny has no feature texture transfer, as EFPN has",
        ),
        (
            "detect a.png --pixel-std 1,2",
            "invalid value '1,2' for '--pixel-std <B,G,R>': expected three numbers with commas between them",
        ),
        (
            "detect a.png --device cpu --pixel-std 1,2,3",
            "--pixel-std is [1.0, 2.0, 3.0]: expected nothing, since this model's is always the same",
        ),
        (
            "detect a.png --device cpu --strides true",
            "--strides is true: expected nothing, since this model knows one kind only",
        ),
    ] {
        assert_misused(folder.fpn(arguments), sentence);
    }
}

#[test]
fn a_pickle_that_is_no_checkpoint_is_refused() {
    let folder = Folder::new();
    folder.picture("a.png", 96, 64);
    folder.write("x.pkl", b"\x80\x04}\x94\x8c\x05modelK\x01s.");
    assert_fails(
        folder.fpn("detect a.png --weights x.pkl --model detectron2_faster_rcnn_fpn"),
        "x.pkl is no readable checkpoint of detectron2's model zoo: it has no __author__, where Detectron2 is expected",
    );
}
