//! Which boxes are to find which objects: assignment and encoding against torchvision's, and what
//! sampling promises.

use burn::tensor::{Device, Tensor};
use fpn_wgpu::boxes::{BBox, Edges};
use fpn_wgpu::models::faster_rcnn::PYRAMID_TINY;
use fpn_wgpu::ops::proposals::RpnMaps;
use fpn_wgpu::train::anchors::Anchors;
use fpn_wgpu::train::assign::{Match, Thresholds, assign, sample, sample_again};
use fpn_wgpu::train::recipe::{Amounts, LossOptions};
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;

use crate::golden;
use crate::support::assert_close;

/// As the goldens write it.
fn code(found: &Match) -> i64 {
    match *found {
        Match::Object(index) => index as i64,
        Match::Background => -1,
        Match::Ignored => -2,
    }
}

fn torchvision() -> LossOptions {
    LossOptions::torchvision(Amounts {
        anchors: 256,
        proposals: 2000,
        rois: 512,
    })
}

fn check(boxes: &str, thresholds: Thresholds) {
    let golden = golden();
    let found = assign(
        &golden.boxes(&format!("{boxes}.boxes")),
        &golden.boxes("anchors.objects"),
        Edges::Exclusive,
        thresholds,
    );
    let found: Vec<i64> = found.iter().map(code).collect();
    assert_eq!(found, golden.integers(&format!("{boxes}.matches")));
}

#[test]
fn anchors_are_assigned_as_by_torchvision_ties_included() {
    check("anchors", torchvision().anchor_thresholds);
}

#[test]
fn proposals_are_assigned_as_by_torchvision() {
    check("proposals", torchvision().roi_thresholds);
}

#[test]
fn anchors_come_in_the_order_of_torchvision() {
    let map =
        |height, width| -> Tensor<4> { Tensor::zeros([1, 3, height, width], &Device::flex()) };
    let maps = || vec![map(16, 24), map(8, 12), map(4, 6), map(2, 3), map(1, 2)];
    let maps = RpnMaps {
        logits: maps(),
        deltas: maps(),
    };
    // From 16 pixels on.
    let grid = PYRAMID_TINY.anchors().grid(2, [64, 96], &maps.sizes());
    let anchors = Anchors::new(grid, &maps);
    assert_eq!(anchors.boxes(), golden().boxes("anchors.boxes"));
}

#[test]
fn without_objects_all_is_background() {
    let options = torchvision();
    for thresholds in [options.anchor_thresholds, options.roi_thresholds] {
        let found = assign(
            &[[0.0, 0.0, 5.0, 5.0]; 3],
            &[],
            Edges::Exclusive,
            thresholds,
        );
        assert_eq!(found, [Match::Background; 3]);
        assert_eq!(assign(&[], &[], Edges::Exclusive, thresholds), []);
    }
}

#[test]
fn encoding_is_that_of_torchvision_and_the_inverse_of_decoding() {
    let golden = golden();
    let (from, to) = (golden.boxes("encode.from"), golden.boxes("encode.to"));
    for (name, weights) in [("1", [1.0; 4]), ("10", [10.0, 10.0, 5.0, 5.0])] {
        let pairs = || from.iter().zip(&to);
        let found: Vec<[f32; 4]> = pairs()
            .map(|(&a, &b)| Edges::Exclusive.encode(a, b, weights))
            .collect();
        let expected = golden.floats(&format!("encode.deltas.{name}"));
        assert_close(name, found.as_flattened(), &expected, 1e-6);
        let decoded: Vec<BBox> = from
            .iter()
            .zip(&found)
            .map(|(&from, &deltas)| Edges::Exclusive.decode(from, deltas, weights))
            .collect();
        // Less what is cut because it grows more than 1000 / 16 times.
        let sides = |[x1, y1, x2, y2]: BBox| [x2 - x1, y2 - y1];
        let (decoded, to): (Vec<BBox>, Vec<BBox>) = decoded
            .into_iter()
            .zip(pairs())
            .filter(|(_, (from, to))| {
                let (from, to) = (sides(**from), sides(**to));
                to[0] < 62.0 * from[0] && to[1] < 62.0 * from[1]
            })
            .map(|(decoded, (_, to))| (decoded, *to))
            .unzip();
        assert!(to.len() > 40);
        assert_close(name, decoded.as_flattened(), to.as_flattened(), 1e-5);
    }
}

/// `objects` boxes taken for an object, then `background` for background, then some ignored.
fn matches(objects: usize, background: usize) -> Vec<Match> {
    let objects = (0..objects).map(|index| Match::Object(index % 7));
    let background = std::iter::repeat_n(Match::Background, background);
    let ignored = std::iter::repeat_n(Match::Ignored, 50);
    objects.chain(background).chain(ignored).collect()
}

#[test]
fn samples_are_balanced_as_far_as_there_are_boxes() {
    let mut chance = Pcg64Mcg::seed_from_u64(3);
    for (objects, background, expected) in [
        (300, 1000, (128, 128)),
        (10, 1000, (10, 246)),
        (300, 20, (128, 20)),
        (0, 1000, (0, 256)),
        (0, 0, (0, 0)),
        (128, 128, (128, 128)),
    ] {
        let matches = matches(objects, background);
        let sampled = sample(&matches, 256, 0.5, &mut chance);
        let found = (sampled.foreground.len(), sampled.background.len());
        assert_eq!(found, expected, "{objects}, {background}");
        for &(index, object) in &sampled.foreground {
            assert_eq!(matches[index], Match::Object(object));
        }
        for &index in &sampled.background {
            assert_eq!(matches[index], Match::Background);
        }
        assert!(sampled.foreground.is_sorted_by(|a, b| a.0 < b.0));
        assert!(sampled.background.is_sorted_by(|a, b| a < b));
    }
}

/// As many as are asked for, wherever there is anything.
#[test]
fn samples_of_the_first_faster_rcnn_are_drawn_again() {
    let mut chance = Pcg64Mcg::seed_from_u64(4);
    for (objects, background, expected) in [
        (300, 1000, (32, 96)),
        (10, 3, (10, 118)),
        (5, 0, (128, 0)),
        (0, 4, (0, 128)),
        (0, 0, (0, 0)),
    ] {
        let matches = matches(objects, background);
        let sampled = sample_again(&matches, 128, 0.25, &mut chance);
        let found = (sampled.foreground.len(), sampled.background.len());
        assert_eq!(found, expected, "{objects}, {background}");
        let is_of = |index: usize, found| matches[index] == found;
        let mut foreground = sampled.foreground.iter();
        assert!(foreground.all(|&(index, object)| is_of(index, Match::Object(object))));
        let mut background = sampled.background.iter();
        assert!(background.all(|&index| is_of(index, Match::Background)));
    }
}

#[test]
fn every_box_has_the_same_chance_and_a_seed_decides() {
    let matches = matches(40, 60);
    let mut taken = vec![0; matches.len()];
    let mut chance = Pcg64Mcg::seed_from_u64(5);
    for _ in 0..4000 {
        let sampled = sample(&matches, 40, 0.25, &mut chance);
        let foreground = sampled.foreground.iter().map(|&(index, _)| index);
        foreground
            .chain(sampled.background)
            .for_each(|index| taken[index] += 1);
    }
    // 10 of 40 and 30 of 60; five standard deviations.
    assert!(
        taken[..40]
            .iter()
            .all(|&count| (863..=1137).contains(&count))
    );
    assert!(
        taken[40..100]
            .iter()
            .all(|&count| (1842..=2158).contains(&count))
    );
    let sampled = |seed| sample(&matches, 40, 0.25, &mut Pcg64Mcg::seed_from_u64(seed));
    assert_eq!(sampled(1), sampled(1));
    assert_ne!(sampled(1), sampled(2));
}
