//! Where there is nothing, hardly anything, or NaN.

use burn::backend::Dispatch;
use burn::tensor::{Device, Int, Tensor, TensorData};
use fpn_wgpu::boxes::Edges;
use fpn_wgpu::models::faster_rcnn::RESNET18_FPN;
use fpn_wgpu::models::retinaface::MOBILENET025;
use fpn_wgpu::models::{ModelConfig, Request, Selection};
use fpn_wgpu::ops::Map;
use fpn_wgpu::ops::anchor_decode::{AnchorDecodeOptions, decode_grid};
use fpn_wgpu::ops::anchors::AnchorLayout;
use fpn_wgpu::ops::candidates::Candidates;
use fpn_wgpu::ops::proposals::{self, ProposalOptions, Proposals};
use fpn_wgpu::ops::roi_align::{RoiAlignOptions, roi_align};
use fpn_wgpu::ops::roi_decode::{RoiDecodeOptions, decode_all, decode_rois};
use fpn_wgpu::ops::select::{SelectOptions, select_detections};
use fpn_wgpu::{DetectError, Detections, Detector, weights};
use image::DynamicImage;

use crate::random;

const FASTER_RCNN: ModelConfig = ModelConfig {
    classes: 3,
    ..ModelConfig::of(RESNET18_FPN)
};

const RETINAFACE: ModelConfig = ModelConfig::of(MOBILENET025);

fn integers(values: Vec<i32>) -> Tensor<1, Int> {
    let shape = [values.len()];
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

fn empty<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(Vec::<f32>::new(), shape), &Device::flex())
}

/// Asserts that there are no rows, of `width` values each.
fn assert_empty(candidates: Candidates<Dispatch>, width: usize) {
    let integers = |tensor| Tensor::<1, Int>::from_dispatch(tensor);
    let count: i32 = integers(candidates.count).into_scalar();
    assert_eq!(count, 0);
    assert_eq!(integers(candidates.labels).dims(), [0]);
    assert_eq!(integers(candidates.levels).dims(), [0]);
    assert_eq!(Tensor::<1>::from_dispatch(candidates.scores).dims(), [0]);
    let rows = Tensor::<2>::from_dispatch(candidates.rows);
    assert_eq!(rows.dims(), [0, width]);
}

#[test]
fn no_proposals_give_no_rois_and_no_candidates() {
    let proposals = Proposals {
        boxes: empty([0, 4]),
        levels: integers(Vec::new()),
        count: integers(vec![0]),
    };
    let levels = [8, 4, 2, 1].map(|size| random::tensor(1, "map", [1, 6, size, size]));
    let levels = levels.to_vec();
    let rois = roi_align(
        levels,
        proposals.boxes.clone(),
        proposals.count.clone(),
        RoiAlignOptions::torchvision([7, 7]),
    );
    assert_eq!(rois.dims(), [0, 6, 7, 7]);
    let frame = Tensor::from_data([32.0, 32.0, 1.0, 1.0, 0.0, 0.0], &Device::flex());
    let candidates = decode_rois(
        empty([0, 3]),
        empty([0, 12]),
        proposals,
        frame,
        RoiDecodeOptions::torchvision(0.05),
    );
    assert_empty(candidates, 4);
}

#[test]
fn no_candidates_give_no_detections() {
    for landmarks in [0, 10] {
        let candidates = Candidates {
            rows: empty([0, 4 + landmarks]).into_dispatch(),
            scores: empty([0]).into_dispatch(),
            labels: integers(Vec::new()).into_dispatch(),
            levels: integers(Vec::new()).into_dispatch(),
            count: integers(vec![0]).into_dispatch(),
        };
        let frame = Tensor::from_data([32.0, 32.0, 1.0, 1.0, 0.0, 0.0], &Device::flex());
        let options = SelectOptions {
            nms_threshold: 0.5,
            limit: 100,
            edges: Edges::Exclusive,
            is_restored: false,
        };
        assert_empty(select_detections(candidates, frame, options), 4 + landmarks);
    }
}

/// Clipped to a picture without area no proposal has a side left.
#[test]
fn a_model_without_proposals_finds_nothing() {
    let checkpoint = weights::seeded(&FASTER_RCNN, 1);
    let model = weights::load(&FASTER_RCNN, &checkpoint).expect("seeded weights fit");
    let image = random::tensor(1, "image", [1, 3, 64, 64]);
    let frame = Tensor::from_data([0.0, 0.0, 1.0, 1.0, 0.0, 0.0], &Device::flex());
    let selection = Selection {
        score_threshold: 0.0,
        ..RESNET18_FPN.selection().expect("it is a detector")
    };
    let request = Request {
        selection: Some(selection),
        ..Request::of(FASTER_RCNN.architecture)
    };
    let outputs = model.forward(image, frame, &request);
    assert_empty(outputs.detections.expect("they were asked for"), 4);
}

#[test]
fn no_score_is_above_one() {
    for config in [FASTER_RCNN, RETINAFACE] {
        let detector = Detector::builder(weights::seeded(&config, 1))
            .min_size(64)
            .max_size(64)
            .score_threshold(1.0)
            .build()
            .expect("seeded weights fit");
        let picture = DynamicImage::ImageRgba8(weights::picture(1, 64, 64));
        let detections = detector.detect(&picture).expect("the picture suits");
        assert_eq!(detections.items, [], "{}", config.architecture);
    }
}

/// Width and height of pictures smaller than one cell of the coarser maps.
const TINY: [[u32; 2]; 3] = [[1, 1], [1, 40], [33, 1]];

/// What holds of every list of detections. There are some: the tests ask for any score above 0.
fn check_detections(
    detections: &Detections,
    size: [u32; 2],
    levels: std::ops::RangeInclusive<usize>,
) {
    let [width, height] = size.map(|side| side as usize);
    assert_eq!([detections.width, detections.height], [width, height]);
    assert!(!detections.items.is_empty(), "{size:?}");
    assert!(detections.items.is_sorted_by(|a, b| a.score >= b.score));
    for detection in &detections.items {
        assert!((0.0..=1.0).contains(&detection.score), "{detection:?}");
        assert!(detection.label >= 1, "{detection:?}");
        assert!(levels.contains(&detection.level), "{detection:?}");
        let [x1, y1, x2, y2] = detection.bbox;
        assert!(x1 < x2 && y1 < y2, "{detection:?}");
    }
}

#[test]
fn faster_rcnn_takes_tiny_pictures() {
    let detector = Detector::builder(weights::seeded(&FASTER_RCNN, 1))
        .min_size(32)
        .max_size(64)
        .score_threshold(0.0)
        .build()
        .expect("seeded weights fit");
    for [width, height] in TINY {
        let picture = DynamicImage::ImageRgba8(weights::picture(1, width, height));
        let detections = detector.detect(&picture).expect("the picture suits");
        check_detections(&detections, [width, height], 2..=6);
        for detection in &detections.items {
            let [x1, y1, x2, y2] = detection.bbox;
            assert!(x1 >= 0.0 && y1 >= 0.0, "{detection:?}");
            // Mapped back by a rounded ratio.
            let (right, bottom) = (width as f32 * 1.000_001, height as f32 * 1.000_001);
            assert!(x2 <= right && y2 <= bottom, "{detection:?}");
        }
    }
}

#[test]
fn retinaface_takes_tiny_pictures() {
    let detector = Detector::builder(weights::seeded(&RETINAFACE, 1))
        .score_threshold(0.0)
        .build()
        .expect("seeded weights fit");
    for [width, height] in TINY {
        let picture = DynamicImage::ImageRgba8(weights::picture(1, width, height));
        let detections = detector.detect(&picture).expect("the picture suits");
        check_detections(&detections, [width, height], 3..=5);
        for detection in &detections.items {
            let points = detection.landmarks.as_ref().expect("a face has landmarks");
            assert_eq!(points.len(), 5);
            let points = points.as_flattened();
            assert!(points.iter().all(|v| v.is_finite()), "{detection:?}");
        }
    }
}

/// What they have in pixels or in bytes is more than can be counted; the first comes to 0 where it is
/// counted in 64 bits all the same.
#[test]
fn sizes_that_no_picture_can_have_are_refused() {
    let detector = Detector::builder(weights::seeded(&RETINAFACE, 1))
        .max_size(64)
        .build()
        .expect("seeded weights fit");
    for (width, height) in [
        (1 << 32, 1 << 32),
        (usize::MAX, 2),
        (usize::MAX, 1),
        (1, 1 << 61),
    ] {
        let refused = DetectError::TooManyPixels {
            width,
            height,
            limit: (1 << 61) - 1,
        };
        let prepared = pollster::block_on(detector.prepare(width, height, async || {}));
        assert_eq!(prepared, Err(refused.clone()));
        let found = detector.detect_rgba(width, height, Vec::new());
        assert_eq!(found, Err(refused));
    }
}

#[test]
fn raw_bytes_are_as_many_as_the_picture_has() {
    let detector = Detector::builder(weights::seeded(&RETINAFACE, 1))
        .build()
        .expect("seeded weights fit");
    let bytes = weights::picture(1, 40, 30).into_raw();
    assert!(detector.detect_rgba(40, 30, bytes.clone()).is_ok());
    let refused = DetectError::Bytes {
        width: 40,
        height: 31,
        expected: 40 * 31 * 4,
        found: bytes.len(),
    };
    assert_eq!(detector.detect_rgba(40, 31, bytes), Err(refused));
    let refused = DetectError::NoPixels {
        width: 0,
        height: 31,
    };
    assert_eq!(detector.detect_rgba(0, 31, Vec::new()), Err(refused));
}

/// `N` square maps of `channels`, of the given sides, filled by `value`.
fn filled<const N: usize>(sides: [usize; N], channels: usize, value: f32) -> [Vec<f32>; N] {
    sides.map(|side| vec![value; channels * side * side])
}

/// The maps over those values.
fn maps<const N: usize>(
    sides: [usize; N],
    channels: usize,
    values: &[Vec<f32>; N],
) -> [Map<'_>; N] {
    std::array::from_fn(|level| Map {
        values: &values[level],
        shape: [channels, sides[level], sides[level]],
    })
}

#[test]
fn nan_is_not_proposed() {
    let sides = [16, 8, 4, 2, 1];
    let mut logits = filled(sides, 3, f32::NAN);
    let mut deltas = filled(sides, 12, 0.0);
    // The first anchor of one cell of P3 has a score and a place …
    let cell = 3 * 8 + 4;
    logits[1][cell] = -1.0;
    // … and that of one cell of P4 a better score, but no width.
    logits[2][5] = 2.0;
    deltas[2][2 * 16 + 5] = f32::NAN;
    let anchors = AnchorLayout::torchvision().grid(2, [64, 64], &sides.map(|side| [side; 2]));
    let (boxes, levels) = proposals::select(
        &maps(sides, 3, &logits),
        &maps(sides, 12, &deltas),
        [64.0, 64.0],
        &ProposalOptions::torchvision(anchors),
    );
    // 90×46 pixels about (32, 24), cut to the picture.
    assert_eq!(boxes, [[0.0, 1.0, 64.0, 47.0]]);
    assert_eq!(levels, [3]);
}

#[test]
fn nan_is_no_detection_of_a_roi() {
    let boxes = [[8.0, 8.0, 24.0, 24.0]; 3];
    let logits = [
        [0.0, f32::NAN], // makes every score of its RoI NaN
        [0.0, 5.0],      // a score without a place
        [0.0, 5.0],
    ];
    let mut deltas = [[0.0; 4]; 6];
    deltas[3] = [0.0, f32::NAN, 0.0, 0.0];
    let found = decode_all(
        logits.as_flattened(),
        &deltas,
        &boxes,
        &[2, 3, 4],
        2,
        [32.0, 32.0],
        RoiDecodeOptions::torchvision(0.05),
    );
    let found: Vec<_> = found
        .into_iter()
        .map(|c| (c.bbox, c.label, c.level))
        .collect();
    assert_eq!(found, [(boxes[2], 1, 4)]);
}

#[test]
fn nan_is_no_detection_of_an_anchor() {
    let sides = [4, 2, 1];
    let mut classes = filled(sides, 4, f32::NAN);
    let boxes = filled(sides, 8, 0.0);
    let landmarks = filled(sides, 20, 0.0);
    // Background and face of the second anchor of the last cell of P4.
    classes[1][2 * 4 + 3] = 0.0;
    classes[1][3 * 4 + 3] = 3.0;
    let anchors = AnchorLayout::retinaface().grid(3, [32, 32], &sides.map(|side| [side; 2]));
    let found = decode_grid(
        &maps(sides, 4, &classes),
        &maps(sides, 8, &boxes),
        &maps(sides, 20, &landmarks),
        &AnchorDecodeOptions::retinaface(anchors, 0.5),
    );
    let [face] = found.as_slice() else {
        panic!("{found:?}")
    };
    // A square of 128 pixels about the cell's centre, where all landmarks are as well.
    assert_eq!(face.bbox, [-40.0, -40.0, 88.0, 88.0]);
    assert_eq!(face.landmarks, [24.0; 10]);
    assert_eq!((face.label, face.level), (1, 4));
}
