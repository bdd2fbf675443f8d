//! Faster R-CNN on C4 against the published definition in PyTorch: of each depth, with 9 and 12 anchors a
//! cell, a box for each class and one for all, the stride in either place.

use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor, TensorData};
use fpn_wgpu::Detector;
use fpn_wgpu::gpu::Gpu;
use fpn_wgpu::models::faster_rcnn_c4::RESNET101;
use fpn_wgpu::models::{Architecture, FasterRcnnC4, Model, ModelConfig, StrideIn, TwoStage};
use fpn_wgpu::ops::proposals::Proposals;
use fpn_wgpu::transform::{ResizeBounds, Transform};
use fpn_wgpu::weights::{self, Checkpoint};
use image::{DynamicImage, RgbaImage};

use crate::matching::{Object, match_one_to_one, match_proposals};
use crate::published::{of_shapes, parameter_count, shapes, state_dict};
use crate::stages::Stages;
use crate::support::TensorFile;

macro_rules! cases {
    ($($name:ident),+ $(,)?) => {
        mod cpu {
            $(
                #[test]
                fn $name() {
                    let case = super::Case::open(stringify!($name));
                    case.check_stages();
                    case.check_detections(None);
                }
            )+
        }

        mod gpu {
            $(
                #[test]
                fn $name() {
                    let case = super::Case::open(stringify!($name));
                    case.check_detections(Some(crate::adapter::gpu()));
                }
            )+
        }
    };
}

cases![
    c4_resnet50_s1,
    c4_resnet50_s2,
    c4_resnet101_s3,
    c4_resnet152_s4
];

struct Case {
    name: &'static str,
    golden: TensorFile,
    config: ModelConfig,
    seed: u64,
    bounds: ResizeBounds,
    proposals: usize,
    picture: RgbaImage,
}

impl Case {
    fn open(name: &'static str) -> Self {
        let golden = TensorFile::golden(name);
        let architecture: Architecture = format!("fasterrcnn_c4_{}", golden.metadata("arch"))
            .parse()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let stride_in = golden.metadata("stride_in");
        let mut places = StrideIn::ALL.into_iter();
        let config = ModelConfig {
            classes: golden.number("num_classes"),
            stride_in: places
                .find(|place| place.name() == stride_in)
                .unwrap_or_else(|| panic!("{name}: {stride_in}")),
            ..ModelConfig::of(architecture)
        };
        // The rest of its form, as a checkpoint's shapes tell it.
        let (anchors, boxes) = match golden.metadata("class_agnostic").as_str() {
            "true" => (golden.number::<usize>("anchors"), 1),
            _ => (golden.number("anchors"), config.classes),
        };
        let config = weights::form(&of_form(anchors, boxes), config);
        let seed = golden.number("seed");
        Self {
            name,
            config: config.unwrap_or_else(|error| panic!("{name}: {error}")),
            seed,
            bounds: ResizeBounds {
                min_size: golden.number("min_size"),
                max_size: golden.number("max_size"),
            },
            proposals: golden.number("proposals"),
            picture: weights::picture(seed, golden.number("width"), golden.number("height")),
            golden,
        }
    }

    fn check_stages(&self) {
        let device = Device::flex();
        let checkpoint = weights::seeded(&self.config, self.seed);
        let Ok(Model::FasterRcnnC4(model)) = weights::load(&self.config, &checkpoint) else {
            panic!("{}: seeded weights fit", self.name)
        };
        let transform = Transform {
            resize: Some(self.bounds),
            ..self.config.architecture.transform()
        };
        let (width, height) = self.picture.dimensions();
        let frame = transform.frame([height as usize, width as usize]);
        let stages = Stages {
            case: self.name,
            golden: &self.golden,
        };
        let image = transform.apply(&self.picture, &frame, &device);
        stages.compare("image", &image);
        let mut features = model.bottom_up(image);
        stages.compare_levels(|level| format!("c{level}"), &features, 2);
        let c4 = features.pop().expect("there are stages");
        let maps = model.rpn_maps(c4.clone());
        stages.compare("rpn.scores", &maps.logits[0]);
        stages.compare("rpn.deltas", &maps.deltas[0]);

        let proposals = model.proposals(maps, frame.tensor(&device), self.proposals);
        let found: Vec<f32> = proposals.boxes.to_data().try_to_vec().expect("floats");
        let expected = self.golden.boxes("proposals");
        match_proposals(self.name, found.as_chunks().0, &expected);
        self.check_head(&stages, &model, c4);
    }

    /// The second stage, over the golden's proposals, so that rows correspond.
    fn check_head(&self, stages: &Stages, model: &FasterRcnnC4, c4: Tensor<4>) {
        let boxes: Tensor<2> = self.golden.tensor("proposals");
        let [rows, _] = boxes.dims();
        let integers = |values: Vec<i32>| -> Tensor<1, Int> {
            let shape = [values.len()];
            Tensor::from_data(TensorData::new(values, shape), &Device::flex())
        };
        let proposals = Proposals {
            boxes,
            levels: integers(vec![4; rows]),
            count: integers(vec![rows as i32]),
        };
        let rois = model.roi_features(vec![c4], &proposals);
        stages.compare("roi_features", &rois);
        let (logits, deltas) = model.box_outputs(rois);
        stages.compare("class_logits", &logits);
        stages.compare("box_deltas", &deltas);
    }

    fn check_detections(&self, gpu: Option<Arc<Gpu>>) {
        let builder = Detector::builder(weights::seeded(&self.config, self.seed))
            .min_size(self.bounds.min_size)
            .max_size(self.bounds.max_size)
            .proposals(self.proposals);
        let detector = builder.gpu(gpu).build().expect("seeded weights fit");
        assert_eq!(*detector.config(), self.config, "{}", self.name);
        let detections = detector
            .detect(&DynamicImage::ImageRgba8(self.picture.clone()))
            .expect("the picture suits");
        let found: Vec<Object> = detections.items.iter().map(Object::from).collect();
        let boxes = self.golden.boxes("boxes").into_iter();
        let expected: Vec<Object> = boxes
            .zip(self.golden.counts("labels"))
            .zip(self.golden.floats("scores"))
            .map(|((bbox, label), score)| Object { bbox, label, score })
            .collect();
        let selection = self.config.architecture.selection();
        let selection = selection.expect("it is a detector");
        match_one_to_one(self.name, &found, &expected, selection);
    }
}

/// A checkpoint that tells the form of a model with so many anchors a cell and boxes a RoI, and nothing
/// else.
fn of_form(anchors: usize, boxes: usize) -> Checkpoint {
    of_shapes([
        ("RCNN_rpn.RPN_cls_score.bias".to_owned(), vec![2 * anchors]),
        ("RCNN_bbox_pred.bias".to_owned(), vec![4 * boxes]),
    ])
}

#[test]
fn a_form_that_is_unknown_is_told() {
    let config = ModelConfig::of(RESNET101);
    let told = |checkpoint: &Checkpoint| {
        let form = weights::form(checkpoint, config);
        form.expect_err("it is unknown").to_string()
    };
    assert_eq!(
        told(&of_form(15, 21)),
        "does not fit fasterrcnn_c4_resnet101: tensor 'RCNN_rpn.RPN_cls_score.bias' has 30 values, expected \
         two for each of 9 or 12 anchors"
    );
    assert_eq!(
        told(&of_form(9, 20)),
        "does not fit fasterrcnn_c4_resnet101: tensor 'RCNN_bbox_pred.bias' has 80 values, expected four, or \
         four for each of 21 classes"
    );
    let mut checkpoint = of_form(12, 1);
    checkpoint.tensors.remove("RCNN_bbox_pred.bias");
    assert_eq!(
        told(&checkpoint),
        "does not fit fasterrcnn_c4_resnet101: tensor 'RCNN_bbox_pred.bias' is missing"
    );
    let misshapen = of_shapes([("RCNN_rpn.RPN_cls_score.bias".to_owned(), vec![2, 9])]);
    assert_eq!(
        told(&misshapen),
        "does not fit fasterrcnn_c4_resnet101: tensor 'RCNN_rpn.RPN_cls_score.bias' has shape [2, 9], expected \
         one dimension"
    );
}

/// The published totals, of 21 classes.
#[test]
fn the_parameters_are_as_many_as_published() {
    for (name, is_class_agnostic, expected) in [
        ("fasterrcnn_c4_resnet50", false, 28_469_983),
        ("fasterrcnn_c4_resnet101", false, 47_462_111),
        ("fasterrcnn_c4_resnet101", true, 47_298_191),
        ("fasterrcnn_c4_resnet152", false, 63_105_759),
    ] {
        let architecture: Architecture = name.parse().expect("the name is known");
        let config = ModelConfig {
            is_class_agnostic,
            ..ModelConfig::of(architecture)
        };
        let total = parameter_count(&config);
        assert_eq!(total, expected, "{name}");
    }
}

/// A checkpoint of the published code's keys and shapes has neither too many nor too few.
#[test]
fn published_state_dicts_load() {
    for (list, name) in [
        ("fasterrcnn_c4_resnet50", "fasterrcnn_c4_resnet50"),
        ("fasterrcnn_c4_resnet101", "fasterrcnn_c4_resnet101"),
        (
            "fasterrcnn_c4_resnet101_agnostic",
            "fasterrcnn_c4_resnet101",
        ),
        ("fasterrcnn_c4_resnet152", "fasterrcnn_c4_resnet152"),
    ] {
        let Some(published) = state_dict(list) else {
            return;
        };
        let checkpoint = of_shapes(published.clone());
        let architecture: Architecture = name.parse().expect("the name is known");
        let classes = weights::class_count(&checkpoint, architecture);
        let config = ModelConfig {
            classes: classes.expect("there is a classifier"),
            ..ModelConfig::of(architecture)
        };
        let config = weights::form(&checkpoint, config).expect("its form is known");
        assert_eq!(config.is_class_agnostic, list.ends_with("agnostic"));
        assert_eq!(published, shapes(&weights::seeded(&config, 1)), "{list}");
    }
}
