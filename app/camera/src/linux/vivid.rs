//! Cameras as V4L2 has them, by vivid, the kernel's driver for testing. `cargo xtask camera-test` boots a
//! kernel with three of its cameras and runs these tests there.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use image::{Rgba, RgbaImage};
use linuxvideo::Device;
use linuxvideo::controls::Cid;

use super::open_mode;
use crate::format::Format;
use crate::{Camera, CameraError, cameras};

/// Of what is tried without harm.
const CAMERA: &str = "/dev/video0";
/// Of what is told to fail.
const FAULTY: &str = "/dev/video1";
/// Of what is unplugged.
const UNPLUGGED: &str = "/dev/video2";

const VGA: [u32; 2] = [640, 480];

/// The bars of the test pattern, from left to right.
const BARS: [[u8; 3]; 8] = [
    [191, 191, 191],
    [191, 191, 0],
    [0, 191, 191],
    [0, 191, 0],
    [191, 0, 191],
    [191, 0, 0],
    [0, 0, 191],
    [0, 0, 0],
];

/// One of vivid's own controls, which another program may set at any time.
struct Control {
    device: Device,
    id: Cid,
}

impl Control {
    fn new(path: &str, name: &str) -> Self {
        let device = Device::open(path).unwrap();
        let mut controls = device.controls().map(Result::unwrap);
        let found = controls.find(|control| control.name() == name);
        let id = found
            .unwrap_or_else(|| panic!("vivid has no control {name}"))
            .id();
        Self { device, id }
    }

    fn set(&mut self, value: i32) {
        self.device.write_control_raw(self.id, value).unwrap();
    }
}

fn control(path: &str, name: &str, value: i32) {
    Control::new(path, name).set(value);
}

/// What a bar shows in its middle, below the text that vivid writes.
fn bar(picture: &RgbaImage, index: u32) -> [u8; 3] {
    let (width, height) = picture.dimensions();
    let Rgba([r, g, b, a]) = *picture.get_pixel(width * (2 * index + 1) / 16, height * 9 / 10);
    assert_eq!(a, 255);
    [r, g, b]
}

fn assert_bars(picture: &RgbaImage, what: &str) {
    for (index, expected) in (0..).zip(BARS) {
        let found = bar(picture, index);
        let differs = |side: usize| found[side].abs_diff(expected[side]) > 8;
        assert!(
            !(0..3).any(differs),
            "{what}: bar {index} is {found:?}, not {expected:?}"
        );
    }
}

fn assert_says(error: &CameraError, sentence: &str) {
    assert_eq!(error.to_string(), sentence);
    println!("{error}");
}

/// The error that ends a camera's frames; good frames may come before.
fn end(camera: &mut Camera) -> CameraError {
    let mut picture = RgbaImage::default();
    for _ in 0..100 {
        if let Err(error) = camera.next(&mut picture) {
            return error;
        }
    }
    panic!("the camera goes on");
}

#[test]
#[ignore = "needs vivid: cargo xtask camera-test"]
fn list_names_the_cameras_and_their_sizes() {
    let cameras = cameras();
    println!("{cameras:?}");
    let camera = cameras.iter().find(|camera| camera.id == CAMERA).unwrap();
    assert_eq!(camera.name, "vivid-000-vid-cap");
    assert_eq!(camera.sizes.first(), Some(&[3840, 2160]));
    assert!(camera.sizes.contains(&VGA));
    assert!(camera.sizes.is_sorted_by(|a, b| a[0] * a[1] > b[0] * b[1]));
    assert!(cameras.iter().any(|camera| camera.id == FAULTY));
}

#[test]
#[ignore = "needs vivid: cargo xtask camera-test"]
fn thirty_frames_show_the_test_pattern_and_change() {
    let mut camera = Camera::open(CAMERA, None).unwrap();
    assert_eq!(camera.size(), VGA);
    let mut picture = RgbaImage::default();
    camera.next(&mut picture).unwrap();
    let memory = picture.as_ptr();
    let start = Instant::now();
    for _ in 0..30 {
        let before = picture.clone();
        camera.next(&mut picture).unwrap();
        assert_eq!(picture.dimensions(), VGA.into());
        assert_bars(&picture, "frame");
        assert!(picture != before, "a frame came twice");
        assert_eq!(picture.as_ptr(), memory, "memory was allocated");
    }
    println!(
        "{:.1} frames per second",
        30.0 / start.elapsed().as_secs_f64()
    );
}

#[test]
#[ignore = "needs vivid: cargo xtask camera-test"]
fn other_sizes_the_nearest_being_taken() {
    for (wanted, expected) in [
        ([320, 180], [320, 180]),
        ([650, 350], [640, 360]),
        ([1, 1], [320, 180]),
    ] {
        let mut camera = Camera::open(CAMERA, Some(wanted)).unwrap();
        assert_eq!(camera.size(), expected);
        let mut picture = RgbaImage::default();
        camera.next(&mut picture).unwrap();
        assert_eq!(picture.dimensions(), expected.into());
        assert_bars(&picture, "size");
    }
}

#[test]
#[ignore = "needs vivid: cargo xtask camera-test"]
fn every_format_that_vivid_has() {
    for format in [
        Format::Yuyv,
        Format::Nv12,
        Format::Rgb,
        Format::Bgr,
        Format::Bgrx,
        Format::Grey,
    ] {
        let opened = open_mode(CAMERA, VGA, |mode| mode.format == format).unwrap();
        let mut camera = Camera::start(CAMERA, opened).unwrap();
        let mut picture = RgbaImage::default();
        camera.next(&mut picture).unwrap();
        assert_eq!(picture.dimensions(), VGA.into());
        let what = format!("{format:?}");
        println!(
            "{what}: {:?}",
            [0, 1, 2, 3, 4, 5, 6, 7].map(|index| bar(&picture, index))
        );
        match format {
            Format::Grey => {
                let greys = (0..8).map(|index| bar(&picture, index));
                assert!(greys.clone().all(|[r, g, b]| r == g && g == b));
                assert!(
                    greys.is_sorted_by(|a, b| a[0] > b[0]),
                    "bars do not get darker"
                );
            }
            _ => assert_bars(&picture, &what),
        }
    }
}

#[test]
#[ignore = "needs vivid: cargo xtask camera-test"]
fn a_format_that_is_not_read() {
    let error = open_mode(CAMERA, VGA, |mode| mode.format == Format::Mjpeg)
        .err()
        .unwrap();
    assert!(matches!(error, CameraError::UnknownFormat { .. }));
    assert!(
        error
            .to_string()
            .starts_with("the camera vivid-000-vid-cap (/dev/video0) gives pictures as YUYV,")
    );
}

#[test]
#[ignore = "needs vivid: cargo xtask camera-test"]
fn busy_while_another_uses_it() {
    let mut first = Camera::open(CAMERA, None).unwrap();
    let mut picture = RgbaImage::default();
    first.next(&mut picture).unwrap();
    let error = Camera::open(CAMERA, Some([320, 180])).err().unwrap();
    assert_says(
        &error,
        "the camera vivid-000-vid-cap (/dev/video0) is busy: another program is using it",
    );
    first.next(&mut picture).unwrap();
    drop(first);
    Camera::open(CAMERA, None)
        .unwrap()
        .next(&mut picture)
        .unwrap();
}

/// The pattern changes while nobody looks: what comes next has to show it, though frames of the old
/// pattern came in the meantime, more than the driver has buffers.
#[test]
#[ignore = "needs vivid: cargo xtask camera-test"]
fn the_newest_frame_comes_after_a_pause() {
    let mut camera = Camera::open(CAMERA, None).unwrap();
    let mut picture = RgbaImage::default();
    camera.next(&mut picture).unwrap();
    assert_bars(&picture, "before");
    std::thread::sleep(Duration::from_millis(500));
    control(CAMERA, "Test Pattern", 7);
    std::thread::sleep(Duration::from_millis(500));
    let start = Instant::now();
    camera.next(&mut picture).unwrap();
    let waited = start.elapsed();
    control(CAMERA, "Test Pattern", 0);
    println!("waited {waited:?}: {:?}", bar(&picture, 0));
    let found = [0, 1, 2, 3, 4, 5, 6, 7].map(|index| bar(&picture, index));
    assert!(
        found.iter().all(|colour| *colour == found[0]),
        "an old frame: {found:?}"
    );
    assert!(
        waited < Duration::from_millis(100),
        "waited for {waited:?} though a frame was there"
    );
}

#[test]
#[ignore = "needs vivid: cargo xtask camera-test"]
fn single_broken_frames_are_skipped() {
    let mut camera = Camera::open(FAULTY, None).unwrap();
    let mut picture = RgbaImage::default();
    for _ in 0..5 {
        control(FAULTY, "Inject V4L2_BUF_FLAG_ERROR", 1);
        camera.next(&mut picture).unwrap();
        assert_bars(&picture, "frame");
    }
}

#[test]
#[ignore = "needs vivid: cargo xtask camera-test"]
fn broken_frames_without_end() {
    let mut camera = Camera::open(FAULTY, None).unwrap();
    let mut inject = Control::new(FAULTY, "Inject V4L2_BUF_FLAG_ERROR");
    let is_over = AtomicBool::new(false);
    let error = std::thread::scope(|scope| {
        scope.spawn(|| {
            // For five seconds at most: whoever waits for the thread may have failed.
            for _ in 0..1000 {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                inject.set(1);
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let error = end(&mut camera);
        is_over.store(true, Ordering::Relaxed);
        error
    });
    assert_says(
        &error,
        "the camera vivid-001-vid-cap (/dev/video1) gave 30 broken frames in a row: the last one is \
         marked so by the driver",
    );
}

#[test]
#[ignore = "needs vivid: cargo xtask camera-test"]
fn fault_when_the_stream_starts() {
    control(FAULTY, "Inject VIDIOC_STREAMON Error", 1);
    let error = Camera::open(FAULTY, None).err().unwrap();
    assert_says(
        &error,
        "the camera vivid-001-vid-cap (/dev/video1) failed to start: Invalid argument (os error 22)",
    );
    let mut picture = RgbaImage::default();
    Camera::open(FAULTY, None)
        .unwrap()
        .next(&mut picture)
        .unwrap();
}

#[test]
#[ignore = "needs vivid: cargo xtask camera-test"]
fn fault_when_a_buffer_is_queued() {
    let mut camera = Camera::open(FAULTY, None).unwrap();
    control(FAULTY, "Inject VIDIOC_QBUF Error", 1);
    let error = end(&mut camera);
    assert_says(
        &error,
        "the camera vivid-001-vid-cap (/dev/video1) failed to send: Invalid argument (os error 22)",
    );
    // It stays so.
    assert_eq!(end(&mut camera).to_string(), error.to_string());
}

#[test]
#[ignore = "needs vivid: cargo xtask camera-test"]
fn fault_that_ends_the_stream() {
    let mut camera = Camera::open(FAULTY, None).unwrap();
    control(FAULTY, "Inject Fatal Streaming Error", 1);
    assert_says(
        &end(&mut camera),
        "the camera vivid-001-vid-cap (/dev/video1) failed to send: Input/output error (os error 5)",
    );
}

#[test]
#[ignore = "needs vivid: cargo xtask camera-test"]
fn silence_ends_the_wait() {
    control(FAULTY, "Percentage of Dropped Buffers", 100);
    let mut camera = Camera::open(FAULTY, None).unwrap();
    let start = Instant::now();
    let error = end(&mut camera);
    control(FAULTY, "Percentage of Dropped Buffers", 0);
    assert_says(
        &error,
        "the camera vivid-001-vid-cap (/dev/video1) has sent no frame for 5 seconds",
    );
    assert!(start.elapsed() < Duration::from_secs(7));
    camera.next(&mut RgbaImage::default()).unwrap();
}

#[test]
#[ignore = "needs vivid: cargo xtask camera-test"]
fn unplugged_in_the_middle() {
    let mut camera = Camera::open(UNPLUGGED, None).unwrap();
    camera.next(&mut RgbaImage::default()).unwrap();
    let start = Instant::now();
    control(UNPLUGGED, "Disconnect", 1);
    let error = end(&mut camera);
    println!("noticed after {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(3));
    assert_says(
        &error,
        "the camera vivid-002-vid-cap (/dev/video2) was unplugged",
    );
    assert!(matches!(error, CameraError::Unplugged(_)));
    // Vivid plugs itself in again when nobody holds it any more.
    drop(camera);
    let mut again = Camera::open(UNPLUGGED, None).unwrap();
    again.next(&mut RgbaImage::default()).unwrap();
}

#[test]
#[ignore = "needs vivid: cargo xtask camera-test"]
fn what_is_no_camera() {
    let sentence = |id: &str| Camera::open(id, None).err().unwrap().to_string();
    assert_eq!(
        sentence("/dev/video99"),
        "there is no camera /dev/video99: expected one that is plugged in"
    );
    assert_eq!(
        sentence("/dev/null"),
        "/dev/null is no camera: expected a device that captures video"
    );
    assert_eq!(
        sentence("/"),
        "/ is no camera: expected a device that captures video"
    );
    assert_eq!(
        sentence(""),
        "there is no camera : expected one that is plugged in"
    );
}

/// Run as nobody.
#[test]
#[ignore = "needs vivid: cargo xtask camera-test"]
fn refused_without_permission() {
    let error = Camera::open(CAMERA, None).err().unwrap();
    assert_says(
        &error,
        "access to the camera vivid-000-vid-cap (/dev/video0) was refused: expected permission to use \
         it, as members of the group `video` have it",
    );
}
