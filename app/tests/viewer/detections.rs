//! What is drawn is what the detector finds, neither more nor less.

use std::sync::Arc;

use eframe::egui::Key;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use fpn_viewer::{Action, DeviceChoice, Seen, Viewer};
use fpn_wgpu::models::faster_rcnn::PYRAMID_TINY;
use fpn_wgpu::{Detection, Detector, weights};

use super::support::{folder, on, open, scene, until, until_found, until_inspected};

/// What `fpn detect --score` finds in the same file.
fn expected(path: &std::path::Path, score: f32) -> Vec<Detection> {
    let checkpoint = weights::builtin(PYRAMID_TINY).expect("it comes with the crate");
    let detector = Detector::builder(checkpoint).score_threshold(score).build();
    let picture = image::open(path).expect("the picture was just written");
    let found = detector.expect("built-in weights fit").detect(&picture);
    found.expect("it is looked at").items
}

/// What is shown in the picture.
fn visible(viewer: &Harness<'_, Viewer>) -> Vec<Detection> {
    let state = viewer.state().state();
    let shown = shown(viewer);
    let visible = state.visible(&shown);
    visible.map(|(_, found)| found.clone()).collect()
}

/// The picture that is shown, with what was seen in it.
fn shown(viewer: &Harness<'_, Viewer>) -> Arc<Seen> {
    let shown = viewer.state().state().shown.clone();
    shown.expect("a picture is shown")
}

#[test]
fn a_picture_has_the_boxes_that_the_detector_finds() {
    let folder = folder();
    let path = scene(&folder, 3);
    let mut viewer = open([1280.0, 720.0], Some(&path));
    until_found(&mut viewer);
    let visible = visible(&viewer);
    assert_eq!(visible, expected(&path, viewer.state().state().score));
    assert!(!visible.is_empty());
}

#[test]
fn a_lower_threshold_shows_more_without_asking_again() {
    let folder = folder();
    let path = scene(&folder, 3);
    let mut viewer = open([1280.0, 720.0], Some(&path));
    until_found(&mut viewer);
    let seen = shown(&viewer);
    viewer.state_mut().set_score(0.05);
    viewer.step();
    let state = viewer.state().state();
    let now = state.shown.as_ref().expect("it is still shown");
    assert!(Arc::ptr_eq(now, &seen), "the detector was asked again");
    assert_eq!(visible(&viewer), expected(&path, 0.05));
}

#[test]
fn a_detector_that_is_made_anew_keeps_the_thresholds() {
    let folder = folder();
    let path = scene(&folder, 3);
    let mut viewer = open([1280.0, 720.0], Some(&path));
    until_found(&mut viewer);
    viewer.state_mut().set_score(0.05);
    let card = viewer.state().state().card.clone().expect("it is there");
    let again = Action::Load(card.choice.clone());
    viewer.state_mut().apply(again);
    until(&mut viewer, "it is made anew", |state| {
        state
            .card
            .as_ref()
            .is_some_and(|now| !Arc::ptr_eq(now, &card))
    });
    assert_eq!(viewer.state().state().score, 0.05);
    assert_eq!(visible(&viewer), expected(&path, 0.05));
}

#[test]
fn another_overlap_acts_on_a_picture_that_stands_still() {
    let folder = folder();
    let path = scene(&folder, 3);
    let mut viewer = open([1280.0, 720.0], Some(&path));
    until_found(&mut viewer);
    let before = shown(&viewer);
    viewer.state_mut().apply(Action::Nms(1.0));
    until(&mut viewer, "it is looked at again", |state| {
        let shown = state.shown.as_ref();
        shown.is_some_and(|seen| seen.detections.items.len() > before.detections.items.len())
    });
}

#[test]
fn every_box_of_a_picture_that_stands_still_has_a_story() {
    let folder = folder();
    let path = scene(&folder, 3);
    let mut viewer = open([1280.0, 720.0], Some(&path));
    until_found(&mut viewer);
    until_inspected(&mut viewer);
    let state = viewer.state().state();
    let seen = state.shown.as_ref().expect("a picture is shown");
    let inspected = state.inspection().expect("it was just found out");
    assert_eq!(inspected.inspection.detections, seen.detections);
    for index in 0..seen.detections.items.len() {
        assert!(inspected.inspection.story(index).is_some(), "{index}");
    }
}

#[test]
fn the_scene_goes_on_until_it_is_paused() {
    let mut viewer = open([900.0, 600.0], None);
    until_found(&mut viewer);
    let first = shown(&viewer).frame.number;
    until(&mut viewer, "more pictures", |state| {
        state
            .shown
            .as_ref()
            .is_some_and(|seen| seen.frame.number > first + 2)
    });
    viewer.get_by_label("Pause").click();
    until_inspected(&mut viewer);
    let paused = shown(&viewer).frame.number;
    for _ in 0..20 {
        viewer.step();
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let still = shown(&viewer).frame.number;
    assert_eq!(paused, still);
    viewer.key_press(Key::Space);
    until(&mut viewer, "it goes on", |state| {
        state
            .shown
            .as_ref()
            .is_some_and(|seen| seen.frame.number > still)
    });
}

#[test]
fn a_device_of_its_own_and_the_windows_find_the_same() {
    let folder = folder();
    let path = scene(&folder, 5);
    let found = [DeviceChoice::Cpu, DeviceChoice::Window].map(|device| {
        let mut viewer = on(device.clone(), [900.0, 600.0], Some(&path));
        until_found(&mut viewer);
        let state = viewer.state().state();
        let seen = state.shown.as_ref().expect("a picture is shown");
        let is_cpu = seen.model.device == "cpu";
        assert_eq!(is_cpu, device == DeviceChoice::Cpu, "{}", seen.model.device);
        state
            .visible(seen)
            .map(|(_, found)| found.clone())
            .collect::<Vec<_>>()
    });
    let [cpu, window] = found;
    assert_eq!(cpu.len(), window.len());
    for (cpu, window) in cpu.iter().zip(&window) {
        assert_eq!(cpu.label, window.label);
        assert!(
            (cpu.score - window.score).abs() < 1e-3,
            "{cpu:?} {window:?}"
        );
        let far = cpu
            .bbox
            .iter()
            .zip(window.bbox)
            .any(|(a, b)| (a - b).abs() > 0.1);
        assert!(!far, "{cpu:?} {window:?}");
    }
}
