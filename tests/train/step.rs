//! One step of whole models over two pictures of different sizes, against the systems they come from: the same
//! weights, objects, and picked anchors and RoIs give the same losses and gradients.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param, ParamGroup};
use burn::tensor::{Device, Gradients, Tensor};
use fpn_wgpu::boxes::BBox;
use fpn_wgpu::models::faster_rcnn::RESNET50_FPN;
use fpn_wgpu::models::{
    Architecture, FttForm, Model, ModelConfig, Strides, detectron2, faster_rcnn_c4, parameters,
};
use fpn_wgpu::train::anchors::Anchors;
use fpn_wgpu::train::assign::{Match, Sampled, assign};
use fpn_wgpu::train::ftt;
use fpn_wgpu::train::recipe::{Amounts, LossOptions};
use fpn_wgpu::train::step::{
    Batch, Losses, Roi, Truth, box_losses, losses, match_anchors, propose, rpn_losses,
};
use fpn_wgpu::transform::Transform;
use fpn_wgpu::weights;
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;

use crate::support::{TensorFile, assert_close, sample};
use crate::values;

/// The largest difference of a loss, or of a gradient as a part of its largest value.
const TOLERANCE: f32 = 1e-3;

struct Case {
    golden: TensorFile,
    config: ModelConfig,
    model: Model,
    batch: Batch,
    amounts: Amounts,
}

impl Case {
    /// Of a golden and what its seeded model is.
    fn open(name: &str, config: ModelConfig, sizes: [[usize; 2]; 2], amounts: Amounts) -> Self {
        let golden = TensorFile::golden(name);
        let config = ModelConfig {
            classes: golden.number("num_classes"),
            bn_eps: golden.number("bn_eps"),
            ..config
        };
        let seed: u64 = golden.number("seed");
        let device = Device::flex().autodiff();
        let checkpoint = weights::seeded(&config, seed);
        let model = Model::new(&config, &device);
        let (model, fresh) =
            weights::load_fitting(&config, &checkpoint, model).expect("seeded weights are sound");
        assert!(fresh.is_empty(), "{fresh:?}");
        let norms = ParamGroup::from_any_regexes(vec![r"(\.|^)(bn\d|norm)\."]).expect("a pattern");

        let transform = Transform {
            resize: None,
            ..config.transform()
        };
        let mut frames = sizes.map(|size| transform.frame(size));
        let padded = [0, 1].map(|axis| {
            let sides = frames.iter().map(|frame| frame.padded[axis]);
            sides.max().expect("there are frames")
        });
        frames.iter_mut().for_each(|frame| frame.padded = padded);
        let images = (seed..).zip(&frames).map(|(seed, frame)| {
            let [height, width] = frame.original.map(|side| side as u32);
            transform.apply(&weights::picture(seed, width, height), frame, &device)
        });
        let truth = (0..sizes.len()).map(|picture| {
            let boxes = golden.boxes(&format!("objects.{picture}"));
            let labels = golden.counts(&format!("labels.{picture}"));
            let objects = boxes.into_iter().zip(labels);
            objects.map(|(bbox, label)| Truth { bbox, label }).collect()
        });
        Self {
            batch: Batch {
                images: Tensor::cat(images.collect(), 0),
                frames: frames.to_vec(),
                truth: truth.collect(),
            },
            model: model.unfreeze().freeze_group(norms),
            config,
            golden,
            amounts,
        }
    }

    fn options(&self) -> LossOptions {
        LossOptions::of(self.config.architecture.rules(), self.amounts)
    }

    /// Boxes' indices, each with that of its object.
    fn picked(&self, boxes: &str, objects: &str, picture: usize) -> Vec<(usize, Option<usize>)> {
        let objects = self.golden.integers(&format!("{objects}.{picture}"));
        let objects = objects
            .into_iter()
            .map(|object| usize::try_from(object).ok());
        let boxes = self.golden.counts(&format!("{boxes}.{picture}"));
        boxes.into_iter().zip(objects).collect()
    }

    fn sampled(&self, picture: usize) -> Sampled {
        let mut sampled = Sampled::default();
        for (anchor, object) in self.picked("anchors", "anchor_objects", picture) {
            match object {
                Some(object) => sampled.foreground.push((anchor, object)),
                None => sampled.background.push(anchor),
            }
        }
        sampled
    }

    fn rois(&self, picture: usize) -> Vec<Roi> {
        let boxes = self.golden.boxes(&format!("rois.{picture}"));
        let objects = self.golden.integers(&format!("roi_objects.{picture}"));
        let rois = boxes.into_iter().zip(objects);
        rois.map(|(bbox, object)| Roi {
            bbox,
            object: usize::try_from(object)
                .ok()
                .map(|object| self.batch.truth[picture][object]),
        })
        .collect()
    }

    /// Losses and gradients, and on the way what is taken for what.
    fn check(&self) {
        let options = self.options();
        let (golden, batch) = (&self.golden, &self.batch);
        let model = self.model.as_two_stage().expect("it has two stages");
        let features = model.features(batch.images.clone());
        let maps = model.rpn_logits(features.clone());
        let grid = model.anchors(&maps, batch.frames[0].padded);
        let anchors = Anchors::new(grid, &maps);

        let proposals = propose(&anchors, &maps, batch, &options);
        let pictures = 0..batch.truth.len();
        let sampled: Vec<Sampled> = pictures.clone().map(|index| self.sampled(index)).collect();
        let rois: Vec<Vec<Roi>> = pictures.map(|index| self.rois(index)).collect();
        for (picture, truth) in batch.truth.iter().enumerate() {
            let expected = golden.boxes(&format!("proposals.{picture}"));
            check_proposals(&proposals[picture], &expected);
            let matches = match_anchors(&anchors, truth, &batch.frames[picture], &options);
            for &(anchor, object) in &sampled[picture].foreground {
                assert_eq!(matches[anchor], Match::Object(object));
            }
            for &anchor in &sampled[picture].background {
                assert_eq!(matches[anchor], Match::Background);
            }
            let objects: Vec<BBox> = truth.iter().map(|object| object.bbox).collect();
            let boxes: Vec<BBox> = rois[picture].iter().map(|roi| roi.bbox).collect();
            let edges = options.rules.edges();
            let matches = assign(&boxes, &objects, edges, options.roi_thresholds);
            for (roi, found) in rois[picture].iter().zip(matches) {
                let found = match found {
                    Match::Object(object) => Some(truth[object]),
                    _ => None,
                };
                assert_eq!(found, roi.object);
            }
        }

        let (objectness, rpn_box) = rpn_losses(&anchors, maps, batch, &sampled, &options);
        let (classifier, box_reg) = box_losses(model, features, &rois, &options);
        let losses = Losses {
            objectness,
            rpn_box,
            classifier,
            box_reg,
        };
        for (name, loss) in [
            ("loss_objectness", &losses.objectness),
            ("loss_rpn_box_reg", &losses.rpn_box),
            ("loss_classifier", &losses.classifier),
            ("loss_box_reg", &losses.box_reg),
        ] {
            assert_close(name, &values(loss), &golden.floats(name), TOLERANCE);
        }
        self.check_gradients(&losses.total().backward());
    }

    fn check_gradients(&self, found: &Gradients) {
        let gradients = gradients(self.config.architecture, &self.model, found);
        let expected = self.golden.names("gradient.");
        assert!(expected.len() > 5, "{expected:?}");
        for name in expected {
            let gradient = &gradients[&name];
            let sampled = sample(gradient, 256);
            let expected = self.golden.floats(&format!("gradient.{name}"));
            assert_close(&name, &sampled, &expected, TOLERANCE);
            let norm = gradient
                .iter()
                .map(|&value| f64::from(value).powi(2))
                .sum::<f64>();
            let label = format!("norm of {name}");
            let expected = self.golden.floats(&format!("norm.{name}"));
            assert_close(&label, &[norm.sqrt() as f32], &expected, TOLERANCE);
        }
        assert!(
            gradients
                .keys()
                .all(|name| !name.contains(".bn") && !name.contains(".norm.")),
            "frozen batch norms learn nothing"
        );
    }
}

fn torchvision() -> Case {
    let amounts = Amounts {
        anchors: 128,
        proposals: 2000,
        rois: 96,
    };
    let config = ModelConfig::of(RESNET50_FPN);
    Case::open("train_step", config, [[256, 256], [256, 224]], amounts)
}

/// Of two pictures' 64 anchors and 64 RoIs.
fn few(proposals: usize) -> Amounts {
    Amounts {
        anchors: 64,
        proposals,
        rois: 64,
    }
}

fn efpn() -> ModelConfig {
    let config = ModelConfig {
        ftt: Some(FttForm::Conv1x1),
        ..ModelConfig::of(detectron2::EFPN_RESNEXT50)
    };
    let config = config.with_strides(Strides::True);
    config.expect("it knows both")
}

#[test]
fn losses_and_gradients_are_those_of_torchvision() {
    torchvision().check();
}

#[test]
fn losses_and_gradients_are_those_of_detectron2() {
    let config = ModelConfig::of(detectron2::FASTER_RCNN);
    let sizes = [[150, 186], [160, 146]];
    Case::open("train_step_detectron2", config, sizes, few(1000)).check();
}

#[test]
fn losses_and_gradients_are_those_of_efpn() {
    let sizes = [[60, 128], [64, 60]];
    Case::open("train_step_efpn", efpn(), sizes, few(1000)).check();
}

#[test]
fn losses_and_gradients_are_those_of_faster_rcnn_pytorch() {
    let config = ModelConfig::of(faster_rcnn_c4::RESNET50);
    let sizes = [[240, 304], [224, 272]];
    Case::open("train_step_c4", config, sizes, few(2000)).check();
}

/// The loss balanced between foreground and background.
#[test]
fn a_feature_texture_transfer_learns_as_in_pytorch() {
    let sizes = [[60, 128], [64, 60]];
    let case = Case::open("train_step_ftt", efpn(), sizes, few(1000));
    let model = case.model.as_faster_rcnn().expect("it has a pyramid");
    let losses = ftt::losses(model, &case.batch);
    for (name, loss) in [
        ("loss_everywhere", &losses.everywhere),
        ("loss_foreground", &losses.foreground),
    ] {
        assert_close(name, &values(loss), &case.golden.floats(name), TOLERANCE);
    }
    case.check_gradients(&losses.total(1.0).backward());

    // Without objects there is no foreground.
    let mut batch = case.batch.clone();
    batch.truth.iter_mut().for_each(Vec::clear);
    let losses = ftt::losses(model, &batch);
    assert_eq!(values(&losses.foreground), [0.0]);
    assert!(values(&losses.everywhere)[0] > 0.0);
}

/// The same boxes but for a few: among thousands of overlaps some are at the threshold.
fn check_proposals(found: &[BBox], expected: &[BBox]) {
    let is_in = |bbox: &BBox, boxes: &[BBox]| {
        let is_near = |other: &BBox| bbox.iter().zip(other).all(|(a, b)| (a - b).abs() < 0.01);
        boxes.iter().any(is_near)
    };
    let alone = |a: &[BBox], b: &[BBox]| a.iter().filter(|bbox| !is_in(bbox, b)).count();
    let alone = alone(found, expected) + alone(expected, found);
    println!(
        "proposals: {} of {}, {alone} alone",
        found.len(),
        expected.len()
    );
    assert!(alone <= 4, "{alone} proposals are in one list only");
}

/// The gradients of the parameters that learn, in PyTorch's layout, by the parameters' keys.
fn gradients(
    architecture: Architecture,
    model: &Model,
    gradients: &Gradients,
) -> BTreeMap<String, Vec<f32>> {
    struct Collector<'a> {
        gradients: &'a Gradients,
        found: Vec<Option<[Vec<f32>; 2]>>,
    }
    impl ModuleVisitor for Collector<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let gradient = param.val().grad(self.gradients);
            // As it is, and the other way round, as PyTorch has linear layers.
            self.found.push(gradient.map(|gradient| {
                let turned = match D {
                    2 => values(&gradient.clone().transpose()),
                    _ => Vec::new(),
                };
                [values(&gradient), turned]
            }));
        }
    }
    let mut collector = Collector {
        gradients,
        found: Vec::new(),
    };
    model.visit(&mut collector);
    let mut found = collector.found.into_iter();
    let mut named = BTreeMap::new();
    parameters::for_each(model, |parameter| {
        let gradient = found.next().expect("parameters come in one order");
        if let Some([as_is, turned]) = gradient {
            let gradient = if parameter.is_transposed {
                turned
            } else {
                as_is
            };
            named.insert(architecture.key(&parameter.path), gradient);
        }
    });
    named
}

/// A seed decides what is picked; pictures without objects have losses too.
#[test]
fn losses_of_a_seed() {
    let mut case = torchvision();
    case.amounts = Amounts {
        anchors: 32,
        proposals: 100,
        rois: 32,
    };
    let losses = |case: &Case, seed| {
        let model = case.model.as_two_stage().expect("it has two stages");
        let mut chance = Pcg64Mcg::seed_from_u64(seed);
        let losses = losses(model, &case.batch, &case.options(), &mut chance);
        let losses = [
            losses.objectness,
            losses.rpn_box,
            losses.classifier,
            losses.box_reg,
        ];
        losses.map(|loss| loss.into_scalar::<f32>())
    };
    let first = losses(&case, 1);
    assert_eq!(losses(&case, 1), first);
    assert_ne!(losses(&case, 2), first);
    assert!(
        first.iter().all(|&loss| loss > 0.0 && loss < 10.0),
        "{first:?}"
    );

    case.batch.truth[1].clear();
    assert!(losses(&case, 1).iter().all(|&loss| loss > 0.0));
    case.batch.truth[0].clear();
    let [objectness, rpn_box, classifier, box_reg] = losses(&case, 1);
    assert!(objectness > 0.0 && classifier > 0.0);
    assert_eq!([rpn_box, box_reg], [0.0; 2]);
}
