//! One step of torchvision's `fasterrcnn_resnet50_fpn` over two pictures of different sizes: the
//! same weights, objects, and picked anchors and RoIs give the same losses and gradients.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param, ParamGroup};
use burn::tensor::{Device, Gradients, Tensor};
use fpn_wgpu::boxes::BBox;
use fpn_wgpu::models::faster_rcnn::RESNET50_FPN;
use fpn_wgpu::models::{FasterRcnn, Model, ModelConfig, parameters};
use fpn_wgpu::train::assign::{Match, Sampled, assign};
use fpn_wgpu::train::step::{
    Anchors, Batch, LossOptions, Losses, Roi, Truth, box_losses, losses, propose, rpn_losses,
};
use fpn_wgpu::transform::{ResizeBounds, Transform};
use fpn_wgpu::weights;
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;

use crate::support::{TensorFile, assert_close, sample};
use crate::values;

/// The largest difference of a loss, or of a gradient as a part of its largest value.
const TOLERANCE: f32 = 1e-3;

/// Height and width of each picture.
const SIZES: [[usize; 2]; 2] = [[256, 256], [256, 224]];

/// Those whose gradients the golden keeps.
const PARAMETERS: [&str; 16] = [
    "backbone.body.conv1.weight",
    "backbone.body.layer1.0.downsample.0.weight",
    "backbone.body.layer2.0.conv1.weight",
    "backbone.body.layer3.5.conv2.weight",
    "backbone.body.layer4.2.conv3.weight",
    "backbone.fpn.inner_blocks.0.weight",
    "backbone.fpn.inner_blocks.3.bias",
    "backbone.fpn.layer_blocks.2.weight",
    "rpn.head.conv.weight",
    "rpn.head.cls_logits.weight",
    "rpn.head.cls_logits.bias",
    "rpn.head.bbox_pred.weight",
    "roi_heads.box_head.fc6.weight",
    "roi_heads.box_head.fc7.bias",
    "roi_heads.box_predictor.cls_score.weight",
    "roi_heads.box_predictor.bbox_pred.weight",
];

struct Case {
    golden: TensorFile,
    model: FasterRcnn,
    batch: Batch,
}

impl Case {
    fn open() -> Self {
        let golden = TensorFile::golden("train_step");
        let config = ModelConfig {
            classes: golden.number("num_classes"),
            bn_eps: golden.number("bn_eps"),
            ..ModelConfig::of(RESNET50_FPN)
        };
        let seed: u64 = golden.number("seed");
        let device = Device::flex().autodiff();
        let checkpoint = weights::seeded(&config, seed);
        let model = Model::new(&config, &device);
        let (model, fresh) =
            weights::load_fitting(&config, &checkpoint, model).expect("seeded weights are sound");
        assert!(fresh.is_empty(), "{fresh:?}");
        let Model::FasterRcnn(model) = model else {
            unreachable!("it is a Faster R-CNN")
        };
        let norms = ParamGroup::from_any_regexes(vec![r"(\.|^)(bn\d|norm)\."]).expect("a pattern");

        let transform = Transform {
            resize: Some(ResizeBounds {
                min_size: 256,
                max_size: 256,
            }),
            ..config.architecture.transform()
        };
        let frames = SIZES.map(|size| {
            let mut frame = transform.frame(size);
            assert_eq!(frame.resized, size);
            // That of the larger one.
            frame.padded = [256, 256];
            frame
        });
        let images = (seed..).zip(&frames).map(|(seed, frame)| {
            let [height, width] = frame.original.map(|side| side as u32);
            transform.apply(&weights::picture(seed, width, height), frame, &device)
        });
        let truth = (0..SIZES.len()).map(|picture| {
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
            golden,
        }
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
}

#[test]
fn losses_and_gradients_are_those_of_torchvision() {
    let case = Case::open();
    let options = LossOptions::torchvision();
    let (golden, model, batch) = (&case.golden, &case.model, &case.batch);
    let pyramid = model.pyramid(model.bottom_up(batch.images.clone()));
    let maps = model.rpn_maps(pyramid.clone());
    let anchors = Anchors::new(model.anchors(&maps, [256, 256]), &maps);

    let proposals = propose(&anchors, &maps, batch, &options);
    let sampled: Vec<Sampled> = (0..SIZES.len()).map(|index| case.sampled(index)).collect();
    let rois: Vec<Vec<Roi>> = (0..SIZES.len()).map(|index| case.rois(index)).collect();
    for (picture, truth) in batch.truth.iter().enumerate() {
        let expected = golden.boxes(&format!("proposals.{picture}"));
        check_proposals(&proposals[picture], &expected);
        let objects: Vec<BBox> = truth.iter().map(|object| object.bbox).collect();
        let matches = assign(anchors.boxes(), &objects, options.anchor_thresholds);
        for &(anchor, object) in &sampled[picture].foreground {
            assert_eq!(matches[anchor], Match::Object(object));
        }
        for &anchor in &sampled[picture].background {
            assert_eq!(matches[anchor], Match::Background);
        }
        let boxes: Vec<BBox> = rois[picture].iter().map(|roi| roi.bbox).collect();
        let matches = assign(&boxes, &objects, options.roi_thresholds);
        for (roi, found) in rois[picture].iter().zip(matches) {
            let found = match found {
                Match::Object(object) => Some(truth[object]),
                _ => None,
            };
            assert_eq!(found, roi.object);
        }
    }

    let (objectness, rpn_box) = rpn_losses(&anchors, maps, batch, &sampled, options.rpn_box_loss);
    let (classifier, box_reg) = box_losses(model, pyramid, &rois, options.roi_box_loss);
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

    let gradients = gradients(model, &losses.total().backward());
    for name in PARAMETERS {
        let gradient = &gradients[&name.replace("downsample.0.", "downsample.conv.")];
        let sampled = sample(gradient, 256);
        let expected = golden.floats(&format!("gradient.{name}"));
        assert_close(name, &sampled, &expected, TOLERANCE);
        let norm = gradient
            .iter()
            .map(|&value| f64::from(value).powi(2))
            .sum::<f64>();
        let label = format!("norm of {name}");
        let expected = golden.floats(&format!("norm.{name}"));
        assert_close(&label, &[norm.sqrt() as f32], &expected, TOLERANCE);
    }
    assert!(
        gradients
            .keys()
            .all(|name| !name.contains(".bn") && !name.contains(".norm.")),
        "frozen batch norms learn nothing"
    );
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

/// The gradients of the parameters that learn, in PyTorch's layout, by the parameters' paths.
fn gradients(model: &FasterRcnn, gradients: &Gradients) -> BTreeMap<String, Vec<f32>> {
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
            named.insert(parameter.path.clone(), gradient);
        }
    });
    named
}

/// A seed decides what is picked; pictures without objects have losses too.
#[test]
fn losses_of_a_seed() {
    let mut case = Case::open();
    let options = LossOptions {
        anchors: 32,
        proposals: 100,
        rois: 32,
        ..LossOptions::torchvision()
    };
    let losses = |case: &Case, seed| {
        let mut chance = Pcg64Mcg::seed_from_u64(seed);
        let losses = losses(&case.model, &case.batch, &options, &mut chance);
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
