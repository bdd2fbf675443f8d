//! The viewer on the page, at an address that asks for nothing.

use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::parity::assert_same;
use crate::support::chromium::Chromium;
use crate::support::native;
use crate::support::report::Found;

/// How long its first boxes may take on a slow machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the page hands over of what it shows.
#[derive(Deserialize)]
struct Shown {
    report: Line,
    /// A PNG.
    picture: Vec<u8>,
}

/// A line of a recording.
#[derive(Deserialize)]
struct Line {
    width: usize,
    height: usize,
    detections: Vec<Found>,
}

const SHOWN: &str = "(() => {
    const shown = view.shown();
    if (!shown) return '';
    return JSON.stringify({ report: JSON.parse(shown.report), picture: [...shown.picture] });
})()";

/// Until something was looked at.
fn shown(chromium: &Chromium) -> Shown {
    let began = Instant::now();
    loop {
        match chromium.text(SHOWN).as_str() {
            "" if began.elapsed() < PATIENCE => {}
            "" => {
                chromium.keep_screenshot("viewer-failed");
                panic!("nothing is shown: {:?}", chromium.console());
            }
            text => return serde_json::from_str(text).expect("it is as expected"),
        }
        std::thread::sleep(Duration::from_millis(300));
    }
}

#[test]
fn the_scene_is_looked_at_at_once_and_what_is_found_is_what_the_library_finds() {
    let chromium = Chromium::drawing(&[]);
    assert_eq!(chromium.open(""), "live", "{}", chromium.message());
    println!("alive after {} ms", chromium.age());
    let first = shown(&chromium);
    println!("first boxes after {} ms", chromium.age());
    let drawn = chromium.screenshot("viewer-scene");
    let colours: std::collections::HashSet<_> = drawn.pixels().step_by(4).collect();
    assert!(colours.len() > 1000, "{} colours", colours.len());
    assert_eq!(chromium.console(), Vec::<String>::new());
    assert_found(&first);
}

/// The same through a camera that shows a video of it, mirrored.
#[test]
fn a_camera_is_looked_through() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let video = folder.path().join("camera.y4m");
    let written = native::run("examples/animation", &["640", "480", "12"]);
    std::fs::write(&video, written).expect("a file can be written");
    let file = format!("--use-file-for-fake-video-capture={}", video.display());
    let chromium = Chromium::drawing(&[
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        &file,
    ]);
    assert_eq!(chromium.open("#camera"), "live", "{}", chromium.message());
    let first = shown(&chromium);
    chromium.keep_screenshot("viewer-camera");
    assert_found(&first);
    assert_eq!(chromium.console(), Vec::<String>::new());
}

/// That what was found is what the library finds in the same picture, and that it is something.
fn assert_found(shown: &Shown) {
    assert_eq!([shown.report.width, shown.report.height], [640, 480]);
    let folder = tempfile::tempdir().expect("a folder can be made");
    let picture = folder.path().join("shown.png");
    std::fs::write(&picture, &shown.picture).expect("a file can be written");
    let weights = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../src/weights/pyramid_tiny.safetensors"
    );
    let expected = native::page(&[
        "--model=pyramid_tiny",
        &format!("--weights={weights}"),
        &format!("--image={}", picture.display()),
    ]);
    let expected = &expected.report.images[0].detections;
    assert!(!expected.is_empty());
    assert_same(&shown.report.detections, expected);
}

#[test]
fn without_webgpu_it_says_what_to_do_and_shows_a_picture() {
    let chromium = Chromium::without_webgpu();
    assert_eq!(chromium.open(""), "error");
    let message = chromium.message();
    assert!(message.contains("no WebGPU: use Chrome"), "{message}");
    let is_there = "document.getElementById('recorded').decode().then(() => 'yes')";
    assert_eq!(chromium.text(is_there), "yes");
    chromium.keep_screenshot("viewer-no-webgpu");
}
