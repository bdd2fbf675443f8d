//! What is opened, and what cannot be: one sentence each, and the program goes on.

use std::path::Path;
use std::sync::Arc;

use egui_kittest::Harness;
use fpn_viewer::{Action, Viewer};
use fpn_wgpu::data::scenes::Animation;
use fpn_wgpu::models::faster_rcnn::PYRAMID_TINY;
use fpn_wgpu::video::{Rate, Writer};
use image::{DynamicImage, RgbaImage};

use super::support::{folder, open, scene, until, until_found};

/// Opens a file, and waits for what is said of it.
fn said_of(viewer: &mut Harness<'_, Viewer>, path: &Path, expected: &str) {
    let before = viewer.state().state().shown.clone();
    viewer.state_mut().apply(Action::Open(path.into()));
    let name = path.file_name().expect("it has a name").to_string_lossy();
    until(viewer, &format!("{name} {expected}"), |state| {
        let told = |message: &fpn_viewer::Message| {
            message.is_error && message.text.contains(expected) && message.text.contains(&*name)
        };
        state.messages.iter().any(told)
    });
    let state = viewer.state().state();
    assert_eq!(before.is_some(), state.shown.is_some());
}

#[test]
fn what_cannot_be_opened_is_told_and_the_last_picture_stays() {
    let folder = folder();
    let good = scene(&folder, 3);
    let mut viewer = open([900.0, 600.0], Some(&good));
    until_found(&mut viewer);
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("a file can be written");
        path
    };
    let picture = std::fs::read(&good).expect("it was just written");
    said_of(
        &mut viewer,
        &folder.path().join("missing.png"),
        "does not exist",
    );
    said_of(
        &mut viewer,
        &write("notes.txt", b"nothing to be seen"),
        "neither a picture",
    );
    said_of(
        &mut viewer,
        &write("short.png", &picture[..picture.len() / 2]),
        "no picture that can be read",
    );
    said_of(
        &mut viewer,
        &write("empty.jpg", b""),
        "no picture that can be read",
    );
    said_of(
        &mut viewer,
        &write("no.safetensors", b"\x08\0\0\0\0\0\0\0{       "),
        "no.safetensors",
    );
    let none = folder.path().join("none");
    std::fs::create_dir(&none).expect("a folder can be made");
    said_of(&mut viewer, &none, "has no pictures in it");
    // It goes on.
    viewer
        .state_mut()
        .apply(Action::Open(scene(&folder, 4).as_path().into()));
    until(&mut viewer, "the next picture", |state| {
        state
            .shown
            .as_ref()
            .is_some_and(|seen| seen.frame.name.contains("scene4"))
    });
}

#[test]
fn a_camera_that_is_not_there_is_told() {
    let mut viewer = open([900.0, 600.0], None);
    until_found(&mut viewer);
    viewer
        .state_mut()
        .apply(Action::Camera("/dev/video99".to_owned(), None));
    until(&mut viewer, "a sentence", |state| {
        state
            .messages
            .iter()
            .any(|message| message.is_error && message.text.contains("/dev/video99"))
    });
    viewer.state_mut().apply(Action::Scene);
    until(&mut viewer, "the scene again", |state| {
        state.plays
            && state
                .shown
                .as_ref()
                .is_some_and(|seen| &*seen.frame.name == "scene")
    });
}

#[test]
fn a_checkpoint_of_another_model_is_told_and_the_detector_stays() {
    let folder = folder();
    let path = folder.path().join("other.safetensors");
    let bytes = safetensors_of_nothing_known();
    std::fs::write(&path, bytes).expect("a file can be written");
    let mut viewer = open([900.0, 600.0], None);
    until_found(&mut viewer);
    viewer
        .state_mut()
        .apply(Action::Open(path.as_path().into()));
    until(&mut viewer, "a sentence", |state| {
        state
            .messages
            .iter()
            .any(|message| message.is_error && message.text.contains("other.safetensors"))
    });
    let number = viewer
        .state()
        .state()
        .shown
        .as_ref()
        .expect("it is shown")
        .frame
        .number;
    until(&mut viewer, "it goes on", |state| {
        state
            .shown
            .as_ref()
            .is_some_and(|seen| seen.frame.number > number)
    });
}

/// One tensor by a name that no model has.
fn safetensors_of_nothing_known() -> Vec<u8> {
    let header = br#"{"a.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header);
    bytes.extend([0; 4]);
    bytes
}

#[test]
fn a_checkpoint_is_loaded_while_the_last_detector_goes_on() {
    let folder = folder();
    let path = folder.path().join("own.safetensors");
    let bytes = PYRAMID_TINY
        .specification()
        .builtin
        .expect("it comes with the crate");
    std::fs::write(&path, bytes).expect("a file can be written");
    let mut viewer = open([900.0, 600.0], None);
    until_found(&mut viewer);
    viewer
        .state_mut()
        .apply(Action::Open(path.as_path().into()));
    until(&mut viewer, "the checkpoint's detector", |state| {
        state
            .shown
            .as_ref()
            .is_some_and(|seen| seen.model.choice.weights.name().contains("own.safetensors"))
    });
}

/// A video of so many pictures.
fn video(folder: &tempfile::TempDir, name: &str, pictures: u32) -> std::path::PathBuf {
    let path = folder.path().join(name);
    let animation = Animation::new(1, 320, 240);
    let file = std::fs::File::create(&path).expect("a file can be written");
    let rate = Rate::new(25, 1).expect("it is above 0");
    let mut writer = Writer::new(file, (320, 240), rate).expect("a video can be written");
    for number in 0..pictures {
        let picture = DynamicImage::from(animation.frame(number as f32 / 25.0).picture);
        writer
            .write(&picture.to_rgb8())
            .expect("a picture can be written");
    }
    path
}

#[test]
fn a_video_plays_stops_at_its_end_and_goes_to_any_place() {
    let folder = folder();
    let path = video(&folder, "moves.y4m", 50);
    let mut viewer = open([900.0, 600.0], Some(&path));
    until(&mut viewer, "the end of the video", |state| {
        !state.plays
            && state
                .shown
                .as_ref()
                .is_some_and(|seen| seen.frame.time > 1.5)
    });
    viewer.state_mut().apply(Action::Seek(0.4));
    until(&mut viewer, "the place that was asked for", |state| {
        state
            .shown
            .as_ref()
            .is_some_and(|seen| (seen.frame.time - 0.4).abs() < 0.05)
    });
}

#[test]
fn a_video_that_is_cut_short_is_told() {
    let folder = folder();
    let path = video(&folder, "short.y4m", 5);
    let bytes = std::fs::read(&path).expect("it was just written");
    std::fs::write(&path, &bytes[..bytes.len() - 1000]).expect("a file can be written");
    let mut viewer = open([900.0, 600.0], Some(&path));
    until(&mut viewer, "a sentence", |state| {
        state
            .messages
            .iter()
            .any(|message| message.is_error && message.text.contains("cut short"))
    });
}

#[test]
fn a_folder_is_gone_through_picture_by_picture() {
    let folder = folder();
    for seed in 1..=3 {
        scene(&folder, seed);
    }
    let mut viewer = open([900.0, 600.0], Some(folder.path()));
    let mut last = None;
    let mut shows = |viewer: &mut Harness<'_, Viewer>, name: &str| {
        until(viewer, name, |state| {
            let shown = state.shown.as_ref().map(|seen| &seen.frame);
            shown.is_some_and(|frame| {
                let is_new = |last: &Arc<RgbaImage>| !Arc::ptr_eq(last, &frame.picture);
                frame.name.contains(name) && last.as_ref().is_none_or(is_new)
            })
        });
        let shown = viewer.state().state().shown.as_ref();
        last = shown.map(|seen| seen.frame.picture.clone());
    };
    shows(&mut viewer, "scene1");
    for (by, name) in [
        (1, "scene2"),
        (1, "scene3"),
        (1, "scene3"),
        (-1, "scene2"),
        (-1, "scene1"),
    ] {
        viewer.state_mut().apply(Action::Step(by));
        shows(&mut viewer, name);
    }
}

#[test]
fn what_is_saved_is_what_is_shown() {
    let folder = folder();
    let path = scene(&folder, 3);
    let mut viewer = open([900.0, 600.0], Some(&path));
    until_found(&mut viewer);
    let saved = folder.path().join("as_it_is.png");
    viewer.state_mut().apply(Action::Save {
        path: saved.clone(),
        annotated: false,
    });
    let [before, after] =
        [&path, &saved].map(|path| image::open(path).expect("it is a picture").to_rgb8());
    assert_eq!(before, after);
    let annotated = folder.path().join("found.png");
    viewer.state_mut().apply(Action::Save {
        path: annotated.clone(),
        annotated: true,
    });
    assert_ne!(
        image::open(&annotated).expect("it is a picture").to_rgb8(),
        before
    );
    let nowhere = folder.path().join("missing").join("found.png");
    viewer.state_mut().apply(Action::Save {
        path: nowhere,
        annotated: true,
    });
    let state = viewer.state().state();
    assert!(
        state
            .messages
            .iter()
            .any(|message| message.is_error && message.text.contains("cannot be written"))
    );
}

#[test]
fn a_recording_has_a_line_for_each_picture() {
    let folder = folder();
    let path = folder.path().join("found.jsonl");
    let mut viewer = open([900.0, 600.0], None);
    until_found(&mut viewer);
    viewer.state_mut().apply(Action::Record(path.clone()));
    let first = viewer
        .state()
        .state()
        .shown
        .as_ref()
        .expect("it is shown")
        .frame
        .number;
    until(&mut viewer, "some pictures", |state| {
        state
            .shown
            .as_ref()
            .is_some_and(|seen| seen.frame.number > first + 4)
    });
    viewer.state_mut().apply(Action::StopRecording);
    until(&mut viewer, "a sentence", |state| {
        state
            .messages
            .iter()
            .any(|message| message.text.contains("found.jsonl"))
    });
    let lines = std::fs::read_to_string(&path).expect("it was written");
    let lines: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("each line is JSON"))
        .collect();
    assert_eq!(lines[0]["model"], "pyramid_tiny");
    assert!(lines.len() >= 5, "{} lines", lines.len());
    assert!(lines[1..].iter().all(|line| line["detections"].is_array()));
}
