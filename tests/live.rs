//! What a live view asks of a detector: maps of a value a cell, frame after frame, and an overlap that is changed
//! meanwhile.

mod adapter;

use std::collections::{BTreeSet, VecDeque};
use std::time::Instant;

use fpn_wgpu::compile::Precision;
use fpn_wgpu::gpu::Gpu;
use fpn_wgpu::kernels::Dtype;
use fpn_wgpu::models::faster_rcnn::PYRAMID_TINY;
use fpn_wgpu::models::retinaface::MOBILENET025;
use fpn_wgpu::models::{Architecture, ModelConfig, Stage, dense_detector, faster_rcnn_c4, nanodet};
use fpn_wgpu::plan::MapKind;
use fpn_wgpu::{BuildError, Detector, DetectorBuilder, FeatureMap, weights};
use image::{DynamicImage, RgbaImage};

use crate::adapter::open;

/// What a live view shows.
const SMALL: [MapKind; 2] = [MapKind::Strength, MapKind::Objectness];

/// Where the logits of a level are, which channels of those count, and what makes a probability of them.
struct Scores {
    /// What its head's map is called.
    map: &'static str,
    /// Of a cell: the probability of each anchor and class but the background.
    probabilities: fn(&dyn Fn(usize) -> f32, channels: usize) -> Vec<f32>,
}

fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

const RPN: Scores = Scores {
    map: "objectness",
    probabilities: |at, channels| (0..channels).map(|c| sigmoid(at(c))).collect(),
};

const PROBABILITIES: Scores = Scores {
    probabilities: |at, channels| (0..channels).map(at).collect(),
    ..RPN
};

const FACES: Scores = Scores {
    map: "classes",
    probabilities: |at, channels| {
        let anchors = (0..channels).step_by(2);
        anchors
            .map(|c| at(c + 1).exp() / (at(c).exp() + at(c + 1).exp()))
            .collect()
    },
};

/// All classes but the first of 91.
const DENSE: Scores = Scores {
    map: "classes",
    probabilities: |at, channels| {
        let classes = (0..channels).filter(|c| c % 91 > 0);
        classes.map(|c| sigmoid(at(c))).collect()
    },
};

const NANODET: Scores = Scores {
    map: "classes and boxes",
    probabilities: |at, channels| (0..channels - 32).map(|c| sigmoid(at(c))).collect(),
};

fn builder(architecture: Architecture) -> DetectorBuilder {
    let config = ModelConfig::of(architecture);
    Detector::builder(weights::seeded(&config, 1))
}

fn named<'a>(maps: &'a [FeatureMap], name: &str) -> &'a FeatureMap {
    let mut maps = maps.iter();
    let found = maps.find(|map| map.info.name == name);
    found.unwrap_or_else(|| panic!("there is no {name}"))
}

/// What is found by the maps that a small one is made of.
fn check(maps: &[FeatureMap], scores: &Scores) {
    let small = |kind| maps.iter().filter(move |map| map.info.kind == kind);
    let levels = small(MapKind::Pyramid).count();
    assert_eq!(small(MapKind::Strength).count(), levels);
    for map in small(MapKind::Strength) {
        let pyramid = named(
            maps,
            map.info.name.strip_suffix(" strength").expect("so named"),
        );
        let expected = pyramid.strength();
        let [_, height, width] = pyramid.shape;
        assert_eq!(map.shape, [1, height, width]);
        assert_eq!(
            [map.info.level, map.info.stride],
            [pyramid.info.level, pyramid.info.stride]
        );
        for (found, expected) in map.values.iter().zip(expected) {
            assert!(
                (found - expected).abs() <= 1e-5 * expected,
                "{found} and {expected}"
            );
        }
    }
    assert!(small(MapKind::Objectness).count() > 0);
    for map in small(MapKind::Objectness) {
        let name = map.info.name.strip_suffix("probability").expect("so named");
        let logits = named(maps, &format!("{name}{}", scores.map));
        let centreness = format!("{name}centreness");
        let centreness = maps.iter().find(|map| map.info.name == centreness);
        let [channels, height, width] = logits.shape;
        assert_eq!(map.shape, [1, height, width]);
        assert_eq!(map.info.level, logits.info.level);
        let cells = height * width;
        for (cell, found) in map.values.iter().enumerate() {
            let at = |channel: usize| logits.values[channel * cells + cell];
            let probabilities = (scores.probabilities)(&at, channels);
            let likeliest = probabilities.into_iter().fold(0.0, f32::max);
            let expected = match centreness {
                Some(map) => (likeliest * sigmoid(map.values[cell])).sqrt(),
                None => likeliest,
            };
            assert!(
                (found - expected).abs() <= 1e-5,
                "{}: {found} and {expected}",
                map.info.name
            );
        }
    }
}

fn small_maps_are_what_they_are_made_of(architecture: Architecture, scores: &Scores, side: usize) {
    let picture: DynamicImage = weights::picture(1, 96, 64).into();
    for gpu in [None, Some(adapter::gpu())] {
        let builder = builder(architecture).gpu(gpu);
        let kinds = SMALL.into_iter().chain([MapKind::Heads]);
        let builder = builder.maps(kinds).min_size(side).max_size(side);
        let detector = builder.build().expect("seeded weights fit");
        check(&detector.maps(&picture).expect("computed"), scores);
    }
}

#[test]
fn small_maps_of_a_two_stage_detector() {
    small_maps_are_what_they_are_made_of(PYRAMID_TINY, &RPN, 96);
}

#[test]
fn small_maps_of_a_detector_on_one_map() {
    small_maps_are_what_they_are_made_of(faster_rcnn_c4::RESNET50, &PROBABILITIES, 96);
}

#[test]
fn small_maps_of_a_face_detector() {
    small_maps_are_what_they_are_made_of(MOBILENET025, &FACES, 96);
}

#[test]
fn small_maps_of_dense_detectors() {
    for architecture in dense_detector::ARCHITECTURES {
        small_maps_are_what_they_are_made_of(architecture, &DENSE, 96);
    }
    small_maps_are_what_they_are_made_of(nanodet::PLUS_M_320, &NANODET, 96);
}

/// A pyramid's levels stay on the device.
#[test]
fn live_frames_are_in_flight_with_their_maps_and_make_nothing() {
    let gpu = open();
    let live = builder(PYRAMID_TINY).gpu(gpu.clone()).map_kinds(SMALL);
    let live = live.min_size(96).build().expect("seeded weights fit");
    let pictures = [1, 2].map(|seed| weights::picture(seed, 160, 120));
    let alone = pictures.each_ref().map(|picture| {
        let pending = live.start_with_maps(picture).expect("sent");
        pending.wait_with_maps().expect("computed")
    });
    let (found, maps) = &alone[0];
    assert_eq!(
        live.start(&pictures[0]).expect("sent").wait().as_ref(),
        Ok(found)
    );
    assert_eq!(maps.len(), 2 * 5);
    assert!(maps.iter().all(|map| map.shape[0] == 1));
    let both = || {
        let pending = pictures
            .each_ref()
            .map(|picture| live.start_with_maps(picture).expect("sent"));
        pending.map(|frame| frame.wait_with_maps().expect("computed"))
    };
    assert_eq!(both(), alone);
    let made = gpu.counters().made();
    for _ in 0..3 {
        assert_eq!(both(), alone);
    }
    assert_eq!(gpu.counters().made(), made);
}

#[test]
fn an_overlap_that_is_set_later_is_as_one_that_was_built_with() {
    let pictures =
        [[160, 120], [120, 160]].map(|[width, height]| weights::picture(1, width, height));
    let all = |detector: &Detector| {
        let found = |picture: &RgbaImage| detector.start(picture).expect("sent").wait();
        pictures
            .each_ref()
            .map(|picture| found(picture).expect("computed"))
    };
    let gpu = open();
    for gpu in [None, Some(gpu)] {
        let builder = || builder(MOBILENET025).gpu(gpu.clone()).score_threshold(0.3);
        let mut detector = builder().build().expect("seeded weights fit");
        let usual = all(&detector);
        let made = gpu.as_ref().map(|gpu| gpu.counters().made());
        let mut set = |threshold| {
            detector
                .set_nms_threshold(threshold)
                .expect("it is in range");
            let found = all(&detector);
            assert_eq!(gpu.as_ref().map(|gpu| gpu.counters().made()), made);
            found
        };
        let later = [0.1, 0.9].map(&mut set);
        assert!(later[0][0].items.len() < usual[0].items.len());
        assert!(later[1][0].items.len() > usual[0].items.len());
        let usual_again = set(0.4);
        assert_eq!(usual_again, usual);
        for (threshold, later) in [0.1, 0.9].into_iter().zip(later) {
            let other = builder().nms_threshold(threshold).build();
            assert_eq!(all(&other.expect("seeded weights fit")), later);
        }
        for threshold in [-0.1, 1.1, f32::NAN] {
            let told = detector.set_nms_threshold(threshold).err();
            let is_told = matches!(
                told,
                Some(BuildError::Option {
                    option: "nms_threshold",
                    ..
                })
            );
            assert!(is_told, "{told:?}");
        }
        assert_eq!(all(&detector), usual);
    }
}

/// The coarsest level that a bottom-up map makes has nothing handed down to it; all finer ones have.
#[test]
fn levels_without_the_way_down_are_made_of_their_own_maps_alone() {
    let picture = DynamicImage::from(weights::picture(1, 160, 128));
    let dense = dense_detector::RETINANET_RESNET50_FPN;
    for architecture in [PYRAMID_TINY, dense] {
        let config = ModelConfig::of(architecture);
        for gpu in [None, Some(open())] {
            let detector = Detector::builder(weights::seeded(&config, 1))
                .min_size(128)
                .max_size(160)
                .gpu(gpu)
                .map_kinds([MapKind::Pyramid, MapKind::Alone])
                .maps_alone()
                .build()
                .expect("seeded weights fit");
            let maps = detector.maps(&picture).expect("it is looked at");
            let of = |kind: MapKind| maps.iter().filter(move |map| map.info.kind == kind);
            let coarsest = of(MapKind::Alone).count() - 1;
            assert!(coarsest >= 2, "{architecture}");
            for (index, (alone, level)) in of(MapKind::Alone).zip(of(MapKind::Pyramid)).enumerate()
            {
                assert_eq!(alone.shape, level.shape);
                assert_eq!(alone.info.name, format!("{} alone", level.info.name));
                let is_same = alone.values == level.values;
                assert_eq!(is_same, index == coarsest, "{}", alone.info.name);
            }
        }
    }
}

/// A buffer's bytes in the host's memory.
fn bytes_of(gpu: &Gpu, buffer: &wgpu::Buffer) -> Vec<u8> {
    let device = gpu.device();
    let staging = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: buffer.size(),
        usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
        mapped_at_creation: false,
    });
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, buffer.size());
    gpu.queue().submit([encoder.finish()]);
    staging.map_async(wgpu::MapMode::Read, .., |mapped| {
        mapped.expect("it can be read")
    });
    gpu.wait().expect("the device works");
    let view = staging.get_mapped_range(..).expect("it is mapped");
    view.to_vec()
}

#[test]
fn maps_that_are_kept_on_the_device_are_those_that_would_be_read() {
    let config = ModelConfig::of(PYRAMID_TINY);
    let gpu = open();
    for precision in [Precision::F32, Precision::F16Storage] {
        let detector = Detector::builder(weights::seeded(&config, 1))
            .gpu(gpu.clone())
            .precision(precision)
            .map_kinds(SMALL)
            .build()
            .expect("seeded weights fit");
        let pictures = [1, 2, 3].map(|seed| weights::picture(seed, 160, 128));
        let all = pictures.each_ref().map(|picture| {
            let looked = detector.start_with_maps(picture).expect("it is sent");
            looked.wait_with_maps().expect("it is looked at")
        });
        let mut made = None;
        // Each is asked for when two more frames were seen, just before its buffer's next turn.
        let mut waiting = VecDeque::new();
        for frame in 0..8 {
            let turn = frame % pictures.len();
            let sent = detector.start_keeping_maps(&pictures[turn]);
            let (pending, Some(kept)) = sent.expect("it is sent") else {
                panic!("a GPU keeps maps")
            };
            assert_eq!(pending.wait().expect("it is looked at"), all[turn].0);
            waiting.push_back((turn, kept));
            if waiting.len() < pictures.len() {
                continue;
            }
            let (turn, kept) = waiting.pop_front().expect("three wait");
            let (_, maps) = &all[turn];
            // Of the three buffers each was made once.
            match made {
                Some(made) => assert_eq!(gpu.counters().made(), made, "{frame}"),
                None if frame == 2 => made = Some(gpu.counters().made()),
                None => {}
            }
            let bytes = bytes_of(&gpu, &kept.buffer);
            assert_eq!(kept.maps.len(), maps.len());
            for (kept, map) in kept.maps.iter().zip(maps) {
                assert_eq!(
                    (&kept.info, kept.shape, kept.coverage),
                    (&map.info, map.shape, map.coverage)
                );
                let cells = map.values.len();
                let bytes = &bytes[kept.offset..];
                let values: Vec<f32> = match kept.dtype {
                    Dtype::F32 => {
                        let floats = bytes.as_chunks::<4>().0.iter().step_by(4);
                        floats
                            .take(cells)
                            .map(|bytes| f32::from_le_bytes(*bytes))
                            .collect()
                    }
                    Dtype::F16 => {
                        let halves = bytes.as_chunks::<2>().0.iter().step_by(4);
                        let halves = halves
                            .take(cells)
                            .map(|bytes| half::f16::from_le_bytes(*bytes));
                        halves.map(half::f16::to_f32).collect()
                    }
                };
                assert_eq!(values, map.values, "{} of frame {frame}", map.info.name);
            }
        }
    }
}

/// A detector with a clock finds the same, and tells every part of its plan; the parts take no longer than the whole.
#[test]
fn the_parts_of_a_frame_are_timed_within_it() {
    let gpu = open();
    let picture = weights::picture(3, 96, 64);
    for architecture in [PYRAMID_TINY, MOBILENET025] {
        let builder = || builder(architecture).min_size(64).max_size(96);
        let usual = builder()
            .gpu(gpu.clone())
            .build()
            .expect("seeded weights fit");
        let timed = builder().gpu(gpu.clone()).clocked().build();
        let timed = timed.expect("seeded weights fit");
        let found = |detector: &Detector| {
            let began = Instant::now();
            let pending = detector.start(&picture).expect("the picture fits");
            gpu.wait().expect("the device is there");
            let outcome = pollster::block_on(pending.finish_timed());
            let ((found, _), parts) = outcome.expect("the network's values are finite");
            (found, parts, began.elapsed())
        };
        let (expected, none, _) = found(&usual);
        assert_eq!(none, []);
        // Of the first picture of its size, and of one that finds all ready.
        for _ in 0..2 {
            let [submissions, _] = gpu.counters().sent();
            let (detections, parts, took) = found(&timed);
            assert_eq!(detections, expected);
            assert_eq!(gpu.counters().sent()[0], submissions + 1);
            if !gpu.has_timestamps() {
                assert_eq!(parts, []);
                continue;
            }
            let engine = timed.gpu_engine().expect("it computes on a GPU");
            let profile = engine.profile(&picture, 1).expect("it was computed");
            let stages: BTreeSet<Stage> =
                profile.plan.steps.iter().map(|step| step.stage).collect();
            assert!(parts.iter().map(|(stage, _)| *stage).eq(stages));
            let sum: f64 = parts.iter().map(|(_, seconds)| seconds).sum();
            assert!(
                sum > 0.0 && sum <= took.as_secs_f64(),
                "{parts:?} of {took:?}"
            );
        }
    }
}
