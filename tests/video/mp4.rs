//! mp4 with H.264, against what ffmpeg decodes.

use std::collections::BTreeMap;
use std::fs;

use fpn_wgpu::video::Video;
use serde::Deserialize;

use crate::videos::golden;
use crate::{open, pictures, refusal};

/// What the script in `tests/goldens` says of a video.
#[derive(Deserialize)]
struct Expected {
    width: u32,
    height: u32,
    /// Of all frames, in seconds.
    times: Vec<f64>,
    /// Columns and rows.
    grid: Vec<[u32; 2]>,
    /// Red, green and blue at the places of the grid, by the frame's number.
    frames: BTreeMap<usize, Vec<[u8; 3]>>,
}

fn clip() -> Vec<u8> {
    fs::read(golden("clip.mp4")).expect("it is there")
}

#[test]
fn pixels_sizes_and_times_are_ffmpegs() {
    let expected = fs::read(golden("expected.json")).expect("it is there");
    let expected: BTreeMap<String, Expected> = serde_json::from_slice(&expected).expect("JSON");
    assert_eq!(expected.len(), 3);
    for (name, expected) in expected {
        let video = Video::open(&golden(&name)).expect("a video");
        assert_eq!(
            [video.width, video.height],
            [expected.width, expected.height],
            "{name}"
        );
        assert_eq!(video.rate.per_second(), 25.0, "{name}");
        assert_eq!(video.count, Some(expected.times.len() as u64), "{name}");
        let frames: Vec<_> = video.map(|frame| frame.expect("a frame")).collect();
        assert_eq!(frames.len(), expected.times.len(), "{name}");
        for (frame, time) in frames.iter().zip(&expected.times) {
            assert!(
                (frame.time - time).abs() < 1e-5,
                "{name}: {} for {time}",
                frame.time
            );
        }
        for (number, pixels) in expected.frames {
            for ([x, y], pixel) in expected.grid.iter().zip(pixels) {
                let [red, green, blue, alpha] = frames[number].picture.get_pixel(*x, *y).0;
                let channels = [red, green, blue].into_iter().zip(pixel);
                let far = channels
                    .map(|(found, expected)| found.abs_diff(expected))
                    .max();
                assert!(
                    far <= Some(2),
                    "{name}, frame {number}, {x} {y}: for {pixel:?} {red} {green} {blue}"
                );
                assert_eq!(alpha, 255);
            }
        }
    }
}

#[test]
fn what_is_cut_short_gives_what_came_before() {
    let whole = clip();
    let (all, _) = pictures(open(&whole).expect("a video"));
    let mut good = Vec::new();
    for percent in [55, 65, 75, 85, 99] {
        let (found, wrong) =
            pictures(open(&whole[..whole.len() * percent / 100]).expect("a video"));
        assert_eq!(wrong.as_deref(), Some("is cut short"), "{percent}");
        good.push(found.len());
        // Of the last frames some may lack those between which they lie.
        assert!(found.first() == all.first(), "{percent}");
    }
    assert!(good.is_sorted() && good[0] > 0 && good[4] < 20, "{good:?}");
}

#[test]
fn what_is_wrong_is_told() {
    let whole = clip();
    let index = whole
        .windows(4)
        .position(|name| name == b"moov")
        .expect("an index")
        - 4;
    let replaced = |from: &[u8], to: &[u8]| {
        let mut file = whole.clone();
        // What the index says is the first after its name; the brands before it are alike.
        let skipped = if from.starts_with(b"ftyp") { 0 } else { index };
        let at = file[skipped..]
            .windows(from.len())
            .position(|bytes| bytes == from)
            .map(|at| skipped + at);
        let at = at.unwrap_or_else(|| panic!("{from:?} is in the file"));
        file[at..at + to.len()].copy_from_slice(to);
        file
    };
    for (file, said) in [
        (
            replaced(b"avc1", b"hev1"),
            "has the codec hev1 (H.265): expected avc1 (H.264)",
        ),
        (
            replaced(b"avc1", b"abcd"),
            "has the codec abcd: expected avc1 (H.264)",
        ),
        (replaced(b"vide", b"soun"), "has no video in it"),
        (
            replaced(b"avcC", b"free"),
            "is a broken video: it has no avcC",
        ),
        (
            replaced(b"stsz", b"free"),
            "is a broken video: it has no stsz",
        ),
        (
            whole[..index].to_vec(),
            "has no index (moov): it was cut short, or is being written still",
        ),
        (whole[..index + 100].to_vec(), "is cut short"),
        (
            replaced(b"ftyp", b"nope"),
            "is no video of a known kind: expected y4m, AVI or mp4",
        ),
        // A picture in the same container.
        (
            replaced(b"ftypisom", b"ftypavif"),
            "is no video of a known kind: expected y4m, AVI or mp4",
        ),
    ] {
        assert_eq!(refusal(open(&file)), said);
    }
}
