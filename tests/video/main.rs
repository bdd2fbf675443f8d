//! Videos as the library reads and writes them: pixels, times, and everything that can be wrong.

#[path = "../videos/mod.rs"]
mod videos;

mod avi;
mod damage;
mod mp4;
mod y4m;

use std::io::Cursor;

use fpn_wgpu::video::{Video, VideoError};
use image::RgbaImage;
use tempfile::NamedTempFile;

/// The video in a file with this content.
fn open(bytes: &[u8]) -> Result<Video, VideoError> {
    let file = NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), bytes).expect("it can be written");
    Video::open(file.path())
}

/// As [`open`], but through a pipe.
fn stream(bytes: &[u8]) -> Result<Video, VideoError> {
    Video::stream(Cursor::new(bytes.to_owned()))
}

/// The pictures until there are no more, and what is wrong then.
fn pictures(video: Video) -> (Vec<RgbaImage>, Option<String>) {
    let mut pictures = Vec::new();
    for frame in video {
        match frame {
            Ok(frame) => pictures.push(frame.picture),
            Err(error) => return (pictures, Some(error.to_string())),
        }
    }
    (pictures, None)
}

/// Why there is no video.
#[track_caller]
fn refusal(video: Result<Video, VideoError>) -> String {
    match video {
        Ok(_) => panic!("it is a video"),
        Err(error) => error.to_string(),
    }
}

/// Asserts that no channel of any pixel is farther from the expected than `most`.
#[track_caller]
fn assert_near(found: &RgbaImage, expected: &RgbaImage, most: u8) {
    assert_eq!(found.dimensions(), expected.dimensions());
    let differences = found.iter().zip(expected.iter());
    let largest = differences.map(|(a, b)| a.abs_diff(*b)).max();
    assert!(largest <= Some(most), "they differ by {largest:?}");
}
