//! A camera that plays what it is told.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use image::{Rgba, RgbaImage};

use crate::format::Format;
use crate::reader::{Arrival, PATIENCE, RawFrame, Reader, Source};
use crate::{Camera, CameraError};

struct Player(Receiver<Act>);

enum Act {
    /// So many bytes of a grey picture of this size.
    Send(u8, [u32; 2], usize),
    /// A frame that is marked as broken.
    Break,
    Fail,
}

impl Source for Player {
    fn read(&mut self, frame: &mut RawFrame) -> Result<Arrival, CameraError> {
        match self.0.recv_timeout(PATIENCE) {
            Ok(Act::Send(grey, size, bytes)) => {
                frame.format = Format::Grey;
                frame.size = size;
                frame.bytes.clear();
                frame.bytes.resize(bytes, grey);
                Ok(Arrival::Frame)
            }
            Ok(Act::Break) => Ok(Arrival::Broken),
            Ok(Act::Fail) => Err(CameraError::Unplugged("player".to_owned())),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Ok(Arrival::Nothing),
        }
    }
}

fn camera() -> (Camera, Sender<Act>) {
    let (sender, receiver) = channel();
    let reader = Reader::start("player".to_owned(), Player(receiver)).unwrap();
    let camera = Camera {
        id: "player".to_owned(),
        name: "player".to_owned(),
        size: [2, 2],
        reader,
        frame: RawFrame::EMPTY,
    };
    (camera, sender)
}

/// As whole as it should be.
fn good(grey: u8) -> Act {
    Act::Send(grey, [2, 2], 4)
}

/// Gives the camera's thread the time to read all that was sent.
fn settle() {
    std::thread::sleep(Duration::from_millis(100));
}

#[test]
fn only_the_newest() {
    let (mut camera, sender) = camera();
    for grey in 0..100 {
        sender.send(good(grey)).unwrap();
    }
    settle();
    let mut picture = RgbaImage::default();
    camera.next(&mut picture).unwrap();
    assert_eq!(picture.get_pixel(0, 0), &Rgba([99, 99, 99, 255]));
    // And that only once.
    let later = sender.clone();
    let sending = std::thread::spawn(move || {
        settle();
        later.send(good(7)).unwrap();
    });
    camera.next(&mut picture).unwrap();
    assert_eq!(picture.get_pixel(1, 1), &Rgba([7, 7, 7, 255]));
    sending.join().unwrap();
}

#[test]
fn sizes_may_change() {
    let (mut camera, sender) = camera();
    let mut picture = RgbaImage::default();
    for size in [[4, 3], [1, 1], [3, 5]] {
        let bytes = (size[0] * size[1]) as usize;
        sender.send(Act::Send(1, size, bytes)).unwrap();
        camera.next(&mut picture).unwrap();
        assert_eq!(picture.dimensions(), size.into());
        assert_eq!(camera.size(), size);
    }
}

#[test]
fn what_is_cut_short_is_skipped() {
    let (mut camera, sender) = camera();
    let sending = std::thread::spawn(move || {
        for _ in 0..20 {
            sender.send(Act::Send(3, [2, 2], 3)).unwrap();
            std::thread::sleep(Duration::from_millis(2));
        }
        sender.send(good(5)).unwrap();
        settle();
    });
    let mut picture = RgbaImage::default();
    camera.next(&mut picture).unwrap();
    assert_eq!(picture.get_pixel(0, 1), &Rgba([5, 5, 5, 255]));
    sending.join().unwrap();
}

#[test]
fn nothing_but_broken_frames() {
    let (mut camera, sender) = camera();
    let sending = std::thread::spawn(move || {
        // Until nobody is there any more.
        while sender.send(Act::Send(3, [2, 2], 3)).is_ok() {
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    let error = camera.next(&mut RgbaImage::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the camera player gave 30 broken frames in a row: the last one is cut short: expected 4 bytes, \
         found 3"
    );
    drop(camera);
    sending.join().unwrap();
}

#[test]
fn marked_frames_count_only_in_a_row() {
    let (mut camera, sender) = camera();
    let mut picture = RgbaImage::default();
    for round in 0..3 {
        (0..29).for_each(|_| sender.send(Act::Break).unwrap());
        sender.send(good(round)).unwrap();
        camera.next(&mut picture).unwrap();
    }
    (0..30).for_each(|_| sender.send(Act::Break).unwrap());
    let error = camera.next(&mut picture).unwrap_err();
    assert!(matches!(error, CameraError::Broken { count: 30, .. }));
}

#[test]
fn a_failure_stays() {
    let (mut camera, sender) = camera();
    sender.send(good(1)).unwrap();
    sender.send(Act::Fail).unwrap();
    settle();
    let mut picture = RgbaImage::default();
    // What came before is good.
    camera.next(&mut picture).unwrap();
    for _ in 0..2 {
        let error = camera.next(&mut picture).unwrap_err();
        assert_eq!(error.to_string(), "the camera player was unplugged");
    }
}

#[test]
fn silence_and_dropping_end_soon() {
    let (mut camera, _sender) = camera();
    let start = Instant::now();
    let error = camera.next(&mut RgbaImage::default()).unwrap_err();
    // No system knows it, so that it can only have been unplugged.
    assert_eq!(error.to_string(), "the camera player was unplugged");
    assert!((5..7).contains(&start.elapsed().as_secs()));
    let start = Instant::now();
    drop(camera);
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn cameras_go_to_other_threads() {
    fn is_send<T: Send>() {}
    is_send::<Camera>();
}
