//! detectron2's Faster R-CNN and EFPN against their published definitions in PyTorch: plain and grouped, the
//! stride in either place, both kinds of strides.

use fpn_wgpu::Detector;
use fpn_wgpu::models::{Architecture, Body, FttForm, ModelConfig, StrideIn, Strides};
use fpn_wgpu::weights::{self, StoredTensor};

use crate::case::Case;
use crate::faster_rcnn::check;
use crate::published::{of_shapes, parameter_count, shapes, state_dict};
use crate::support::TensorFile;

macro_rules! cases {
    ($($name:ident),+ $(,)?) => {
        mod cpu {
            $(
                #[test]
                fn $name() {
                    super::check(&super::open(stringify!($name)));
                }
            )+
        }

        mod gpu {
            $(
                #[test]
                fn $name() {
                    let case = super::open(stringify!($name));
                    case.check_detections(Some(crate::adapter::gpu()));
                }
            )+
        }
    };
}

cases![
    d2_50_s1,
    d2_50_s2,
    d2_x101_s6,
    efpn_50_s4,
    efpn_50_s5,
    efpn_50_conv1x1_s10,
    efpn_50_residual_s8,
    efpn_50_hat_s11
];

fn open(name: &'static str) -> Case {
    let golden = TensorFile::golden(name);
    let architecture = golden.metadata("model").parse();
    let architecture: Architecture = architecture.unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut config = ModelConfig {
        classes: golden.number("classes"),
        ..ModelConfig::of(architecture)
    };
    if config.strides().is_none() {
        config = config.with_body(named(&golden.metadata("depth")));
    }
    let stride_in = golden.metadata("stride_in");
    let mut places = StrideIn::ALL.into_iter();
    let place = places.find(|place| place.name() == stride_in);
    config.stride_in = place.unwrap_or_else(|| panic!("{name}: {stride_in}"));
    let std = golden.metadata("pixel_std");
    let std: Vec<f32> = std
        .split(' ')
        .map(|std| std.parse().expect("f32"))
        .collect();
    config.pixel_std = std.try_into().expect("three channels");
    let form = golden.metadata("ftt");
    let mut forms = FttForm::ALL.into_iter();
    config.ftt = forms.find(|ftt| ftt.name() == form);
    let strides = golden.metadata("strides");
    let mut kinds = Strides::ALL.into_iter();
    let kind = kinds
        .find(|kind| kind.name() == strides)
        .expect("one of both");
    Case::of(name, golden, config.with_strides(kind).unwrap_or(config))
}

fn named(depth: &str) -> Body {
    let mut named = Body::NAMED.into_iter();
    let found = named.find(|(name, _)| *name == depth);
    found
        .unwrap_or_else(|| panic!("{depth} is the name of no depth"))
        .1
}

/// Every published model, by the name of its list of keys, with its parameters; scales and shifts of norms
/// are among them.
fn published() -> Vec<(String, ModelConfig, usize)> {
    let detectron2: Architecture = "detectron2_faster_rcnn_fpn".parse().expect("it is known");
    let depths = [
        ("50", 41_753_056),
        ("101", 60_745_184),
        ("x101", 104_987_360),
    ];
    let depths = depths.map(|(depth, parameters)| {
        let config = ModelConfig::of(detectron2).with_body(named(depth));
        (
            format!("detectron2_faster_rcnn_fpn_{depth}"),
            config,
            parameters,
        )
    });
    let forms = [
        (None, [202_429_664, 365_298_912]),
        (Some(FttForm::Conv1x1), [205_444_320, 368_313_568]),
        (Some(FttForm::Residual), [234_287_072, 397_156_320]),
        (Some(FttForm::Hat), [208_765_444, 371_634_692]),
    ];
    let efpn = forms.into_iter().flat_map(|(ftt, totals)| {
        ["50", "101"]
            .into_iter()
            .zip(totals)
            .map(move |(depth, total)| {
                let name = format!("efpn_resnext{depth}");
                let architecture: Architecture = name.parse().expect("it is known");
                let config = ModelConfig {
                    ftt,
                    ..ModelConfig::of(architecture)
                };
                let form = ftt.map_or("none", FttForm::name);
                (format!("efpn_{form}_{depth}"), config, total)
            })
    });
    depths.into_iter().chain(efpn).collect()
}

#[test]
fn the_parameters_are_as_many_as_published() {
    for (name, config, expected) in published() {
        let total = parameter_count(&config);
        assert_eq!(total, expected, "{name}");
    }
}

/// The keys and shapes of the published code's state dicts, from which alone each model's form is known.
#[test]
fn a_published_state_dict_has_these_keys() {
    for (name, expected, _) in published() {
        let Some(tensors) = state_dict(&name) else {
            continue;
        };
        let checkpoint = of_shapes(tensors.clone());
        let found = weights::form(&checkpoint, ModelConfig::of(expected.architecture));
        assert_eq!(found.expect("it has a form"), expected, "{name}");
        assert_eq!(shapes(&weights::seeded(&expected, 1)), tensors, "{name}");
    }
}

/// What older checkpoints hold besides parameters is used or compared, and then left.
#[test]
fn an_older_checkpoint_says_how_pictures_were_prepared() {
    let architecture: Architecture = "detectron2_faster_rcnn_fpn".parse().expect("it is known");
    let config = ModelConfig::of(architecture);
    let with = |extras: &[(&str, Vec<usize>, Vec<f32>)]| {
        let mut checkpoint = weights::seeded(&config, 1);
        checkpoint.metadata = weights::Metadata::default();
        for (key, shape, values) in extras {
            let tensor = StoredTensor::of(shape.clone(), values.clone());
            checkpoint.tensors.insert((*key).to_owned(), tensor);
        }
        checkpoint
    };
    let anchors = "proposal_generator.anchor_generator.cell_anchors.0";
    let half = 22.627_417;
    let cell = |scale: f32| {
        let [long, short, middle] = [half, half / 2.0, 16.0].map(|side| scale * side);
        vec![
            -long, -short, long, short, -middle, -middle, middle, middle, -short, -long, short,
            long,
        ]
    };
    let checkpoint = with(&[
        ("pixel_mean", vec![3, 1, 1], vec![1.0, 2.0, 3.0]),
        ("pixel_std", vec![3, 1, 1], vec![4.0, 5.0, 6.0]),
        (anchors, vec![3, 4], cell(1.0)),
    ]);
    let told = weights::form(&checkpoint, config).expect("it has a form");
    assert_eq!(told.pixel_mean, [1.0, 2.0, 3.0]);
    assert_eq!(told.pixel_std, [4.0, 5.0, 6.0]);
    weights::load(&told, &checkpoint).expect("nothing is missing or left over");

    for (extras, expected) in [
        (
            [("pixel_std", vec![3, 1, 1], vec![0.0, 1.0, 1.0])],
            "holds a broken tensor 'pixel_std': its values are [0.0, 1.0, 1.0], where three numbers above 0 are expected",
        ),
        (
            [("pixel_mean", vec![2], vec![0.0, 1.0])],
            "holds a broken tensor 'pixel_mean': its shape is [2], where three values are expected",
        ),
        (
            [(anchors, vec![3, 4], cell(2.0))],
            "does not fit detectron2_faster_rcnn_fpn: tensor 'proposal_generator.anchor_generator.cell_anchors.0' of shape [3, 4] holds other anchors than ",
        ),
    ] {
        let error = weights::form(&with(&extras), config).expect_err("it is broken");
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}

#[test]
fn options_that_a_model_does_not_have_are_refused() {
    let architecture = |name: &str| -> Architecture { name.parse().expect("it is known") };
    let efpn = architecture("efpn_resnext50");
    let detectron2 = architecture("detectron2_faster_rcnn_fpn");
    let tiny = architecture("pyramid_tiny");
    let builder =
        |architecture| Detector::builder(weights::seeded(&ModelConfig::of(architecture), 1));
    for (built, expected) in [
        (
            builder(detectron2).strides(Strides::True).build(),
            "strides is true: expected nothing, since this model knows one kind only",
        ),
        (
            builder(tiny).pixel_std([1.0; 3]).build(),
            "pixel_std is [1.0, 1.0, 1.0]: expected nothing, since this model's is always the same",
        ),
        (
            builder(efpn).pixel_std([1.0, 0.0, 1.0]).build(),
            "pixel_std is [1.0, 0.0, 1.0]: expected three numbers above 0",
        ),
    ] {
        assert_eq!(built.expect_err("it is refused").to_string(), expected);
    }
    // Its depth is in its name.
    let deeper = weights::seeded(&ModelConfig::of(architecture("efpn_resnext101")), 1);
    let error = weights::form(&deeper, ModelConfig::of(efpn)).expect_err("it is another model");
    assert_eq!(
        error.to_string(),
        "does not fit efpn_resnext50: res2…res6 have [3, 1, 4, 23, 3] blocks, which is another model's bottom-up network"
    );
}
