//! What is told of how detections come to be, on both engines: that it is what the detector did, by the maps.

mod adapter;

use burn::tensor::{Device, Tensor, TensorData};
use fpn_wgpu::boxes::{BBox, Edges};
use fpn_wgpu::data::scenes::Scene;
use fpn_wgpu::inspection::{Fate, Inspection, Origin, Reason, Start};
use fpn_wgpu::models::faster_rcnn::{
    KEYPOINT_RESNET50_FPN, MASK_RESNET50_FPN, PYRAMID_TINY, RESNET18_FPN,
};
use fpn_wgpu::models::retinaface::MOBILENET025;
use fpn_wgpu::models::{
    Architecture, ModelConfig, dense_detector, detectron2, efpn_tiny, faster_rcnn_c4, nanodet,
};
use fpn_wgpu::ops::roi_align::{RoiAlignOptions, roi_align};
use fpn_wgpu::plan::MapKind;
use fpn_wgpu::{DetectError, Detection, Detector, DetectorBuilder, FeatureMap, weights};
use image::DynamicImage;

/// Pixels of the picture between a GPU's boxes and the host's.
const PIXELS: f32 = 0.05;
/// Between their scores.
const SCORE: f32 = 1e-4;

/// A picture with objects that pyramid_tiny finds; it is brought to 120 pixels, three quarters of its size.
fn scene() -> DynamicImage {
    Scene::draw(1000, [160, 200]).picture.into()
}

fn tiny() -> DetectorBuilder {
    let weights = weights::builtin(PYRAMID_TINY).expect("it has weights of its own");
    Detector::builder(weights).min_size(120)
}

fn seeded(architecture: Architecture) -> DetectorBuilder {
    let config = ModelConfig::of(architecture);
    Detector::builder(weights::seeded(&config, 1))
}

fn are_near(a: BBox, b: BBox, pixels: f32) -> bool {
    a.iter().zip(b).all(|(a, b)| (a - b).abs() <= pixels)
}

/// What both engines tell of a picture, checked; `overlap` is that of the final selection.
fn inspected(
    builder: impl Fn() -> DetectorBuilder,
    picture: &DynamicImage,
    overlap: f32,
) -> [Inspection; 2] {
    [None, Some(adapter::gpu())].map(|gpu| {
        let is_exact = gpu.is_none();
        let detector = builder().gpu(gpu).inspectable().nms_threshold(overlap);
        let detector = detector.build().expect("the weights fit");
        let edges = match detector.config().architecture == faster_rcnn_c4::RESNET50 {
            true => Edges::Inclusive,
            false => Edges::Exclusive,
        };
        let told = detector.inspect(picture).expect("computed");
        assert_eq!(detector.detect(picture).as_ref(), Ok(&told.detections));
        assert!(!told.detections.items.is_empty());
        check(&told, is_exact, overlap, edges);
        told
    })
}

/// What holds of any detector.
fn check(told: &Inspection, is_exact: bool, overlap: f32, edges: Edges) {
    let pixels = if is_exact { 0.0 } else { PIXELS };
    let score = if is_exact { 0.0 } else { SCORE };
    for (index, detection) in told.detections.items.iter().enumerate() {
        let story = told.story(index).expect("each has one");
        let candidate = &told.candidates[story.candidate];
        assert_eq!(candidate.fate, Fate::Kept(index));
        assert_eq!(candidate.label, detection.label);
        assert!((candidate.score - detection.score).abs() <= score);
        assert!(are_near(candidate.bbox, detection.bbox, pixels));
        let start = &told.starts[story.start];
        assert_eq!(start.level, detection.level);
        match story.proposal {
            Some(proposal) => check_proposal(told, proposal, detection, pixels),
            None => {
                assert_eq!(start.fate, candidate.fate);
                assert_eq!(start.scores[detection.label], candidate.score);
                assert_eq!(start.bbox, candidate.bbox);
            }
        }
    }
    for (index, proposal) in told.proposals.iter().enumerate() {
        assert_eq!(told.starts[proposal.start].fate, Fate::Kept(index));
    }
    let mut fallen = 0;
    for candidate in &told.candidates {
        if let Fate::Suppressed { by, overlap: found } = candidate.fate {
            fallen += 1;
            let better = &told.candidates[by];
            assert_eq!(candidate.label, better.label);
            assert!(candidate.score <= better.score);
            assert!(found > overlap);
            let expected = edges.iou(candidate.bbox, better.bbox);
            assert!((found - expected).abs() < 1e-3, "{found} {expected}");
            // It was kept, but for what a GPU decides otherwise.
            let is_kept = matches!(better.fate, Fate::Kept(_));
            assert!(is_kept || !is_exact || better.fate == Fate::Dropped(Reason::TooSmall));
        }
    }
    assert!(fallen > 0, "nothing was suppressed");
    for start in &told.starts {
        if let Fate::Suppressed { by, .. } = start.fate {
            let better = &told.starts[by];
            assert!(start.score <= better.score);
            assert!(told.proposals.is_empty() || start.level == better.level);
        }
    }
    let rounded = Fate::Dropped(Reason::Rounding);
    let starts = told.starts.iter().map(|start| start.fate);
    let fates = starts.chain(told.candidates.iter().map(|candidate| candidate.fate));
    assert!(!is_exact || fates.into_iter().all(|fate| fate != rounded));
    check_lists(told);
}

/// The orders of the lists, and how long they are.
fn check_lists(told: &Inspection) {
    let best_first = |starts: &[Start]| starts.is_sorted_by(|a, b| a.score >= b.score);
    let levels = told.starts.chunk_by(|a, b| a.level == b.level);
    let numbers: Vec<usize> = levels.clone().map(|level| level[0].level).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    assert!(levels.into_iter().all(best_first));
    assert!(told.candidates.is_sorted_by(|a, b| a.score >= b.score));

    let counts = told.counts();
    let cells = told
        .anchors
        .iter()
        .map(|level| level.cells[0] * level.cells[1] * level.per_cell);
    assert_eq!(counts.anchors, cells.sum::<usize>());
    let mut used: Vec<_> = told
        .starts
        .iter()
        .map(|s| (s.level, s.cell, s.anchor))
        .collect();
    used.sort_unstable();
    used.dedup();
    assert!(counts.anchors >= used.len());
    assert!(counts.starts >= counts.boxes && counts.boxes >= counts.distinct_boxes);
    assert!(counts.distinct_boxes >= counts.proposals);
    assert!(counts.candidates >= counts.distinct_candidates);
    assert!(counts.distinct_candidates >= counts.detections);
    let detections = told
        .candidates
        .iter()
        .filter(|c| matches!(c.fate, Fate::Kept(_)));
    assert_eq!(detections.count(), counts.detections);
    for start in &told.starts {
        let level = told.anchors.iter().find(|level| level.level == start.level);
        let level = level.expect("it has anchors");
        assert_eq!(level.of_cell(start.cell)[start.anchor], start.anchor_box);
        assert!((0..2).all(|axis| start.cell[axis] < level.cells[axis]));
    }
}

fn check_proposal(told: &Inspection, proposal: usize, detection: &Detection, pixels: f32) {
    let story = &told.proposals[proposal];
    let start = &told.starts[story.start];
    assert!(are_near(start.bbox, story.bbox, pixels));
    assert_eq!(start.level, story.level);
    assert!((story.scores.iter().sum::<f32>() - 1.0).abs() < 1e-5);
    assert!((story.scores[detection.label] - detection.score).abs() <= SCORE);
    let crop = told.crop(proposal).expect("there is one");
    assert_eq!(crop.level, story.roi_level);
    assert_eq!(crop.shape[1..], [7, 7]);
    assert_eq!(crop.strength().len(), 49);
}

fn named<'a>(told: &'a Inspection, name: &str) -> &'a FeatureMap {
    let found = told.maps.iter().find(|map| map.info.name == name);
    found.unwrap_or_else(|| panic!("there is no {name}"))
}

fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

/// The box that deltas make of an anchor, both by centre and size, cut to the picture.
fn decoded([x1, y1, x2, y2]: BBox, [dx, dy, dw, dh]: [f32; 4], [height, width]: [f32; 2]) -> BBox {
    let (w, h) = (x2 - x1, y2 - y1);
    let (cx, cy) = (x1 + w / 2.0 + dx * w, y1 + h / 2.0 + dy * h);
    let (w, h) = (w * dw.exp(), h * dh.exp());
    let bbox = [cx - w / 2.0, cy - h / 2.0, cx + w / 2.0, cy + h / 2.0];
    let [x1, y1, x2, y2] = bbox;
    [
        x1.clamp(0.0, width),
        y1.clamp(0.0, height),
        x2.clamp(0.0, width),
        y2.clamp(0.0, height),
    ]
}

#[test]
fn a_two_stage_detector_tells_of_its_anchors_by_its_maps() {
    for told in inspected(tiny, &scene(), 0.5) {
        assert_eq!(told.anchors.len(), 5);
        let stride = told.anchors.iter().map(|level| level.stride[0]);
        assert_eq!(stride.collect::<Vec<_>>(), [4, 8, 16, 32, 64]);
        let fates = |is: fn(&Fate) -> bool| told.starts.iter().filter(|s| is(&s.fate)).count();
        assert!(fates(|fate| matches!(fate, Fate::Suppressed { .. })) > 100);
        assert!(fates(|fate| matches!(fate, Fate::Kept(_))) == told.proposals.len());
        for start in &told.starts {
            let head = |what: &str| named(&told, &format!("P{} {what}", start.level));
            let logits = head("objectness");
            let [anchors, height, width] = logits.shape;
            assert_eq!(anchors, 3);
            let cell = start.cell[0] * width + start.cell[1];
            let at = |map: &FeatureMap, channel: usize| map.values[channel * height * width + cell];
            assert!((sigmoid(at(logits, start.anchor)) - start.score).abs() < 1e-6);
            let deltas = [0, 1, 2, 3].map(|k| at(head("deltas"), 4 * start.anchor + k));
            let found = decoded(start.anchor_box, deltas, [160.0, 200.0]);
            assert!(
                are_near(found, start.bbox, 0.01),
                "{found:?} {:?}",
                start.bbox
            );
            // torchvision's lie about a cell's corner, of an input of 128 × 160 pixels; the picture is 4/3 as wide.
            let [x1, y1, x2, y2] = start.anchor_box;
            let [y, x] = [(0, 128 / height), (1, 160 / width)]
                .map(|(axis, stride)| (start.cell[axis] * stride) as f32 * 4.0 / 3.0);
            assert!((0.5 * (x1 + x2) - x).abs() < 0.01 && (0.5 * (y1 + y2) - y).abs() < 0.01);
        }
    }
}

/// The RoIAlign of each proposal over the level that its size asks for.
#[test]
fn crops_are_what_the_head_looks_at() {
    let [told, _] = inspected(tiny, &scene(), 0.5);
    let device = Device::flex();
    let levels = (2..=5).map(|n| {
        let map = named(&told, &format!("P{n}"));
        let [channels, height, width] = map.shape;
        let data = TensorData::new(map.values.clone(), [1, channels, height, width]);
        Tensor::<4>::from_data(data, &device)
    });
    let boxes = told
        .proposals
        .iter()
        .flat_map(|proposal| proposal.bbox.map(|side| side * 0.75));
    let count = told.proposals.len();
    let boxes = TensorData::new(boxes.collect::<Vec<f32>>(), [count, 4]);
    let number = TensorData::new(vec![count as i32], [1]);
    let crops = roi_align(
        levels.collect(),
        Tensor::from_data(boxes, &device),
        Tensor::from_data(number, &device),
        RoiAlignOptions {
            canonical_size: 160.0,
            ..RoiAlignOptions::torchvision([7, 7])
        },
    );
    let expected: Vec<f32> = crops.into_data().try_to_vec().expect("they are floats");
    let found = (0..count).flat_map(|index| told.crop(index).expect("there is one").values);
    let found: Vec<f32> = found.collect();
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= 1e-4 * largest);
    }
    assert_eq!(told.crop(count), None);
    assert_eq!(told.story(told.detections.items.len()), None);
    let used: std::collections::BTreeSet<usize> = told
        .proposals
        .iter()
        .map(|proposal| proposal.roi_level)
        .collect();
    assert!(used.len() > 1, "{used:?}");
}

#[test]
fn other_two_stage_detectors_tell_of_theirs() {
    let picture: DynamicImage = weights::picture(1, 144, 96).into();
    let all: [Architecture; 6] = [
        RESNET18_FPN,
        MASK_RESNET50_FPN,
        KEYPOINT_RESNET50_FPN,
        detectron2::FASTER_RCNN,
        efpn_tiny::EFPN_TINY,
        faster_rcnn_c4::RESNET50,
    ];
    for architecture in all {
        println!("{architecture}");
        let builder = || seeded(architecture).min_size(96).proposals(200);
        for told in inspected(builder, &picture, 0.5) {
            assert!(told.proposals.len() > 50);
            let levels = architecture.levels();
            let mut used = told.proposals.iter().map(|proposal| proposal.roi_level);
            assert!(used.all(|level| levels.contains(&level)));
        }
    }
}

#[test]
fn a_face_detector_tells_of_its_anchors() {
    let picture: DynamicImage = weights::picture(1, 160, 120).into();
    for told in inspected(|| seeded(MOBILENET025), &picture, 0.3) {
        assert!(told.proposals.is_empty() && told.crop(0).is_none());
        assert_eq!(told.starts.len(), told.candidates.len());
        for start in &told.starts {
            let classes = named(&told, &format!("P{} classes", start.level));
            let [_, height, width] = classes.shape;
            let cell = start.cell[0] * width + start.cell[1];
            let [background, face] = [0, 1]
                .map(|class| classes.values[(2 * start.anchor + class) * height * width + cell]);
            assert!((sigmoid(face - background) - start.score).abs() < 1e-6);
            assert!((start.scores[0] + start.scores[1] - 1.0).abs() < 1e-6);
        }
    }
}

#[test]
fn dense_detectors_tell_of_their_places() {
    let picture: DynamicImage = weights::picture(1, 144, 96).into();
    let all = dense_detector::ARCHITECTURES.into_iter();
    for architecture in all.chain([nanodet::PLUS_M_320, nanodet::M_320]) {
        println!("{architecture}");
        let builder = || seeded(architecture).min_size(96).max_size(96);
        for told in inspected(builder, &picture, 0.5) {
            assert_eq!(told.starts.len(), told.candidates.len());
            for candidate in &told.candidates {
                let Origin::Start(start) = candidate.origin else {
                    panic!("{:?}", candidate.origin);
                };
                let start = &told.starts[start];
                assert_eq!(start.scores[candidate.label], candidate.score);
                assert_eq!(start.bbox, candidate.bbox);
            }
        }
    }
}

#[test]
fn what_was_not_built_for_it_says_so() {
    let picture = scene();
    let told = tiny()
        .build()
        .expect("the weights fit")
        .inspect(&picture)
        .err();
    let expected = "pyramid_tiny cannot be inspected: it was built without `inspectable`";
    assert_eq!(
        told.map(|error| error.to_string()).as_deref(),
        Some(expected)
    );
    let maps_alone = tiny().inspectable().maps_alone().build();
    let told = maps_alone.expect("the weights fit").inspect(&picture).err();
    assert!(
        matches!(told, Some(DetectError::NoDetections { .. })),
        "{told:?}"
    );
}

/// An inspectable detector gives what it was built to give, and no more.
#[test]
fn what_is_at_hand_for_an_inspection_is_not_handed_over() {
    let picture = scene();
    for gpu in [None, Some(adapter::gpu())] {
        let builder = || tiny().gpu(gpu.clone()).map_kinds([MapKind::Strength]);
        let [plain, inspectable] = [builder(), builder().inspectable()];
        let [expected, found] = [plain, inspectable].map(|builder| {
            let detector = builder.build().expect("the weights fit");
            detector.detect_with_maps(&picture).expect("computed")
        });
        assert_eq!(expected.1.len(), 5);
        assert_eq!(found, expected);
    }
}
